//! Products of the vendor's library, on the executor and on a card.

use ckks_gpu_cuda::{Block, CudaBackend, MatrixUnits};
use ckks_math::arith::ntt_primes;
use ckks_math::backend::{Basis, Device, GemmKernels, RingKernels, RingKind, RingSpec};
use ckks_math::sampling::Seed;

/// Outputs, inputs, `log2 N`.
type Size = (usize, usize, u32);

/// Products of all other units, and captured ones on other rows than they were captured with, have
/// the residues that the library gives.
pub fn agrees(backend: &CudaBackend, (outputs, inputs, log_n): Size) {
    let entry = |i: usize| (i as i64 * 0x9e37_79b9) % 60_000 - 30_000;
    let entries: Vec<i64> = (0..outputs * inputs).map(entry).collect();
    for bits in [28, 60] {
        let q = ntt_primes(bits, 4 << log_n, 2).unwrap();
        let ring = RingSpec::new(RingKind::Standard, log_n, &q, &[]).unwrap();
        let t = backend.tables(&ring).unwrap();
        let rows = |n: u8| {
            let seed = Seed::from_bytes([n; 32]);
            backend.uniform(&t, &seed, 0, inputs, Basis::q(2)).unwrap()
        };
        let [library, integer, tensor, double] = [
            MatrixUnits::Library,
            MatrixUnits::Integer,
            MatrixUnits::Tensor,
            MatrixUnits::Double,
        ]
        .map(|units| {
            let backend = backend.clone().with_matrix_units(units);
            let matrix = backend.load_matrix(&t, outputs, inputs, &entries).unwrap();
            assert_eq!(matrix.units(), units);
            matrix
        });
        // The library may load what it needs in the first run, which no capture takes in.
        let first = backend.gemm(&t, &library, &rows(1)).unwrap();
        let expected = backend.gemm(&t, &integer, &rows(1)).unwrap();
        let residues = |y: &Block| backend.download(&t, y).unwrap();
        assert!(residues(&first) == residues(&expected), "{bits} bits");
        let (graphs, mut result) = (backend.clone().with_graphs(), None);
        let captured = graphs.capture(&t, &[&rows(1)], &mut |x| {
            result = Some((graphs.gemm(&t, &library, &x[0])?, x));
            Ok(())
        });
        let captured = captured.unwrap().unwrap();
        let (result, _operands) = result.unwrap();
        for (n, other) in [(2, &integer), (3, &tensor), (4, &double)] {
            let x = rows(n);
            let expected = backend.gemm(&t, other, &x).unwrap();
            assert!(graphs.replay(&captured, &[&x]).unwrap());
            assert!(
                residues(&result) == residues(&expected),
                "{n} at {bits} bits"
            );
        }
    }
}
