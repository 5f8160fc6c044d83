//! A fixed circuit whose residues a backend and the CPU must agree on.

use ckks_cpu::{CpuBackend, CpuOptions};
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

/// The primes of a ring and the digits of its key.
#[derive(Clone, Copy, Debug)]
pub struct Primes {
    /// Their bits, or one more.
    pub bits: u32,
    /// Moduli `q`.
    pub q: usize,
    /// Special moduli.
    pub special: usize,
    /// Moduli of a digit.
    pub digit_size: usize,
}

impl Primes {
    /// As many as the presets of short primes have on a middle level, in digits of twelve.
    pub const MANY: Self = Self {
        bits: 28,
        q: 25,
        special: 12,
        digit_size: 12,
    };

    /// Three moduli, a special one, digits of one.
    pub const fn few(bits: u32) -> Self {
        Self {
            bits,
            q: 3,
            special: 1,
            digit_size: 1,
        }
    }

    fn ring(self, kind: RingKind, log_n: u32) -> RingSpec {
        let order = 4 << log_n;
        let q = ntt_primes_excluding(self.bits, order, self.q, &[]).unwrap();
        let p = ntt_primes_excluding(self.bits, order, self.special, &q).unwrap();
        RingSpec::new(kind, log_n, &q, &p).unwrap()
    }
}

/// A transform there and back, a key switch of a permuted polynomial, a rescale: all residues.
fn circuit<B: Backend>(backend: &B, ring: &RingSpec, digit_size: usize) -> Vec<Vec<u64>> {
    let mut rng = Rng(7);
    let t = backend.tables(ring).unwrap();
    let l = ring.q().len();
    let (q, qp) = (Basis::q(l), Basis::qp(l, ring.p().len()));
    let digits = l.div_ceil(digit_size);
    let (b, a) = (
        rng.residues(ring, digits, qp),
        rng.residues(ring, digits, qp),
    );
    let data = SwitchKeyData {
        basis: qp,
        digit_size,
        b: &b,
        a: &a,
    };
    let key = backend.load_switch_key(&t, &data).unwrap();
    let residues = rng.residues(ring, 1, q);
    let mut x = backend.upload(&t, 1, q, &residues).unwrap();
    backend.ntt(&t, &mut x).unwrap();
    let mut out = vec![backend.download(&t, &x).unwrap()];
    let permuted = backend
        .automorphism(&t, &x, ring.galois_rotation(5))
        .unwrap();
    let switched = backend.key_switch(&t, &permuted, &key).unwrap();
    out.push(backend.download(&t, &switched).unwrap());
    let lower = backend.rescale(&t, &switched, 1).unwrap();
    out.push(backend.download(&t, &lower).unwrap());
    backend.intt(&t, &mut x).unwrap();
    out.push(backend.download(&t, &x).unwrap());
    assert!(out[3] == residues, "intt after ntt");
    out
}

/// Fails unless all residues of the circuit are those of the CPU backend.
pub fn same_as_cpu<B: Backend>(backend: &B, kind: RingKind, log_n: u32, primes: Primes) {
    let ring = primes.ring(kind, log_n);
    let cpu = CpuBackend::open(CpuOptions::default()).unwrap();
    let expected = circuit(&cpu, &ring, primes.digit_size);
    let found = circuit(backend, &ring, primes.digit_size);
    for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert!(
            found == expected,
            "result {i} of {kind:?}, N = 2^{log_n}, {primes:?}"
        );
    }
}
