//! Uniform polynomials from seeds, made on the card.

use crate::backend::CudaBackend;
use crate::kernels::Kernel;
use crate::launch::{Grid, arguments};
use crate::pool::Buffer;
use crate::tables::Tables;
use ckks_math::Result;
use ckks_math::backend::Basis;
use ckks_math::backend::gpu::constants::stream_keys;
use ckks_math::sampling::Seed;
use std::ops::Range;

/// Threads of a block, each of which makes [`WORDS`] coefficients at a time.
const THREADS: usize = 128;
/// Words of one ChaCha20 block; as in `uniform.cu`.
const WORDS: usize = 8;
/// Bytes of the key of a stream.
pub(crate) const KEY_BYTES: usize = 32;

impl CudaBackend {
    /// Writes uniform polynomials number `rows` of a seed over a basis to `to`.
    pub(crate) fn fill_uniform(
        &self,
        t: &Tables,
        to: &Buffer,
        seed: &Seed,
        rows: Range<usize>,
        basis: Basis,
    ) -> Result<()> {
        let streams = self.stage(&stream_keys(seed, rows.clone())?)?;
        self.fill_streams(t, to, &streams, rows.len(), basis)
    }

    /// Writes the uniform polynomials of streams whose keys are on the device.
    pub(crate) fn fill_streams(
        &self,
        t: &Tables,
        to: &Buffer,
        streams: &Buffer,
        rows: usize,
        basis: Basis,
    ) -> Result<()> {
        let n = t.ring().degree();
        let words = to.range(self.queue.pool(), 0, rows * t.row_bytes(basis))?;
        let keys = streams.range(self.queue.pool(), 0, rows * KEY_BYTES)?;
        let packing = t.packing(self, basis)?;
        let blocks = [n.div_ceil(THREADS * WORDS), basis.limbs(), rows];
        let grid = Grid::new(Kernel::Uniform, blocks, THREADS.min(n) as u32)?;
        let arguments = arguments![
            words,
            keys,
            packing.lasts.address(),
            t.primes(),
            t.limbs(basis),
            t.ring().log_degree(),
        ];
        // SAFETY: the kernel writes these rows, which `to` has, with a key for each and the
        // constants of the limbs of the basis.
        unsafe { self.launch(t, Kernel::Uniform, grid, &arguments) }
    }
}
