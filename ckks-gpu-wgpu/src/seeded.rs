//! Uniform polynomials from seeds.

use crate::backend::WgpuBackend;
use crate::block::Block;
use crate::launch::Elements;
use crate::tables::Tables;
use ckks_math::Result;
use ckks_math::backend::gpu::constants::{RowLayout, stream_keys};
use ckks_math::sampling::Seed;

/// `log2` of the coefficients of one block of a key stream, which one thread makes.
const LOG_BLOCK: u32 = 3;

impl WgpuBackend {
    /// Writes the uniform polynomial of a number to row `row` of a block.
    pub(crate) fn fill_uniform(
        &self,
        t: &Tables,
        out: &Block,
        row: usize,
        seed: &Seed,
        number: usize,
    ) -> Result<()> {
        let mut constants = stream_keys(seed, number..number + 1)?;
        for last in RowLayout::of(t.ring(), out.shape.basis).lasts {
            constants.extend([last as u32, (last >> 32) as u32]);
        }
        let views = [out.rows.from(row)];
        let work = Elements {
            log_run: t.log_n().min(LOG_BLOCK),
            constants: &constants,
            ..Elements::over("uniform_residues", 1, &views)
        };
        self.launch(t, &work)
    }
}
