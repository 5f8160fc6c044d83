//! Compact polynomials: embedding, and sums of products with them.

use crate::device::{Block, CpuBackend, light};
use crate::kernels::CHUNK;
use crate::ring::{by_limb, positions, tasks};
use crate::tables::Tables;
use ckks_math::Result;
use ckks_math::backend::{Basis, checked};

impl CpuBackend {
    /// See [`ckks_math::backend::RingKernels::embed_compact`].
    pub(crate) fn embed_compact_limbs(
        &self,
        t: &Tables,
        basis: Basis,
        coefficients: &[i64],
        m: usize,
    ) -> Result<Block> {
        let n = t.ring.degree();
        let shape = checked::embed_compact(&t.ring, basis, coefficients, m)?;
        let mut out = self.block(t, shape.rows, basis)?;
        let bound = coefficients.iter().map(|c| c.unsigned_abs()).max();
        let bound = bound.unwrap_or(0);
        let indices: Vec<_> = basis.prime_indices(t.ring.q().len()).collect();
        self.for_each(out.words.len(), tasks(t, &mut out), |task| {
            let row = &coefficients[task.row * n..];
            let row = &row[..row.len().min(n)];
            let prime = (&t.ring, indices[task.limb]);
            let (values, rest) = task.out.split_at_mut(row.len());
            for (values, coefficients) in values.chunks_exact_mut(m).zip(row.chunks_exact(m)) {
                task.prime.embed_compact(prime, values, coefficients, bound);
            }
            rest.fill(0);
        });
        Ok(out)
    }

    /// See [`ckks_math::backend::RingKernels::sum_products`].
    ///
    /// Piece by piece of each limb, so that the factors of all sums stay in cache.
    pub(crate) fn sum_products_by_chunks(
        &self,
        t: &Tables,
        xs: &[&Block],
        ys: &Block,
        m: usize,
        sums: &[Vec<(usize, usize)>],
    ) -> Result<Vec<Block>> {
        let shapes = checked::shapes(self, xs);
        let shape = checked::sum_products(&t.ring, &shapes, ys.shape, m, sums)?;
        let (n, rows) = (shape.degree, shape.rows);
        let run = n / m;
        let at = positions(shape.basis, ys.shape.basis);
        let primes = t.primes(shape.basis);
        let mut outs = sums
            .iter()
            .map(|_| self.block(t, rows, shape.basis))
            .collect::<Result<Vec<_>>>()?;
        // For each limb and row, the pieces of all sums.
        let mut pieces: Vec<(usize, usize, Vec<&mut [u64]>)> = (0..shape.basis.limbs() * rows)
            .map(|i| (i / rows, i % rows, Vec::with_capacity(sums.len())))
            .collect();
        for out in &mut outs {
            let slices = by_limb(out).into_iter().flatten();
            for ((_, _, piece), slice) in pieces.iter_mut().zip(slices) {
                piece.push(slice);
            }
        }
        let products = sums.iter().map(Vec::len).sum::<usize>();
        let words = light(products.max(1) * shape.words());
        let polynomial = |k: usize, limb: usize| &ys.limb(k / run, limb)[k % run * m..][..m];
        self.for_each(words, pieces, |(limb, row, mut outs)| {
            let mut pairs = Vec::new();
            for start in (0..n).step_by(CHUNK) {
                let width = CHUNK.min(n);
                let (first, values) = (start / run, width.div_ceil(run));
                for (out, sum) in outs.iter_mut().zip(sums) {
                    pairs.clear();
                    pairs.extend(sum.iter().map(|&(i, k)| {
                        let x = &xs[i].limb(row, limb)[start..][..width];
                        (x, &polynomial(k, at[limb])[first..][..values])
                    }));
                    primes[limb].sum_products(&mut out[start..][..width], &pairs);
                }
            }
        });
        Ok(outs)
    }
}
