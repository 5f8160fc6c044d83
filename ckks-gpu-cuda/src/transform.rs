//! Launches of number-theoretic transforms: passes, tiles, what they skip and what they end with.

use crate::backend::CudaBackend;
use crate::device::Block;
use crate::driver::Address;
use crate::kernels::Kernel;
use crate::launch::{Grid, arguments};
use crate::tables::{Tables, Word};
use ckks_math::Result;
use ckks_math::backend::RingKind;

/// `log2` of the residues of one tile of a transform: 16 a thread.
const LOG_TILE: u32 = 12;
/// `log2` of the residues of a thread.
const LOG_HELD: u32 = 4;
/// Levels of the last pass of a transform of more than one tile.
const ROW_LEVELS: u32 = 8;
/// How the end of a forward transform divides: writes `(minuend - y) factor`.
pub(crate) struct Division<'a> {
    pub minuend: &'a Block,
    pub factors: Address,
}

/// Which limbs a forward transform leaves: those of their own digit, rows counted digit-major.
#[derive(Clone, Copy, Default)]
pub(crate) struct Skip {
    pub rows: usize,
    pub digit_size: usize,
}

impl CudaBackend {
    /// Transforms each row, or each of the `2^log_parts` polynomials of a subring side by side in
    /// it.
    pub(crate) fn transform(
        &self,
        t: &Tables,
        x: &mut Block,
        inverse: bool,
        log_parts: u32,
        skip: Skip,
        division: Option<&Division<'_>>,
    ) -> Result<()> {
        let log_n = x.log_n() - log_parts;
        let passes: &[Kernel] = match (log_n, inverse) {
            (..LOG_HELD, false) => &[Kernel::NttShort],
            (..LOG_HELD, true) => &[Kernel::InttShort],
            (..=LOG_TILE, false) => &[Kernel::NttWhole],
            (..=LOG_TILE, true) => &[Kernel::InttWhole],
            (_, false) => &[Kernel::NttColumns, Kernel::NttRows],
            (_, true) => &[Kernel::InttRows, Kernel::InttColumns],
        };
        let log_tile = log_n.min(LOG_TILE);
        let log_height = log_n.saturating_sub(ROW_LEVELS);
        let held = if log_n < LOG_HELD { 1 } else { LOG_HELD };
        let fold = u32::from(t.ring().kind() == RingKind::ConjugateInvariant);
        let tiles = 1 << (log_n - log_tile + log_parts);
        let words = (1_usize << log_tile) + ((1 << log_tile) / bank_words(t.word()));
        for &pass in passes {
            let blocks = [x.shape.rows * tiles, x.shape.basis.limbs(), 1];
            let mut grid = Grid::new(pass, blocks, 1 << (log_tile - held))?;
            grid.shared = (words * t.word().bytes()) as u32;
            let (minuend, factors, minuend_limbs) = match division {
                Some(d) => (d.minuend.at(t)?, d.factors, d.minuend.limbs(t)),
                None => (Address(0), Address(0), x.limbs(t)),
            };
            let arguments = arguments![
                x.at(t)?,
                t.primes(),
                t.twiddles(inverse),
                x.limbs(t),
                log_n,
                log_parts,
                log_tile,
                log_height,
                x.rows(),
                fold,
                [skip.rows as u32, skip.digit_size as u32],
                minuend,
                factors,
                minuend_limbs,
            ];
            // SAFETY: a pass works on the words of `x`, of which `blocks` has a tile for each group
            // of 16 threads or more; a minuend has the rows of `x` and its limbs, with a factor for
            // each.
            unsafe { self.launch(t, pass, grid, &arguments)? };
        }
        Ok(())
    }

    /// The transform of all limbs.
    pub(crate) fn ntt_all(&self, t: &Tables, x: &mut Block) -> Result<()> {
        self.transform(t, x, false, 0, Skip::default(), None)
    }

    /// The inverse transform of all limbs.
    pub(crate) fn intt_all(&self, t: &Tables, x: &mut Block) -> Result<()> {
        self.transform(t, x, true, 0, Skip::default(), None)
    }
}

/// Words between two that share a bank of shared memory; a tile has one more for each.
const fn bank_words(word: Word) -> usize {
    match word {
        Word::Short { .. } => 32,
        Word::Long => 16,
    }
}
