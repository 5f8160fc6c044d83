//! Ring kernels over blocks.

use crate::backend::CudaBackend;
use crate::device::Block;
use crate::driver::Address;
use crate::launch::{Argument, Grid, arguments};
use crate::tables::{Conversion, Tables, Word};
use ckks_math::backend::{Basis, Pointwise, RingKernels, RingKind};
use ckks_math::{Error, Result};
use std::ops::Range;

/// `log2` of the residues of one tile of a transform: 16 a thread.
const LOG_TILE: u32 = 12;
/// `log2` of the residues of a thread.
const LOG_HELD: u32 = 4;
/// Levels of the last pass of a transform of more than one tile.
const ROW_LEVELS: u32 = 8;
/// Shared memory that every card gives a block, in bytes.
const SHARED: usize = 48 << 10;
/// Threads of a block of a base conversion.
const CONVERSION_THREADS: usize = 128;
/// Blocks that fill any card.
const MANY_BLOCKS: usize = 1024;

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

/// What a base conversion reads and how it is cut.
pub(crate) struct Lift<'a> {
    /// Coefficients.
    pub x: &'a Block,
    /// What limbs of a digit's own primes are copied from.
    pub own: &'a Block,
    /// Limbs of a digit.
    pub digit_size: usize,
}

/// Kind of ring and Galois element as kernels read them.
pub(crate) fn turn(t: &Tables, galois: u64) -> [u32; 2] {
    let real = t.ring().kind() == RingKind::ConjugateInvariant;
    [galois as u32, u32::from(real)]
}

impl CudaBackend {
    fn transform(
        &self,
        t: &Tables,
        x: &mut Block,
        inverse: bool,
        skip: Skip,
        division: Option<&Division<'_>>,
    ) -> Result<()> {
        let log_n = x.log_n();
        let passes: &[&str] = match (log_n, inverse) {
            (..LOG_HELD, false) => &["ntt_short"],
            (..LOG_HELD, true) => &["intt_short"],
            (..=LOG_TILE, false) => &["ntt_whole"],
            (..=LOG_TILE, true) => &["intt_whole"],
            (_, false) => &["ntt_columns", "ntt_rows"],
            (_, true) => &["intt_rows", "intt_columns"],
        };
        let log_tile = log_n.min(LOG_TILE);
        let log_height = log_n.saturating_sub(ROW_LEVELS);
        let held = if log_n < LOG_HELD { 1 } else { LOG_HELD };
        let fold = u32::from(t.ring().kind() == RingKind::ConjugateInvariant);
        let tiles = 1 << (log_n - log_tile);
        let words = (1_usize << log_tile) + ((1 << log_tile) / bank_words(t.word()));
        for pass in passes {
            let blocks = [x.shape.rows * tiles, x.shape.basis.limbs(), 1];
            let mut grid = Grid::new(pass, blocks, 1 << (log_tile - held))?;
            grid.shared = (words * t.word().bytes()) as u32;
            let (minuend, factors, minuend_limbs) = match division {
                Some(d) => (d.minuend.address(), d.factors, d.minuend.limbs(t)),
                None => (Address(0), Address(0), x.limbs(t)),
            };
            let arguments = arguments![
                x.address(),
                t.primes(),
                t.twiddles(inverse),
                x.limbs(t),
                log_n,
                log_tile,
                log_height,
                x.rows(),
                fold,
                [skip.rows as u32, skip.digit_size as u32],
                minuend,
                factors,
                minuend_limbs,
            ];
            let name = format!("{pass}_{}", t.word().transform_suffix());
            self.launch(&name, grid, &arguments)?;
        }
        Ok(())
    }

    /// The transform of all limbs but the skipped ones.
    pub(crate) fn ntt_but(&self, t: &Tables, x: &mut Block, skip: Skip) -> Result<()> {
        self.transform(t, x, false, skip, None)
    }

    /// `x <- (minuend - ntt(x)) factor`.
    pub(crate) fn ntt_divide(
        &self,
        t: &Tables,
        x: &mut Block,
        division: &Division<'_>,
    ) -> Result<()> {
        self.transform(t, x, false, Skip::default(), Some(division))
    }

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
        // A block converts to all targets where there are blocks enough, since its digits are at hand.
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

    fn binary(
        &self,
        t: &Tables,
        op: Pointwise,
        (out, x, extent): (Address, &Block, (usize, usize)),
        y: &Block,
    ) -> Result<()> {
        let name = match op {
            Pointwise::Add => "add",
            Pointwise::Sub => "subtract",
            Pointwise::Mul => "multiply",
        };
        let arguments = arguments![
            out,
            x.address(),
            y.address(),
            t.primes(),
            x.limbs(t),
            y.limbs(t),
            y.rows(),
            x.log_n(),
        ];
        self.launch_elements(t, name, extent, &arguments)
    }

    /// One constant a limb of a basis, stored, on the device.
    fn limb_constants<'c>(
        &self,
        t: &Tables,
        basis: Basis,
        constants: impl Iterator<Item = &'c [u64]>,
    ) -> Result<crate::pool::Buffer> {
        let stored: Vec<u64> = constants
            .flat_map(|of_limbs| {
                let pairs = t.ring().moduli(basis).zip(of_limbs);
                pairs.map(|(m, &c)| t.word().stored(m, c))
            })
            .collect();
        self.stage_words(t.word(), &stored)
    }
}

/// Words between two that share a bank of shared memory; a tile has one more for each.
const fn bank_words(word: Word) -> usize {
    match word {
        Word::Short { .. } => 32,
        Word::Long => 16,
    }
}

const fn extent(x: &Block) -> (usize, usize) {
    (x.shape.rows, x.shape.basis.limbs())
}

impl RingKernels for CudaBackend {
    fn ntt(&self, t: &Tables, x: &mut Block) -> Result<()> {
        self.ntt_but(t, x, Skip::default())
    }

    fn intt(&self, t: &Tables, x: &mut Block) -> Result<()> {
        self.transform(t, x, true, Skip::default(), None)
    }

    fn pointwise(&self, t: &Tables, op: Pointwise, x: &Block, y: &Block) -> Result<Block> {
        let out = self.block(t, x.shape.rows, x.shape.basis)?;
        self.binary(t, op, (out.address(), x, extent(x)), y)?;
        Ok(out)
    }

    fn pointwise_assign(&self, t: &Tables, op: Pointwise, x: &mut Block, y: &Block) -> Result<()> {
        self.binary(t, op, (x.address(), x, extent(x)), y)
    }

    fn multiply_accumulate(&self, t: &Tables, acc: &mut Block, x: &Block, y: &Block) -> Result<()> {
        let arguments = arguments![
            acc.address(),
            x.address(),
            y.address(),
            t.primes(),
            acc.limbs(t),
            x.limbs(t),
            y.limbs(t),
            x.rows(),
            y.rows(),
            acc.log_n(),
        ];
        self.launch_elements(t, "multiply_accumulate", extent(acc), &arguments)
    }

    fn scale_limbs(&self, t: &Tables, x: &mut Block, constants: &[u64]) -> Result<()> {
        let constants = self.limb_constants(t, x.shape.basis, [constants].into_iter())?;
        let arguments = arguments![
            x.address(),
            constants.address(),
            t.primes(),
            x.limbs(t),
            x.log_n()
        ];
        self.launch_elements(t, "scale_limbs", extent(x), &arguments)
    }

    fn offset_limbs(
        &self,
        t: &Tables,
        x: &mut Block,
        rows: Range<usize>,
        constants: &[u64],
    ) -> Result<()> {
        let constants = self.limb_constants(t, x.shape.basis, [constants].into_iter())?;
        let arguments = arguments![
            x.address(),
            constants.address(),
            t.primes(),
            x.limbs(t),
            x.log_n(),
            rows.start as u32,
        ];
        let extent = (rows.len(), x.shape.basis.limbs());
        self.launch_elements(t, "offset_limbs", extent, &arguments)
    }

    fn combine(
        &self,
        t: &Tables,
        basis: Basis,
        xs: &[&Block],
        constants: &[Vec<u64>],
    ) -> Result<Block> {
        let out = self.block(t, xs.first().map_or(0, |x| x.shape.rows), basis)?;
        let mut operands = Vec::with_capacity(24 * xs.len());
        for x in xs {
            operands.extend(x.address().0.to_ne_bytes());
            operands.extend(x.limbs(t).bytes());
        }
        let operands = self.stage(&operands)?;
        let constants = self.limb_constants(t, basis, constants.iter().map(Vec::as_slice))?;
        let arguments = arguments![
            out.address(),
            operands.address(),
            constants.address(),
            xs.len() as u32,
            t.primes(),
            out.limbs(t),
            out.log_n(),
        ];
        self.launch_elements(t, "combine", extent(&out), &arguments)?;
        Ok(out)
    }

    fn automorphism(&self, t: &Tables, x: &Block, galois: u64) -> Result<Block> {
        let out = self.block(t, x.shape.rows, x.shape.basis)?;
        let arguments = arguments![out.address(), x.address(), turn(t, galois), x.log_n()];
        self.launch_elements(t, "automorphism", extent(x), &arguments)?;
        Ok(out)
    }

    fn restrict(&self, t: &Tables, x: &Block, rows: Range<usize>, basis: Basis) -> Result<Block> {
        let out = self.block(t, rows.len(), basis)?;
        let arguments = arguments![
            out.address(),
            x.address(),
            out.limbs(t),
            x.limbs(t),
            rows.start as u32,
            x.log_n(),
        ];
        self.launch_elements(t, "restrict", extent(&out), &arguments)?;
        Ok(out)
    }

    fn stack(&self, t: &Tables, xs: &[&Block]) -> Result<Block> {
        let rows = xs.iter().map(|x| x.shape.rows).sum();
        let basis = xs.first().map_or(Basis::q(0), |x| x.shape.basis);
        let out = self.block(t, rows, basis)?;
        let mut to = out.address();
        for x in xs {
            self.copy(x.address(), to, x.words.len())?;
            to = to.offset(x.words.len());
        }
        Ok(out)
    }

    fn base_convert(&self, t: &Tables, x: &Block, to: Basis) -> Result<Block> {
        let lift = Lift {
            x,
            own: x,
            digit_size: x.shape.basis.limbs(),
        };
        self.lift(t, &lift, to)
    }

    fn add_rows(&self, t: &Tables, x: &mut Block, first: usize, y: &Block) -> Result<()> {
        if first + y.shape.rows > x.shape.rows {
            return Err(Error::ShapeMismatch {
                op: "add_rows",
                left: x.shape,
                right: y.shape,
            });
        }
        let row_bytes = x.shape.basis.limbs() * x.shape.degree * t.word().bytes();
        let rows = Argument::from(x.address().offset(first * row_bytes));
        let [y_words, primes, limbs, y_limbs, y_rows, log_n] = arguments![
            y.address(),
            t.primes(),
            x.limbs(t),
            y.limbs(t),
            y.rows(),
            x.log_n()
        ];
        let arguments = [rows, rows, y_words, primes, limbs, y_limbs, y_rows, log_n];
        let extent = (y.shape.rows, x.shape.basis.limbs());
        self.launch_elements(t, "add", extent, &arguments)
    }

    fn tensor(&self, t: &Tables, x: &Block, y: &Block) -> Result<Block> {
        let pairs = x.shape.rows / 2;
        let out = self.block(t, 3 * pairs, x.shape.basis)?;
        let arguments = arguments![
            out.address(),
            x.address(),
            y.address(),
            t.primes(),
            x.limbs(t),
            y.limbs(t),
            pairs as u32,
            x.log_n(),
        ];
        let extent = (pairs, x.shape.basis.limbs());
        self.launch_elements(t, "tensor", extent, &arguments)?;
        Ok(out)
    }

    fn embed(&self, t: &Tables, basis: Basis, coefficients: &[i64], m: usize) -> Result<Block> {
        let n = t.ring().degree();
        if !m.is_power_of_two() || m > n || !coefficients.len().is_multiple_of(m) {
            return Err(Error::InvalidParameters(format!(
                "embed: {} coefficients in rows of {m}, a power of two at most N = {n}",
                coefficients.len()
            )));
        }
        let mut out = self.block(t, coefficients.len() / m, basis)?;
        let coefficients = self.stage(coefficients)?;
        let arguments = arguments![
            out.address(),
            coefficients.address(),
            t.primes(),
            out.limbs(t),
            out.log_n(),
            m.trailing_zeros(),
        ];
        self.launch_elements(t, "embed", extent(&out), &arguments)?;
        self.ntt(t, &mut out)?;
        Ok(out)
    }
}
