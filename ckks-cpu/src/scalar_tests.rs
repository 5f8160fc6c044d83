//! The scalar kernels and the memory under them at small sizes, one thread: what Miri runs.
//!
//! Everything that these tests reach is portable Rust, and all `unsafe` code below it is that of
//! buffers and regions. Sizes shrink under Miri, where an instruction takes a thousand times as
//! long.

use crate::{CpuBackend, CpuOptions, KernelChoice};
use ckks_math::arith::ntt_primes;
use ckks_math::backend::{
    Basis, Device, GemmKernels, Pointwise, RingKernels, RingKind, RingSpec, SwitchKernels,
    SwitchKeyData, derived,
};
use ckks_math::conformance::table;
use ckks_math::sampling::Seed;

/// `log2 N`: below and above a run of words that move together.
const LOG_DEGREES: &[u32] = if cfg!(miri) { &[2, 4] } else { &[2, 4, 7] };
const KINDS: [RingKind; 2] = [RingKind::Standard, RingKind::ConjugateInvariant];

fn open() -> CpuBackend {
    let options = CpuOptions {
        kernels: KernelChoice::Reference,
        threads: Some(1),
    };
    CpuBackend::open(options)
        .expect("scalar kernels")
        .poisoned()
}

/// Rings of both kinds with three primes `q` and a special one.
fn rings() -> impl Iterator<Item = RingSpec> {
    let ring = |(kind, log_n)| {
        let primes = ntt_primes(40, 8_u64 << log_n, 4).expect("primes");
        RingSpec::new(kind, log_n, &primes[..3], &primes[3..]).expect("a ring")
    };
    let degrees = LOG_DEGREES.iter().copied();
    KINDS
        .into_iter()
        .flat_map(move |kind| degrees.clone().map(move |n| ring((kind, n))))
}

/// Moves and refusals read and write all of a block and nothing else: poisoned memory shows.
#[test]
fn laws_of_memory_hold() {
    let laws: &[&str] = match cfg!(miri) {
        true => &["upload_then_download", "alloc_is_zero"],
        false => &[
            "upload_then_download",
            "alloc_is_zero",
            "duplicate_is_independent",
            "restrict_and_stack_move_rows",
            "packed_rows_come_back",
            "misshapen_operands_are_refused",
        ],
    };
    let backend = open();
    let found = table::<CpuBackend>().into_iter();
    let found: Vec<_> = found.filter(|(name, _)| laws.contains(name)).collect();
    assert_eq!(found.len(), laws.len());
    for (name, law) in found {
        law(&backend).unwrap_or_else(|violation| panic!("{name}: {violation}"));
    }
}

/// `(x + y) z - x z = y z`, through transforms, in place and out of place, with blocks of fewer
/// rows.
#[test]
fn products_distribute_over_sums() {
    let backend = open();
    for ring in rings() {
        let t = backend.tables(&ring).expect("tables");
        let uniform = |n: u8, rows: usize| {
            let seed = Seed::from_bytes([n; 32]);
            backend
                .uniform(&t, &seed, 0, rows, Basis::qp(3, 1))
                .expect("residues")
        };
        let (x, y, z) = (uniform(1, 2), uniform(2, 2), uniform(3, 1));
        let op = |op, x: &_, y: &_| backend.pointwise(&t, op, x, y).expect("fits");
        let mut left = op(Pointwise::Add, &x, &y);
        backend
            .pointwise_assign(&t, Pointwise::Mul, &mut left, &z)
            .expect("fits");
        let mut xz = op(Pointwise::Mul, &x, &z);
        backend.intt(&t, &mut xz).expect("evaluations");
        backend.ntt(&t, &mut xz).expect("coefficients");
        backend
            .pointwise_assign(&t, Pointwise::Sub, &mut left, &xz)
            .expect("fits");
        let right = op(Pointwise::Mul, &y, &z);
        let [left, right] = [left, right].map(|x| backend.download(&t, &x).expect("residues"));
        assert!(left == right, "{:?}, N = {}", ring.kind(), ring.degree());
    }
}

/// Fused key switches, packed keys and hoisted rotations have the residues of the default bodies.
#[test]
fn key_switches_equal_their_default_bodies() {
    let backend = open();
    for ring in rings() {
        let t = backend.tables(&ring).expect("tables");
        let uniform = |n: u8, rows: usize, basis: Basis| {
            let seed = Seed::from_bytes([n; 32]);
            backend
                .uniform(&t, &seed, 0, rows, basis)
                .expect("residues")
        };
        let whole = Basis::qp(3, 1);
        let [b, a] = [4, 5].map(|n| backend.download(&t, &uniform(n, 2, whole)).expect("half"));
        let data = SwitchKeyData {
            basis: whole,
            digit_size: 2,
            b: &b,
            a: &a,
        };
        let key = backend.load_switch_key(&t, &data).expect("a key");
        for level in 1..=3 {
            let x = uniform(6, 1, Basis::q(level));
            let own = backend.key_switch(&t, &x, &key).expect("fits");
            let default = derived::key_switch(&backend, &t, &x, &key).expect("fits");
            let digits = backend.decompose(&t, &x, 2, 1).expect("fits");
            let permuted = backend
                .dot_key_permuted(&t, &digits, 5, &key)
                .expect("fits");
            let again = derived::dot_key_permuted(&backend, &t, &digits, 5, &key).expect("fits");
            for (own, default) in [(own, default), (permuted, again)] {
                let [own, default] = [own, default].map(|x| backend.download(&t, &x));
                assert!(
                    own.expect("residues") == default.expect("residues"),
                    "level {level}"
                );
            }
        }
    }
}

/// A matrix product is the sum of products by its entries, of either sign.
#[test]
fn matrices_multiply_row_by_row() {
    let backend = open();
    for ring in rings() {
        let t = backend.tables(&ring).expect("tables");
        let basis = Basis::q(3);
        let seed = Seed::from_bytes([7; 32]);
        let x = backend.uniform(&t, &seed, 0, 2, basis).expect("residues");
        let matrix = backend.load_matrix(&t, 1, 2, &[3, -1]).expect("a matrix");
        let found = backend.gemm(&t, &matrix, &x).expect("fits");
        let row = |r| backend.restrict(&t, &x, r..r + 1, basis).expect("a row");
        let constants: Vec<u64> = vec![3; 3];
        let minus: Vec<u64> = ring.moduli(basis).map(|m| m.value() - 1).collect();
        let rows = [&row(0), &row(1)];
        let expected = backend
            .combine(&t, basis, &rows, &[constants, minus])
            .expect("fits");
        let [found, expected] = [found, expected].map(|x| backend.download(&t, &x));
        assert!(found.expect("residues") == expected.expect("residues"));
    }
}
