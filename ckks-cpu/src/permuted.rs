//! Rows of another block, permuted and scaled on the way into a sum.

use crate::device::{Block, CpuBackend, light};
use crate::kernels::LANES;
use crate::ring::{positions, tasks};
use crate::tables::Tables;
use ckks_math::Result;
use ckks_math::backend::{Permuted, checked};

/// Words permuted together: they stay in the first-level cache.
const PIECE: usize = 2048;

impl CpuBackend {
    /// See [`ckks_math::backend::RingKernels::add_scaled`]. Words are permuted piece by piece in
    /// cache.
    pub(crate) fn add_scaled_rows(
        &self,
        t: &Tables,
        x: &mut Block,
        first: usize,
        y: &Permuted<'_, Block>,
        constants: &[u64],
    ) -> Result<()> {
        let from = y.block;
        let added = (from.shape, &y.rows, y.galois);
        checked::add_scaled(&t.ring, x.shape, first, added, constants)?;
        let rows = first..first + y.rows.len();
        let permutation = (y.galois != 1).then(|| t.permutation(y.galois));
        let at = positions(from.shape.basis, x.shape.basis);
        let words = y.rows.len() * from.row_words();
        let mut chosen = Vec::with_capacity(y.rows.len() * at.len());
        for task in tasks(t, x) {
            let limb = at.iter().position(|&limb| limb == task.limb);
            if let Some(limb) = limb.filter(|_| rows.contains(&task.row)) {
                chosen.push((limb, task));
            }
        }
        self.for_each(light(words), chosen, |(limb, task)| {
            let y = from.limb(y.rows.start + task.row - first, limb);
            let Some(permutation) = &permutation else {
                return task.prime.add_scaled(task.out, y, constants[limb]);
            };
            let mut permuted = [0; PIECE];
            for (piece, out) in task.out.chunks_mut(PIECE).enumerate() {
                let permuted = &mut permuted[..out.len()];
                let part = permutation.part(piece * (PIECE / LANES));
                task.prime.permute(&part, permuted, y);
                task.prime.add_scaled(out, permuted, constants[limb]);
            }
        });
        Ok(())
    }
}
