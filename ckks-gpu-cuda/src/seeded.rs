//! Uniform polynomials from seeds, made on the card.

use crate::backend::CudaBackend;
use crate::driver::Address;
use crate::launch::{Grid, arguments};
use crate::pool::Buffer;
use crate::tables::Tables;
use ckks_math::Result;
use ckks_math::backend::Basis;
use ckks_math::sampling::{Seed, UniformStream};
use std::ops::Range;

/// Threads of a block, each of which makes [`WORDS`] coefficients at a time.
const THREADS: usize = 128;
/// Words of one ChaCha20 block; as in `uniform.cu`.
const WORDS: usize = 8;
/// A modulus for a stream whose key alone is asked for.
const ANY_PRIME: u64 = 2;

/// The keys of the streams of uniform polynomials number `rows` of a seed, eight words each.
pub(crate) fn stream_keys(seed: &Seed, rows: Range<usize>) -> Result<Vec<u32>> {
    let mut keys = Vec::with_capacity(8 * rows.len());
    for row in rows {
        // The key is the same for all primes.
        let stream = UniformStream::new(seed, row as u64, 0, ANY_PRIME)?;
        let words = stream.key().chunks_exact(4);
        keys.extend(words.map(|w| u32::from_le_bytes([w[0], w[1], w[2], w[3]])));
    }
    Ok(keys)
}

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
        let streams = self.stage(&stream_keys(seed, rows.clone())?)?;
        self.fill_streams(t, to, &streams, rows.len(), basis)
    }

    /// Writes the uniform polynomials of streams whose keys are on the device.
    pub(crate) fn fill_streams(
        &self,
        t: &Tables,
        to: Address,
        streams: &Buffer,
        rows: usize,
        basis: Basis,
    ) -> Result<()> {
        let n = t.ring().degree();
        let packing = t.packing(self, basis)?;
        let blocks = [n.div_ceil(THREADS * WORDS), basis.limbs(), rows];
        let grid = Grid::new("uniform", blocks, THREADS.min(n) as u32)?;
        let arguments = arguments![
            to,
            streams.address(),
            packing.lasts.address(),
            t.primes(),
            t.limbs(basis),
            t.ring().log_degree(),
        ];
        self.launch_for(t, "uniform", grid, &arguments)
    }
}
