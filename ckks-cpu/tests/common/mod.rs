//! Rings, random blocks and backends for the tests of this crate.
#![allow(dead_code)]

use ckks_cpu::{Block, CpuBackend, CpuOptions, KernelChoice, Tables, available_kernels};
use ckks_math::arith::{Modulus, is_prime, ntt_primes_excluding};
use ckks_math::backend::{Basis, Device, RingKind, RingSpec};

pub const KINDS: [RingKind; 2] = [RingKind::Standard, RingKind::ConjugateInvariant];

/// A deterministic generator [Steele-Lea-Flood 2014].
pub struct SplitMix(pub u64);

impl SplitMix {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// The largest prime that a modulus may be, 1 modulo `order` and not taken.
fn largest_prime(order: u64, taken: &[u64]) -> u64 {
    let candidates = (1..).map(|k| (1 << Modulus::MAX_BITS) + 1 - k * order);
    let mut free = candidates.filter(|q| is_prime(*q) && !taken.contains(q));
    free.next().expect("primes are dense")
}

/// A ring whose moduli have about the given bit lengths, then special ones; of 61 bits the largest
/// there are.
pub fn ring(kind: RingKind, log_n: u32, q_bits: &[u32], p_bits: &[u32]) -> RingSpec {
    let order = match kind {
        RingKind::Standard => 2_u64 << log_n,
        RingKind::ConjugateInvariant => 4_u64 << log_n,
    };
    let mut taken = Vec::new();
    for &bits in q_bits.iter().chain(p_bits) {
        if bits == Modulus::MAX_BITS {
            taken.push(largest_prime(order, &taken));
            continue;
        }
        let prime = ntt_primes_excluding(bits, order, 1, &taken).expect("a prime");
        taken.extend(prime);
    }
    let (q, p) = taken.split_at(q_bits.len());
    RingSpec::new(kind, log_n, q, p).expect("a ring")
}

pub fn open(kernels: KernelChoice, threads: usize) -> CpuBackend {
    let options = CpuOptions {
        threads: Some(threads),
        kernels,
    };
    CpuBackend::open(options).expect("a backend").poisoned()
}

/// A backend for each kind of kernels of this machine.
pub fn backends() -> Vec<CpuBackend> {
    available_kernels()
        .into_iter()
        .map(|k| open(k, 2))
        .collect()
}

/// Random residues; every eighth is `q - 1` or 0.
pub fn residues(ring: &RingSpec, rows: usize, basis: Basis, rng: &mut SplitMix) -> Vec<u64> {
    let mut out = Vec::new();
    for _ in 0..rows {
        for m in ring.moduli(basis) {
            for _ in 0..ring.degree() {
                let (word, case) = (rng.next(), rng.next() % 16);
                out.push(match case {
                    0 => 0,
                    1 => m.value() - 1,
                    _ => word % m.value(),
                });
            }
        }
    }
    out
}

pub fn random_block(
    backend: &CpuBackend,
    t: &Tables,
    rows: usize,
    basis: Basis,
    rng: &mut SplitMix,
) -> Block {
    let words = residues(backend.ring(t), rows, basis, rng);
    backend.upload(t, rows, basis, &words).expect("upload")
}
