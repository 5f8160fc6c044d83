//! Uniform polynomials from seeds, made on the card, and what is masked with them.

use crate::backend::CudaBackend;
use crate::device::Block;
use crate::driver::Address;
use crate::launch::{Grid, arguments};
use crate::tables::Tables;
use ckks_math::Result;
use ckks_math::backend::{Basis, Masks, Pointwise, RingKernels, Turned};
use ckks_math::sampling::{Seed, UniformStream};
use std::ops::Range;

/// Threads of a block, each of which makes [`WORDS`] coefficients at a time.
const THREADS: usize = 128;
/// Words of one ChaCha20 block; as in `uniform.cu`.
const WORDS: usize = 8;

impl CudaBackend {
    /// Writes uniform polynomials number `rows` of a seed over a basis to `to`.
    pub(crate) fn fill_uniform(
        &self,
        t: &Tables,
        to: Address,
        seed: &Seed,
        rows: Range<usize>,
        basis: Basis,
    ) -> Result<()> {
        let (ring, n) = (t.ring(), t.ring().degree());
        let stream = |row: usize, prime: usize| {
            UniformStream::new(seed, row as u64, prime as u64, ring.prime(prime).value())
        };
        let mut lasts = Vec::with_capacity(basis.limbs());
        for prime in basis.prime_indices(ring.q().len()) {
            lasts.push(stream(rows.start, prime)?.last());
        }
        let mut keys = Vec::with_capacity(8 * rows.len());
        for row in rows.clone() {
            let stream = stream(row, 0)?;
            let words = stream.key().chunks_exact(4);
            keys.extend(words.map(|w| u32::from_le_bytes([w[0], w[1], w[2], w[3]])));
        }
        let (keys, lasts) = (self.stage(&keys)?, self.stage(&lasts)?);
        let pieces = n.div_ceil(THREADS * WORDS);
        let blocks = [pieces, basis.limbs(), rows.len()];
        let grid = Grid::new("uniform", blocks, THREADS.min(n) as u32)?;
        let arguments = arguments![
            to,
            keys.address(),
            lasts.address(),
            t.primes(),
            t.limbs(basis),
            ring.log_degree(),
        ];
        self.launch_for(t, "uniform", grid, &arguments)
    }

    /// See [`RingKernels::masked`].
    pub(crate) fn masked_rows(
        &self,
        t: &Tables,
        basis: Basis,
        masks: &Masks<'_, Block>,
    ) -> Result<Block> {
        let n = t.ring().degree();
        let rows = masks.check(n)?;
        let mut out = self.embed(t, basis, masks.errors, n)?;
        let mut product = self.uniform(t, masks.seed, 0, rows, basis)?;
        self.pointwise_assign(t, Pointwise::Mul, &mut product, masks.secret)?;
        self.pointwise_assign(t, Pointwise::Sub, &mut out, &product)?;
        for (row, message) in masks.messages.iter().enumerate() {
            let ones = vec![1; message.shape.basis.limbs()];
            self.add_scaled(t, &mut out, row, &Turned::rows(*message, 0..1), &ones)?;
        }
        Ok(out)
    }
}
