//! The same residues as the CPU backend, at the degrees that are used.

use ckks_cpu::{CpuBackend, CpuOptions};
use ckks_gpu_cuda::{CudaBackend, KernelSet};
use ckks_math::arith::ntt_primes_excluding;
use ckks_math::backend::{Backend, Basis, RingKind, RingSpec, SwitchKeyData};

/// Splitmix64 [Steele-Lea-Flood 2014].
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn residues(&mut self, ring: &RingSpec, rows: usize, basis: Basis) -> Vec<u64> {
        let moduli: Vec<_> = ring.moduli(basis).map(|m| m.value()).collect();
        let limbs = (0..rows).flat_map(|_| moduli.iter());
        let limb = |q: &u64| {
            (0..ring.degree())
                .map(|_| self.next() % q)
                .collect::<Vec<_>>()
        };
        limbs.flat_map(limb).collect()
    }
}

fn ring(kind: RingKind, log_n: u32, bits: u32) -> RingSpec {
    let order = 4 << log_n;
    let q = ntt_primes_excluding(bits, order, 3, &[]).unwrap();
    let p = ntt_primes_excluding(bits, order, 1, &q).unwrap();
    RingSpec::new(kind, log_n, &q, &p).unwrap()
}

/// A transform there and back, a key switch of a turned polynomial, a rescale: all residues.
fn circuit<B: Backend>(backend: &B, ring: &RingSpec) -> Vec<Vec<u64>> {
    let mut rng = Rng(7);
    let t = backend.tables(ring).unwrap();
    let (q, qp) = (Basis::q(3), Basis::qp(3, 1));
    let (b, a) = (rng.residues(ring, 3, qp), rng.residues(ring, 3, qp));
    let data = SwitchKeyData {
        basis: qp,
        digit_size: 1,
        b: &b,
        a: &a,
    };
    let key = backend.load_switch_key(&t, &data).unwrap();
    let residues = rng.residues(ring, 1, q);
    let mut x = backend.upload(&t, 1, q, &residues).unwrap();
    backend.ntt(&t, &mut x).unwrap();
    let mut out = vec![backend.download(&t, &x).unwrap()];
    let turned = backend
        .automorphism(&t, &x, ring.galois_rotation(5))
        .unwrap();
    let switched = backend.key_switch(&t, &turned, &key).unwrap();
    out.push(backend.download(&t, &switched).unwrap());
    let lower = backend.rescale(&t, &switched, 1).unwrap();
    out.push(backend.download(&t, &lower).unwrap());
    backend.intt(&t, &mut x).unwrap();
    out.push(backend.download(&t, &x).unwrap());
    assert!(out[3] == residues, "intt after ntt");
    out
}

fn same_as_cpu(kind: RingKind, log_n: u32, bits: u32) {
    let ring = ring(kind, log_n, bits);
    let cpu = CpuBackend::open(CpuOptions::default()).unwrap();
    let expected = circuit(&cpu, &ring);
    let executor = CudaBackend::open_executor(KernelSet::Plain, u64::from(log_n)).unwrap();
    let found = circuit(&executor.poisoned(), &ring);
    for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert!(
            found == expected,
            "result {i} of {kind:?}, N = 2^{log_n}, primes of {bits} bits"
        );
    }
}

#[test]
fn short_words_give_the_residues_of_the_cpu() {
    for log_n in [9, 11, 13, 14] {
        same_as_cpu(RingKind::Standard, log_n, 28);
        same_as_cpu(RingKind::ConjugateInvariant, log_n, 28);
    }
    same_as_cpu(RingKind::ConjugateInvariant, 15, 28);
    same_as_cpu(RingKind::ConjugateInvariant, 16, 28);
}

/// Primes of 31 bits are too long for lazy transforms in 32-bit words.
#[test]
fn words_of_31_bits_give_the_residues_of_the_cpu() {
    same_as_cpu(RingKind::Standard, 13, 30);
    same_as_cpu(RingKind::ConjugateInvariant, 13, 30);
    same_as_cpu(RingKind::Standard, 16, 30);
}

#[test]
fn long_words_give_the_residues_of_the_cpu() {
    for log_n in [9, 11, 13] {
        same_as_cpu(RingKind::Standard, log_n, 60);
        same_as_cpu(RingKind::ConjugateInvariant, log_n, 60);
    }
    same_as_cpu(RingKind::Standard, 17, 50);
}
