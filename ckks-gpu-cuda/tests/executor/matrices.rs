//! Matrix products by all units: the same residues, those of the CPU.

use ckks_cpu::{CpuBackend, CpuOptions};
use ckks_gpu_cuda::{CudaBackend, KernelSet, MatrixUnits};
use ckks_math::arith::ntt_primes_excluding;
use ckks_math::backend::{Backend, Basis, Device, GemmKernels, RingKind, RingSpec};
use ckks_math::conformance::table;
use ckks_math::sampling::Seed;

/// Units that integers are split for.
const SPLIT: [MatrixUnits; 3] = [
    MatrixUnits::Tensor,
    MatrixUnits::Library,
    MatrixUnits::Double,
];

fn open(units: MatrixUnits) -> CudaBackend {
    let backend = CudaBackend::open_executor(KernelSet::Plain, 11).unwrap();
    backend.poisoned().with_matrix_units(units)
}

/// The law of products on tensor cores, with entries up to the largest of 64 bits; integers have it
/// in the suite, whose matrices are small.
#[test]
fn tensor_cores_multiply_as_integers() {
    let laws = table::<CudaBackend>();
    let (_, law) = (laws.into_iter())
        .find(|(name, _)| *name == "gemm_matches_integers")
        .unwrap();
    for units in SPLIT {
        law(&open(units)).unwrap_or_else(|v| panic!("{units:?}: {v}"));
    }
}

/// Outputs, inputs and entries' bits.
type Case = (usize, usize, u32);

fn product<B: Backend>(backend: &B, ring: &RingSpec, (outputs, inputs, bits): Case) -> Vec<u64> {
    let t = backend.tables(ring).unwrap();
    let seed = Seed::from_bytes([3; 32]);
    let x = backend
        .uniform(&t, &seed, 0, inputs, Basis::qp(2, 1))
        .unwrap();
    // The extremes, then a spread of both signs.
    let largest = (1_i64 << (bits - 1)) - 1;
    let entry = |i: usize| match i % 7 {
        0 => largest,
        1 => -largest - 1,
        _ => (i as i64).wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64) >> (64 - bits),
    };
    let entries: Vec<i64> = (0..outputs * inputs).map(entry).collect();
    let matrix = backend.load_matrix(&t, outputs, inputs, &entries).unwrap();
    let out = backend.gemm(&t, &matrix, &x).unwrap();
    backend.download(&t, &out).unwrap()
}

/// Several tiles on each axis, and a part of one.
#[test]
fn tensor_cores_give_the_residues_of_the_cpu() {
    let cpu = CpuBackend::open(CpuOptions::default()).unwrap();
    let tensor = SPLIT.map(open);
    for bits in [28, 60] {
        let q = ntt_primes_excluding(bits, 4 << 7, 3, &[]).unwrap();
        let ring = RingSpec::new(RingKind::Standard, 7, &q[..2], &q[2..]).unwrap();
        for case in [(70, 100, 8), (16, 32, 2), (33, 65, 24), (1, 260, 64)] {
            let expected = product(&cpu, &ring, case);
            for (units, backend) in SPLIT.iter().zip(&tensor) {
                let found = product(backend, &ring, case);
                assert!(found == expected, "{case:?} at {bits} bits, {units:?}");
            }
        }
    }
}

/// Residues at the ends of their range with the largest entries, a column or two and one output:
/// nothing but padding fills most of what is multiplied.
#[test]
fn extremes_give_the_residues_of_the_cpu() {
    let cpu = CpuBackend::open(CpuOptions::default()).unwrap();
    for (bits, log_n) in [(30, 1), (30, 4), (60, 1), (60, 3)] {
        // Above and below 2^bits: the longest that the words admit are among them.
        let q = ntt_primes_excluding(bits, 4 << log_n, 3, &[]).unwrap();
        assert_eq!(q.iter().map(|q| q.ilog2()).max(), Some(bits));
        let ring = RingSpec::new(RingKind::Standard, log_n, &q[..2], &q[2..]).unwrap();
        for (outputs, inputs) in [(1, 1), (1, 33), (9, 31), (8, 32)] {
            let extreme = |i: usize, q: u64| [q - 1, q / 2, q / 2 + 1, 0, 1][i % 5];
            let words = (0..inputs).flat_map(|row| {
                let residue = move |q: u64| (0..1 << log_n).map(move |i| extreme(i + row, q));
                q.iter().copied().flat_map(residue)
            });
            let words: Vec<u64> = words.collect();
            let entries: Vec<i64> = (0..outputs * inputs)
                .map(|i| [i64::MIN, i64::MAX, -1, i64::MIN][i % 4])
                .collect();
            let expected = multiply(&cpu, &ring, (outputs, inputs), &entries, &words);
            for units in SPLIT {
                let found = multiply(&open(units), &ring, (outputs, inputs), &entries, &words);
                let case = (bits, log_n, outputs, inputs);
                assert!(found == expected, "{case:?}, {units:?}");
            }
        }
    }
}

fn multiply<B: Backend>(
    backend: &B,
    ring: &RingSpec,
    (outputs, inputs): (usize, usize),
    entries: &[i64],
    words: &[u64],
) -> Vec<u64> {
    let t = backend.tables(ring).unwrap();
    let matrix = backend.load_matrix(&t, outputs, inputs, entries).unwrap();
    let x = backend.upload(&t, inputs, Basis::qp(2, 1), words).unwrap();
    let out = backend.gemm(&t, &matrix, &x).unwrap();
    backend.download(&t, &out).unwrap()
}

/// The library's products are those of all units, captured or not.
#[test]
fn the_library_agrees_captured_or_not() {
    crate::library::agrees(&open(MatrixUnits::Library), (9, 40, 6));
}

/// What is left to integers, and what the shape alone decides.
#[test]
fn units_follow_the_shape_without_a_card() {
    let q = ntt_primes_excluding(28, 64, 1, &[]).unwrap();
    let ring = RingSpec::new(RingKind::Standard, 4, &q, &[]).unwrap();
    let units = |backend: &CudaBackend, outputs: usize, inputs: usize| {
        let t = backend.tables(&ring).unwrap();
        let entries = vec![1; outputs * inputs];
        let matrix = backend.load_matrix(&t, outputs, inputs, &entries).unwrap();
        matrix.units()
    };
    let free = CudaBackend::open_executor(KernelSet::Plain, 1).unwrap();
    assert_eq!(units(&free, 16, 32), MatrixUnits::Tensor);
    assert_eq!(units(&free, 15, 32), MatrixUnits::Integer);
    let tensor = open(MatrixUnits::Tensor);
    assert_eq!(units(&tensor, 1, 1 << 16), MatrixUnits::Tensor);
    assert_eq!(units(&tensor, 1, (1 << 16) + 1), MatrixUnits::Integer);
    let library = open(MatrixUnits::Library);
    assert_eq!(units(&library, 1, 1 << 16), MatrixUnits::Library);
    assert_eq!(units(&library, 1, (1 << 16) + 1), MatrixUnits::Integer);
    // Doubles have no such bound.
    let double = open(MatrixUnits::Double);
    assert_eq!(units(&double, 1, (1 << 16) + 1), MatrixUnits::Double);
}
