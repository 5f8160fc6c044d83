//! Products of integer matrices with rows of residues.

use crate::device::{Block, CpuBackend, light};
use crate::kernels::{CHUNK, Prime};
use crate::pool::Buffer;
use crate::ring::{by_limb, columns};
use crate::simd::GEMM_SCRATCH;
use crate::tables::Tables;
use ckks_math::Result;
use ckks_math::backend::checked::MatrixShape;
use ckks_math::backend::{Basis, GemmKernels, checked};

/// A piece of a limb of all rows of the result: the limb, the first coefficient, the pieces.
type Task<'a> = (usize, usize, Vec<&'a mut [u64]>);

/// An integer matrix: its residues modulo every prime of the ring.
pub struct PlainMatrix {
    shape: MatrixShape,
    /// `[primes][outputs][inputs]`, all moduli `q` then the special ones.
    residues: Buffer,
}

impl GemmKernels for CpuBackend {
    type PlainMatrix = PlainMatrix;

    fn load_matrix(
        &self,
        t: &Tables,
        outputs: usize,
        inputs: usize,
        entries: &[i64],
    ) -> Result<PlainMatrix> {
        checked::matrix(outputs, inputs, entries)?;
        let primes = t.primes(Basis::qp(t.ring.q().len(), t.ring.p().len()));
        let mut residues = self.pool.take_lasting(primes.len() * entries.len())?;
        let words = residues.len();
        let tasks = residues
            .chunks_exact_mut(entries.len())
            .zip(primes)
            .collect();
        self.for_each(words, tasks, |(out, prime): (&mut [u64], &Prime)| {
            for (out, &entry) in out.iter_mut().zip(entries) {
                *out = prime.modulus().reduce_i64(entry);
            }
        });
        Ok(PlainMatrix {
            shape: MatrixShape::new(&t.ring, outputs, inputs),
            residues,
        })
    }

    fn gemm(&self, t: &Tables, w: &PlainMatrix, x: &Block) -> Result<Block> {
        let (basis, degree) = (x.shape.basis, x.shape.degree);
        let MatrixShape {
            outputs, inputs, ..
        } = w.shape;
        checked::gemm(&t.ring, w.shape, x.shape)?;
        let mut out = self.block(t, outputs, basis)?;
        let primes = t.primes(basis);
        let indices: Vec<_> = basis.prime_indices(t.ring.q().len()).collect();
        let tasks: Vec<_> = (by_limb(&mut out).into_iter().enumerate())
            .flat_map(|(limb, outs)| {
                let columns = columns(outs.into_iter(), degree).into_iter().enumerate();
                columns.map(move |(i, outs)| (limb, i * CHUNK, outs))
            })
            .collect();
        let words = outputs * x.words.len();
        self.try_for_each(light(words), tasks, |(limb, start, mut outs): Task<'_>| {
            let width = degree.min(CHUNK);
            let mut scratch = self.pool.take(GEMM_SCRATCH * inputs)?;
            let piece = |row: usize| &x.limb(row, limb)[start..][..width];
            let xs: Vec<_> = (0..inputs).map(piece).collect();
            let size = outputs * inputs;
            let residues = &w.residues[indices[limb] * size..][..size];
            primes[limb].gemm(&mut outs, &xs, residues, &mut scratch);
            Ok(())
        })?;
        Ok(out)
    }
}
