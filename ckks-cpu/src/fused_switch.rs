//! Key switching, division and decomposition piece by piece, in cache.
//!
//! Base conversion followed by a transform passes each limb four times through memory, and the
//! product with the key once more. Here the transform is taken apart into its two passes
//! ([`ColumnTransform`]): conversion writes eight columns at a time into
//! the first pass, and the second pass hands each finished row to what comes next, so that limbs
//! meet memory once or twice. A few target limbs are worked on together, to read the digits of the
//! conversion fewer times.
//!
//! Digits are kept in *column order*: as the transform reads its columns. The transform of the
//! conjugate-invariant ring first folds coefficients (see [`ColumnTransform::fold`]); this linear
//! map joins the conversion, for which digits are kept a second time in mirrored order.

mod lift;

use crate::device::{Block, CpuBackend};
use crate::kernels::{ColumnTransform, LANES, Prime};
use crate::key::SwitchKey;
use crate::ring::{by_limb, positions};
use crate::tables::Tables;
use ckks_math::Result;
use ckks_math::arith::Modulus;
use ckks_math::backend::Basis;
use lift::Lift;
use smallvec::SmallVec;

/// Target limbs worked on together.
const TOGETHER: usize = 4;

/// Slices of a few limbs, kept off the heap: they are gathered anew for every piece.
type Slices<T> = SmallVec<[T; 16]>;

/// The transforms of a basis in passes over columns and rows.
pub struct FusedSwitch<'t> {
    basis: Basis,
    /// One for each limb of the basis.
    passes: Vec<ColumnTransform<'t>>,
    split: Split,
}

/// Rows of a transform, and words of a row.
#[derive(Clone, Copy)]
struct Split {
    rows: usize,
    words: usize,
}

impl<'t> FusedSwitch<'t> {
    /// The pieces, if the transforms of all primes of a basis come apart.
    pub fn of(t: &'t Tables, basis: Basis) -> Option<Self> {
        let primes = t.primes(basis).into_iter();
        let passes: Vec<_> = primes.map(Prime::column_transform).collect::<Option<_>>()?;
        let (rows, words) = passes.first()?.split();
        Some(Self {
            basis,
            passes,
            split: Split { rows, words },
        })
    }

    /// The transforms of the limbs of a basis that this one contains.
    fn passes(&self, inner: Basis) -> Vec<ColumnTransform<'t>> {
        let at = positions(inner, self.basis).into_iter();
        at.map(|limb| self.passes[limb]).collect()
    }
}

impl Split {
    /// Words of a group of eight columns.
    const fn column(self) -> usize {
        8 * self.rows
    }

    /// Groups of eight columns.
    const fn columns(self) -> usize {
        self.words / 8
    }
}

impl CpuBackend {
    /// See [`ckks_math::backend::SwitchKernels::decompose`].
    pub(crate) fn decompose_fused(
        &self,
        t: &Tables,
        pieces: &FusedSwitch<'_>,
        x: &Block,
        digit_size: usize,
        to: Basis,
    ) -> Result<Block> {
        let (rows, degree) = (x.shape.rows, x.shape.degree);
        let lifts = self.lifts(t, pieces, x, &digit_bases(to.q_len(), digit_size), to)?;
        let (passes, split) = (pieces.passes(to), pieces.split);
        let mut out = self.block(t, lifts.len() * rows, to)?;
        let words = out.words.len();
        let mut tasks = Vec::new();
        for (i, row) in out.words.chunks_exact_mut(to.limbs() * degree).enumerate() {
            for (part, limbs) in row.chunks_mut(TOGETHER * degree).enumerate() {
                tasks.push((i / rows, i % rows, part * TOGETHER, limbs));
            }
        }
        self.try_for_each(words, tasks, |(digit, row, first, limbs)| {
            let lift = &lifts[digit];
            let mut columns = self.pool.take(TOGETHER * split.column())?;
            let mut targets: Slices<_> = limbs.chunks_exact_mut(degree).collect();
            let (passes, target) = (&passes[first..], (first, &mut targets[..]));
            fill_columns(lift, split, row, passes, target, &mut columns);
            for (limb, out) in (first..).zip(targets) {
                if lift.weights(limb).is_none() {
                    out.copy_from_slice(x.limb(row, limb));
                    continue;
                }
                for (block, out) in out.chunks_exact_mut(split.words).enumerate() {
                    passes[limb - first].ntt_block(block, out);
                }
            }
            Ok(())
        })?;
        Ok(out)
    }

    /// `round(x / D)` over `kept`, `D` the product of the primes of `dropped`.
    pub(crate) fn divide_fused(
        &self,
        t: &Tables,
        pieces: &FusedSwitch<'_>,
        x: &Block,
        dropped: Basis,
        kept: Basis,
    ) -> Result<Block> {
        let rows = x.shape.rows;
        let lifts = self.lifts(t, pieces, x, &[dropped], kept)?;
        let at = positions(kept, x.shape.basis);
        let (passes, split) = (pieces.passes(kept), pieces.split);
        let inverse = |m: Modulus| {
            let moduli = t.ring.moduli(dropped);
            m.shoup(m.inv(moduli.fold(1, |product, d| m.mul(product, m.reduce(d.value())))))
        };
        let inverses: Vec<_> = passes.iter().map(|p| inverse(p.modulus())).collect();
        let mut out = self.block(t, rows, kept)?;
        let words = out.words.len();
        let tasks = self.groups_of_limbs(rows, by_limb(&mut out));
        self.try_for_each(
            words,
            tasks,
            |(first, mut limbs): (usize, Vec<Vec<&mut [u64]>>)| {
                let mut columns = self.pool.take(TOGETHER * split.column())?;
                for row in 0..rows {
                    let mut targets: Slices<_> =
                        limbs.iter_mut().map(|outs| &mut *outs[row]).collect();
                    let target = (first, &mut targets[..]);
                    let passes = &passes[first..];
                    fill_columns(&lifts[0], split, row, passes, target, &mut columns);
                }
                for (limb, outs) in (first..).zip(&mut limbs) {
                    for block in 0..split.rows {
                        let range = block * split.words..(block + 1) * split.words;
                        for (row, out) in outs.iter_mut().enumerate() {
                            let (x, out) = (
                                &x.limb(row, at[limb])[range.clone()],
                                &mut out[range.clone()],
                            );
                            passes[limb].ntt_block(block, out);
                            passes[limb].subtract_from_and_scale(out, x, inverses[limb]);
                        }
                    }
                }
                Ok(())
            },
        )?;
        Ok(out)
    }

    /// The inner product of the digits of `x` with a key, without writing the digits out.
    pub(crate) fn dot_fused(
        &self,
        t: &Tables,
        pieces: &FusedSwitch<'_>,
        x: &Block,
        key: &SwitchKey,
        to: Basis,
    ) -> Result<Block> {
        let (rows, degree) = (x.shape.rows, x.shape.degree);
        let lifts = self.lifts(
            t,
            pieces,
            x,
            &digit_bases(to.q_len(), key.shape.digit_size),
            to,
        )?;
        let (passes, split) = (pieces.passes(to), pieces.split);
        let at = positions(to, key.shape.basis);
        let mut out = self.block(t, 2 * rows, to)?;
        let words = lifts.len() * out.words.len();
        let tasks = self.groups_of_limbs(rows, by_limb(&mut out));
        let packer = self.packer();
        self.try_for_each(
            words,
            tasks,
            |(first, mut limbs): (usize, Vec<Vec<&mut [u64]>>)| {
                let polynomials = lifts.len() * rows;
                let mut memory = self.pool.take(limbs.len() * polynomials * degree)?;
                let mut halves = self.pool.take(2 * lifts.len() * split.words)?;
                let mut columns = self.pool.take(TOGETHER * split.column())?;
                let mut lifted: Slices<Slices<_>> = (memory.chunks_exact_mut(polynomials * degree))
                    .map(|limb| limb.chunks_exact_mut(degree).collect())
                    .collect();
                for (i, lift) in (0..polynomials).map(|i| (i, &lifts[i / rows])) {
                    let mut targets: Slices<_> = lifted.iter_mut().map(|l| &mut *l[i]).collect();
                    let (passes, target) = (&passes[first..], (first, &mut targets[..]));
                    fill_columns(lift, split, i % rows, passes, target, &mut columns);
                }
                for ((limb, outs), lifted) in (first..).zip(&mut limbs).zip(&mut lifted) {
                    let prime = passes[limb];
                    for block in 0..split.rows {
                        let range = block * split.words..(block + 1) * split.words;
                        let mut xs = Slices::new();
                        for (i, lifted) in lifted.iter_mut().enumerate() {
                            if lifts[i / rows].weights(limb).is_some() {
                                prime.ntt_block(block, &mut lifted[range.clone()]);
                                xs.push(&lifted[range.clone()]);
                            } else {
                                xs.push(&x.limb(i % rows, limb)[range.clone()]);
                            }
                        }
                        let mut outs: Slices<_> =
                            outs.iter_mut().map(|out| &mut out[range.clone()]).collect();
                        let runs = range.start / LANES..range.end / LANES;
                        let digits = lifts.len();
                        let key = key.unpack(packer, at[limb], runs, digits, &mut halves);
                        prime.dot(&mut outs, &xs, None, key);
                    }
                }
                Ok(())
            },
        )?;
        Ok(out)
    }

    /// Splits limbs into tasks of at most [`TOGETHER`], of fewer where there are many rows. Each
    /// comes with its first limb. The last tasks are smaller, so that threads end together.
    fn groups_of_limbs<T>(&self, rows: usize, limbs: Vec<T>) -> Vec<(usize, Vec<T>)> {
        let largest = (4 * TOGETHER / rows.max(1)).clamp(1, TOGETHER);
        let (count, threads) = (limbs.len(), self.threads());
        let mut limbs = limbs.into_iter();
        let mut groups = Vec::with_capacity(count);
        while limbs.len() > 0 {
            let first = count - limbs.len();
            let share = match threads {
                1 => largest,
                _ => limbs.len().div_ceil(2 * threads),
            };
            let group = limbs.by_ref().take(share.min(largest)).collect();
            groups.push((first, group));
        }
        groups
    }
}

/// Converts one row to the target limbs from `first` on, whose transforms are `passes`, and does
/// the first of those. Limbs that the source has are left alone. `columns` has room for a group of
/// columns of each target.
fn fill_columns(
    lift: &Lift,
    split: Split,
    row: usize,
    passes: &[ColumnTransform<'_>],
    (first, targets): (usize, &mut [&mut [u64]]),
    columns: &mut [u64],
) {
    let (mut summed, mut weights, mut outs) = (Slices::new(), Slices::new(), Slices::new());
    for ((limb, out), passes) in (first..).zip(targets).zip(passes) {
        if let Some(w) = lift.weights(limb) {
            summed.push(*passes);
            weights.push(w);
            outs.push(out);
        }
    }
    let primes: Slices<&Prime> = summed.iter().map(|passes| &**passes).collect();
    let columns = &mut columns[..summed.len() * split.column()];
    for group in 0..split.columns() {
        Prime::linear_each(
            &primes,
            lift.wide(),
            columns,
            &lift.column(row, split, group),
            &weights,
        );
        let columns = columns.chunks_exact_mut(split.column());
        for ((columns, out), passes) in columns.zip(&mut outs).zip(&summed) {
            passes.ntt_column(group, columns, out);
        }
    }
}

fn digit_bases(l: usize, digit_size: usize) -> Vec<Basis> {
    let digit = |lo| Basis::digit(lo, (lo + digit_size).min(l));
    (0..l).step_by(digit_size).map(digit).collect()
}
