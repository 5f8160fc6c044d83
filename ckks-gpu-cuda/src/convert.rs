//! Launches of base conversions.

use crate::backend::CudaBackend;
use crate::device::Block;
use crate::launch::{Grid, arguments};
use crate::tables::{Conversion, Tables};
use ckks_math::Result;
use ckks_math::backend::Basis;

/// Shared memory that every card gives a block, in bytes.
const SHARED: usize = 48 << 10;
/// Threads of a block of a base conversion.
const CONVERSION_THREADS: usize = 128;
/// Blocks that fill any card.
const MANY_BLOCKS: usize = 1024;

/// What a base conversion reads and how it is cut.
pub(crate) struct Lift<'a> {
    /// Coefficients.
    pub x: &'a Block,
    /// What limbs of a digit's own primes are copied from.
    pub own: &'a Block,
    /// Limbs of a digit.
    pub digit_size: usize,
}

impl CudaBackend {
    /// Lifts every digit of `x` to `to`: rows `d * R + r`.
    pub(crate) fn lift(&self, t: &Tables, lift: &Lift<'_>, to: Basis) -> Result<Block> {
        let (from, rows) = (lift.x.shape.basis, lift.x.shape.rows);
        let digits = from.limbs().div_ceil(lift.digit_size.max(1));
        let out = self.block(t, digits * rows, to)?;
        let conversion = t.conversion(self, from, to, lift.digit_size)?;
        let Conversion { sources, weights } = &*conversion;
        let digit_bytes = lift.digit_size.min(from.limbs()).max(1) * t.word().bytes();
        let fitting = (SHARED / digit_bytes).max(1);
        let threads = (1 << fitting.ilog2())
            .min(CONVERSION_THREADS)
            .min(t.ring().degree());
        let pieces = t.ring().degree() / threads;
        // A block converts to all targets where there are blocks enough, since its digits are at
        // hand.
        let groups = (MANY_BLOCKS / (pieces * digits * rows).max(1)).clamp(1, to.limbs().max(1));
        let targets = to.limbs().div_ceil(groups).max(1);
        let blocks = [pieces, to.limbs().div_ceil(targets), digits * rows];
        let mut grid = Grid::new("base_convert", blocks, threads as u32)?;
        grid.shared = (threads * digit_bytes) as u32;
        let arguments = arguments![
            out.address(),
            lift.x.address(),
            lift.own.address(),
            t.primes(),
            sources.address(),
            weights.address(),
            lift.x.limbs(t),
            t.limbs(to),
            lift.digit_size as u32,
            rows as u32,
            targets as u32,
            out.log_n(),
        ];
        self.launch_for(t, "base_convert", grid, &arguments)?;
        Ok(out)
    }
}
