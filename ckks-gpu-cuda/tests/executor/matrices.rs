//! Matrix products by either units: the same residues, those of the CPU.

use ckks_cpu::{CpuBackend, CpuOptions};
use ckks_gpu_cuda::{CudaBackend, KernelSet, MatrixUnits};
use ckks_math::arith::ntt_primes_excluding;
use ckks_math::backend::{Backend, Basis, Device, GemmKernels, RingKind, RingSpec};
use ckks_math::conformance::table;
use ckks_math::sampling::Seed;

fn open(units: MatrixUnits) -> CudaBackend {
    let backend = CudaBackend::open_executor(KernelSet::Plain, 11).unwrap();
    backend.poisoned().with_matrix_units(units)
}

/// The law of products on tensor cores, with entries up to the largest of 64 bits; integers have it in the
/// suite, whose matrices are small.
#[test]
fn tensor_cores_multiply_as_integers() {
    let laws = table::<CudaBackend>();
    let (_, law) = (laws.into_iter())
        .find(|(name, _)| *name == "gemm_matches_integers")
        .unwrap();
    for units in [MatrixUnits::Tensor, MatrixUnits::Double] {
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
    let tensor = [MatrixUnits::Tensor, MatrixUnits::Double].map(open);
    for bits in [28, 60] {
        let q = ntt_primes_excluding(bits, 4 << 7, 3, &[]).unwrap();
        let ring = RingSpec::new(RingKind::Standard, 7, &q[..2], &q[2..]).unwrap();
        for case in [(70, 100, 8), (16, 32, 2), (33, 65, 24), (1, 260, 64)] {
            let expected = product(&cpu, &ring, case);
            for units in &tensor {
                let found = product(units, &ring, case);
                assert!(
                    found == expected,
                    "{case:?} at {bits} bits, {}",
                    units.name()
                );
            }
        }
    }
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
    // Doubles have no such bound.
    let double = open(MatrixUnits::Double);
    assert_eq!(units(&double, 1, (1 << 16) + 1), MatrixUnits::Double);
}
