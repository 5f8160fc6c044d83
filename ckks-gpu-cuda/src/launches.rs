//! The launches that operations of both GPU backends are made of: base conversion, embedding,
//! transforms of some limbs.

use crate::backend::CudaBackend;
use crate::device::Block;
use crate::kernels::Kernel;
use crate::launch::{Grid, arguments};
use crate::tables::{Conversion, Tables};
use crate::transform::{Division, Skip};
use ckks_math::backend::gpu::{Launches, Lift};
use ckks_math::backend::{Basis, checked};
use ckks_math::{Error, Result};

/// Shared memory that every card gives a block, in bytes.
const SHARED: usize = 48 << 10;
/// Threads of a block of a base conversion.
const CONVERSION_THREADS: usize = 128;
/// Blocks that fill any card.
const MANY_BLOCKS: usize = 1024;

impl Launches for CudaBackend {
    fn lift(&self, t: &Tables, lift: &Lift<'_, Block>, to: Basis) -> Result<Block> {
        let Lift { x, own, digit_size } = *lift;
        let shape = checked::lift(t.ring(), x.shape, own.shape, digit_size, to)?;
        let (from, rows) = (x.shape.basis, x.shape.rows);
        let digits = from.limbs().div_ceil(digit_size);
        let out = self.block(t, shape.rows, to)?;
        let conversion = t.conversion(self, from, to, digit_size)?;
        let Conversion { sources, weights } = &*conversion;
        let digit_bytes = digit_size.min(from.limbs()).max(1) * t.word().bytes();
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
        let mut grid = Grid::new(Kernel::BaseConvert, blocks, threads as u32)?;
        grid.shared = (threads * digit_bytes) as u32;
        let arguments = arguments![
            out.at(t)?,
            x.at(t)?,
            own.at(t)?,
            t.primes(),
            sources.address(),
            weights.address(),
            x.limbs(t),
            t.limbs(to),
            digit_size as u32,
            rows as u32,
            targets as u32,
            out.log_n(),
        ];
        // SAFETY: `checked::lift`: `out` has the rows of all digits over `to`; `own` has the shape
        // of `x`; the constants are those of this conversion.
        unsafe { self.launch(t, Kernel::BaseConvert, grid, &arguments)? };
        Ok(out)
    }

    fn embed_coefficients(
        &self,
        t: &Tables,
        basis: Basis,
        coefficients: &[i64],
        m: usize,
    ) -> Result<Block> {
        let count = u32::try_from(coefficients.len()).map_err(|_| {
            Error::InvalidParameters(format!(
                "embed: {} coefficients at once, at most 2^32 - 1",
                coefficients.len()
            ))
        })?;
        let shape = checked::embed_rows(t.ring(), basis, coefficients, m)?;
        let out = self.block(t, shape.rows, basis)?;
        let staged = self.stage(coefficients)?;
        let arguments = arguments![
            out.at(t)?,
            staged.address(),
            count,
            t.primes(),
            out.limbs(t),
            out.log_n(),
            m.trailing_zeros(),
        ];
        let extent = (out.shape.rows, basis.limbs());
        // SAFETY: `out` has the rows that the coefficients fill, and the kernel reads `count` of
        // them.
        unsafe { self.launch_elements(t, Kernel::Embed, extent, &arguments)? };
        Ok(out)
    }

    fn ntt_compact(&self, t: &Tables, x: &mut Block, log_m: u32) -> Result<()> {
        checked::ntt_compact(t.ring(), x.shape, log_m)?;
        let log_parts = x.log_n() - log_m;
        self.transform(t, x, false, log_parts, Skip::default(), None)
    }

    fn ntt_digits(&self, t: &Tables, x: &mut Block, rows: usize, digit_size: usize) -> Result<()> {
        checked::block("ntt_digits", t.ring(), x.shape)?;
        self.transform(t, x, false, 0, Skip { rows, digit_size }, None)
    }

    /// The last pass subtracts and scales as it writes.
    fn ntt_divide(&self, t: &Tables, x: &mut Block, minuend: &Block, dropped: Basis) -> Result<()> {
        checked::minuend(t.ring(), x.shape, minuend.shape)?;
        let factors = t.division(self, dropped, x.shape.basis)?;
        let division = Division {
            minuend,
            factors: factors.address(),
        };
        self.transform(t, x, false, 0, Skip::default(), Some(&division))
    }
}
