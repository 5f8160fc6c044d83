//! Row-wise operations that this backend does in one pass give the bits of their default bodies.

mod common;

use ckks_cpu::{Block, CpuBackend, Tables};
use ckks_math::Error;
use ckks_math::backend::{Basis, Device, RingKernels, RingSpec, derived};
use common::{KINDS, SplitMix, backends, random_block, residues, ring};

/// Runs a check on both rings of several degrees, each with primes of 20 to 60 bits, for each kind
/// of kernels.
fn each(check: impl Fn(&CpuBackend, &Tables, &RingSpec, &mut SplitMix)) {
    for kind in KINDS {
        for log_n in [1, 2, 4, 6, 7, 9, 11, 13] {
            let ring = ring(kind, log_n, &[61, 20, 50, 36], &[49, 58]);
            for backend in backends() {
                let t = backend.tables(&ring).expect("tables");
                check(&backend, &t, &ring, &mut SplitMix(u64::from(log_n)));
            }
        }
    }
}

fn assert_same(backend: &CpuBackend, t: &Tables, what: &str, found: &Block, wanted: &Block) {
    let ring = backend.ring(t);
    let (kind, n) = (ring.kind(), ring.degree());
    let context = format!("{what}, {kind:?} ring, N = {n}, {}", backend.name());
    assert_eq!(backend.shape(found), backend.shape(wanted), "{context}");
    let [found, wanted] = [found, wanted].map(|x| backend.download(t, x).expect("download"));
    assert!(found == wanted, "{context}");
}

const BASES: [Basis; 4] = [
    Basis::qp(4, 2),
    Basis::q(1),
    Basis::digit(1, 3),
    Basis::p(2),
];

/// Every subring; integers below every prime, around one, and of any size.
#[test]
fn embed_equals_its_default_body() {
    each(|backend, t, ring, rng| {
        let q = ring.q()[1].value() as i64;
        for log_m in 0..=ring.log_degree() {
            let m = 1 << log_m;
            for (range, extremes) in [
                (1 << 16, [1 - (1 << 16), 0, (1 << 16) - 1]),
                (q, [1 - q, 0, q - 1]),
                (q + 1, [-q, q, q + 1]),
                (i64::MAX, [i64::MIN, i64::MAX, -i64::MAX]),
            ] {
                for (rows, basis) in [(2, BASES[0]), (1, BASES[1]), (3, BASES[2])] {
                    let draw = |i| match i % 5 {
                        0 => extremes[i / 5 % 3],
                        _ => rng.next() as i64 % range,
                    };
                    let coefficients: Vec<i64> = (0..rows * m).map(draw).collect();
                    let found = backend.embed(t, basis, &coefficients, m).expect("embed");
                    let wanted = derived::embed(backend, t, basis, &coefficients, m);
                    let what = format!("embed of {m} below {range}");
                    assert_same(backend, t, &what, &found, &wanted.expect("embed"));
                }
            }
        }
    });
}

#[test]
fn embed_refuses_what_its_default_body_refuses() {
    let ring = ring(KINDS[0], 4, &[30], &[]);
    for backend in backends() {
        let t = backend.tables(&ring).expect("tables");
        for (count, m) in [(12, 3), (32, 32), (6, 4), (0, 0)] {
            let refused = backend.embed(&t, Basis::q(1), &vec![1; count], m);
            assert!(matches!(refused, Err(Error::InvalidParameters(_))), "{m}");
        }
    }
}

/// All places of one to three rows among five, from blocks of the same and of a larger basis.
#[test]
fn add_rows_equals_its_default_body() {
    each(|backend, t, _, rng| {
        for basis in BASES {
            for (first, rows) in [(0, 5), (0, 1), (4, 1), (1, 3), (2, 0)] {
                for other in [basis, BASES[0]] {
                    let x = random_block(backend, t, 5, basis, rng);
                    let y = random_block(backend, t, rows, other, rng);
                    let mut found = backend.duplicate(t, &x).expect("copy");
                    let mut wanted = x;
                    backend.add_rows(t, &mut found, first, &y).expect("sum");
                    derived::add_rows(backend, t, &mut wanted, first, &y).expect("sum");
                    assert_same(backend, t, "add_rows", &found, &wanted);
                }
            }
        }
    });
}

#[test]
fn add_rows_refuses_rows_that_do_not_fit() {
    let ring = ring(KINDS[0], 4, &[30], &[]);
    for backend in backends() {
        let t = backend.tables(&ring).expect("tables");
        let mut x = backend.alloc(&t, 2, Basis::q(1)).expect("zeros");
        let y = backend.alloc(&t, 2, Basis::q(1)).expect("zeros");
        let refused = backend.add_rows(&t, &mut x, 1, &y);
        assert!(matches!(refused, Err(Error::ShapeMismatch { .. })));
    }
}

/// One to three pairs of rows; random residues and the largest, whose sums are the largest.
#[test]
fn tensor_equals_its_default_body() {
    each(|backend, t, ring, rng| {
        for basis in BASES {
            for pairs in 1..=3 {
                let x = random_block(backend, t, 2 * pairs, basis, rng);
                let y = random_block(backend, t, 2 * pairs, basis, rng);
                let mut largest = residues(ring, 2 * pairs, basis, rng);
                let moduli: Vec<u64> = ring.moduli(basis).map(|m| m.value()).collect();
                for (i, limb) in largest.chunks_mut(ring.degree()).enumerate() {
                    limb.fill(moduli[i % moduli.len()] - 1);
                }
                let z = backend
                    .upload(t, 2 * pairs, basis, &largest)
                    .expect("upload");
                for (x, y) in [(&x, &y), (&x, &x), (&z, &z)] {
                    let found = backend.tensor(t, x, y).expect("tensor");
                    let wanted = derived::tensor(backend, t, x, y).expect("tensor");
                    assert_same(backend, t, "tensor", &found, &wanted);
                }
            }
        }
    });
}
