//! Uniform polynomials from seeds.

use crate::backend::WgpuBackend;
use crate::block::Block;
use crate::launch::Elements;
use crate::tables::Tables;
use ckks_math::Result;
use ckks_math::sampling::{Seed, UniformStream};

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
        let ring = t.ring();
        let mut key = Vec::new();
        let mut lasts = Vec::with_capacity(2 * out.shape.basis.limbs());
        for prime in out.shape.basis.prime_indices(ring.q().len()) {
            let q = ring.prime(prime).value();
            let stream = UniformStream::new(seed, number as u64, prime as u64, q)?;
            let last = stream.last();
            lasts.extend([last as u32, (last >> 32) as u32]);
            let words = stream.key().chunks_exact(4);
            key = words
                .map(|w| u32::from_le_bytes([w[0], w[1], w[2], w[3]]))
                .collect();
        }
        key.extend(lasts);
        let views = [out.rows.from(row)];
        let work = Elements {
            log_run: t.log_n().min(LOG_BLOCK),
            constants: &key,
            ..Elements::over("uniform_residues", 1, &views)
        };
        self.launch(t, &work)
    }
}
