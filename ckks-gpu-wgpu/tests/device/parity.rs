//! The same residues as the CPU backend, at the degrees that are used: transforms of one pass and
//! of two, and blocks of several buffers.

use crate::common::open;
use ckks_cpu::{CpuBackend, CpuOptions};
use ckks_gpu_wgpu::Options;
use ckks_math::arith::ntt_primes_excluding;
use ckks_math::backend::{Backend, Basis, Device, RingKind, RingSpec, SwitchKeyData};
use ckks_math::conformance::Rng;

fn residues(rng: &mut Rng, ring: &RingSpec, rows: usize, basis: Basis) -> Vec<u64> {
    let mut out = Vec::with_capacity(rows * basis.limbs() * ring.degree());
    for _ in 0..rows {
        for m in ring.moduli(basis) {
            out.extend((0..ring.degree()).map(|_| rng.uniform(m.value())));
        }
    }
    out
}

fn ring(kind: RingKind, log_n: u32) -> RingSpec {
    let order = 4 << log_n;
    let q = ntt_primes_excluding(30, order, 3, &[]).unwrap();
    let p = ntt_primes_excluding(30, order, 1, &q).unwrap();
    RingSpec::new(kind, log_n, &q, &p).unwrap()
}

/// A transform there and back, a key switch of permuted polynomials, a rescale, packed polynomials
/// in two sums, a matrix product: all residues.
fn circuit<B: Backend>(backend: &B, ring: &RingSpec) -> Vec<Vec<u64>> {
    let mut rng = Rng::new(7);
    let t = backend.tables(ring).unwrap();
    let (q, qp) = (Basis::q(3), Basis::qp(3, 1));
    let b = residues(&mut rng, ring, 3, qp);
    let a = residues(&mut rng, ring, 3, qp);
    let data = SwitchKeyData {
        basis: qp,
        digit_size: 1,
        b: &b,
        a: &a,
    };
    let key = backend.load_switch_key(&t, &data).unwrap();
    let plain = residues(&mut rng, ring, 2, q);
    let mut x = backend.upload(&t, 2, q, &plain).unwrap();
    backend.ntt(&t, &mut x).unwrap();
    let mut out = vec![backend.download(&t, &x).unwrap()];
    let galois = ring.galois_rotation(5);
    let permuted = backend.automorphism(&t, &x, galois).unwrap();
    let switched = backend.key_switch(&t, &permuted, &key).unwrap();
    out.push(backend.download(&t, &switched).unwrap());
    let digits = backend.decompose(&t, &x, 1, 1).unwrap();
    let hoisted = backend.dot_key_permuted(&t, &digits, galois, &key).unwrap();
    let lower = backend.mod_down_and_rescale(&t, &hoisted, 1).unwrap();
    out.push(backend.download(&t, &lower).unwrap());
    let m = ring.degree() / 4;
    let small: Vec<i64> = (0..5 * m).map(|_| rng.signed(1 << 30) << 9).collect();
    let packed = backend.embed_compact(&t, qp, &small, m).unwrap();
    let sums = [vec![(0, 0), (1, 4), (0, 2), (1, 1), (1, 3)], vec![(1, 4)]];
    for sum in backend
        .sum_products(&t, &[&x, &permuted], &packed, m, &sums)
        .unwrap()
    {
        out.push(backend.download(&t, &sum).unwrap());
    }
    let matrix = backend.load_matrix(&t, 3, 2, &[1, -2, i64::MAX, i64::MIN, 0, 1 << 40]);
    let product = backend.gemm(&t, &matrix.unwrap(), &x).unwrap();
    out.push(backend.download(&t, &product).unwrap());
    backend.intt(&t, &mut x).unwrap();
    assert!(backend.download(&t, &x).unwrap() == plain, "intt after ntt");
    out
}

fn same_as_cpu(kind: RingKind, log_n: u32, options: Options) {
    let Some(backend) = open(options) else {
        return;
    };
    let ring = ring(kind, log_n);
    let cpu = CpuBackend::open(CpuOptions::default()).unwrap();
    let expected = circuit(&cpu, &ring);
    let found = circuit(&backend.poisoned(), &ring);
    for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert!(
            found == expected,
            "result {i} of {kind:?}, N = 2^{log_n}, {options:?}"
        );
    }
}

#[test]
fn all_degrees_in_use_give_the_residues_of_the_cpu() {
    for log_n in [11, 13, 15] {
        same_as_cpu(RingKind::Standard, log_n, Options::default());
        same_as_cpu(RingKind::ConjugateInvariant, log_n, Options::default());
    }
    same_as_cpu(RingKind::Standard, 17, Options::default());
}

/// Buffers of one row and of two, so that every operand is cut otherwise, on 32-bit integers alone.
#[test]
fn blocks_of_several_buffers_give_the_residues_of_the_cpu() {
    for rows in [1, 2] {
        let options = Options {
            portable: true,
            buffer: Some(rows * 4 * 4 * (1 << 13)),
            ..Options::default()
        };
        same_as_cpu(RingKind::Standard, 13, options);
        same_as_cpu(RingKind::ConjugateInvariant, 13, options);
    }
}

/// A ring with a longer prime is refused, and the error names a preset that fits.
#[test]
fn wide_primes_are_refused_with_a_preset_that_fits() {
    let Some(backend) = open(Options::default()) else {
        return;
    };
    let q = ntt_primes_excluding(45, 1 << 14, 2, &[]).unwrap();
    let ring = RingSpec::new(RingKind::Standard, 13, &q, &[]).unwrap();
    let refused = backend.tables(&ring).err().unwrap().to_string();
    assert!(
        refused.contains("31 bits") && refused.contains("n16-boot-w31"),
        "{refused}"
    );
}
