//! Key switching, division and decomposition piece by piece, in cache.
//!
//! Base conversion followed by a transform passes each limb four times through memory, and the
//! product with the key once more. Here the transform is taken apart into its two passes
//! ([`Prime::ntt_column`], [`Prime::ntt_block`]): conversion writes eight columns at a time into
//! the first pass, and the second pass hands each finished row to what comes next, so that limbs
//! meet memory once or twice. A few target limbs are worked on together, to read the digits of the
//! conversion fewer times.
//!
//! Digits are kept in *column order*: as the transform reads its columns. The transform of the
//! conjugate-invariant ring first folds coefficients (see [`Prime::fold`]); this linear map joins
//! the conversion, for which digits are kept a second time in mirrored order.

use crate::device::{Block, CpuBackend, light};
use crate::kernels::{Conversion, LANES, Prime, Target};
use crate::key::SwitchKey;
use crate::pool::Buffer;
use crate::ring::{by_limb, positions};
use crate::tables::Tables;
use ckks_math::Result;
use ckks_math::arith::Modulus;
use ckks_math::backend::{Basis, RingKind};
use smallvec::SmallVec;
use std::sync::Arc;

/// Target limbs worked on together.
const TOGETHER: usize = 4;

/// Slices of a few limbs, kept off the heap: they are gathered anew for every piece.
type Slices<T> = SmallVec<[T; 16]>;

/// How the transforms of a ring come apart.
#[derive(Clone, Copy)]
pub struct Pieces {
    rows: usize,
    words: usize,
}

/// Digits and quotient of the conversion of all rows of one basis.
struct Lift {
    conversion: Arc<Conversion>,
    /// For each row, the digits of each source prime and the quotient, `N` words each, in column
    /// order; then all of these mirrored, where `mirrored`.
    words: Buffer,
    degree: usize,
    mirrored: bool,
}

impl Pieces {
    /// The pieces, if all primes of a basis have them.
    pub fn of(t: &Tables, basis: Basis) -> Option<Self> {
        let mut pieces = t.primes(basis).into_iter().map(Prime::pieces);
        let (rows, words) = pieces.next()??;
        pieces.all(|p| p.is_some()).then_some(Self { rows, words })
    }

    /// Words of a group of eight columns.
    const fn column(self) -> usize {
        8 * self.rows
    }

    const fn columns(self) -> usize {
        self.words / 8
    }
}

impl Lift {
    /// Slices of `N` words of one row.
    fn limbs(&self) -> usize {
        (self.conversion.sources().len() + 1) * if self.mirrored { 2 } else { 1 }
    }

    /// The part of all digits, and the quotient, of one row in one group of columns.
    fn column(&self, row: usize, pieces: Pieces, group: usize) -> Slices<&[u64]> {
        let limbs = self.limbs();
        let row = &self.words[row * limbs * self.degree..][..limbs * self.degree];
        let slice = |limb| &row[limb * self.degree + group * pieces.column()..][..pieces.column()];
        (0..limbs).map(slice).collect()
    }

    /// The weights of a target limb, if it is not copied.
    fn weights(&self, limb: usize) -> Option<&[u64]> {
        match &self.conversion.targets()[limb] {
            Target::Copy(_) => None,
            Target::Sum(weights) => Some(weights),
        }
    }
}

impl CpuBackend {
    /// The digits and quotients that convert each of the bases `from` of `x` (evaluations) to `to`.
    fn lifts(
        &self,
        t: &Tables,
        pieces: Pieces,
        x: &Block,
        from: &[Basis],
        to: Basis,
    ) -> Result<Vec<Lift>> {
        let degree = x.shape.degree;
        let mirrored = t.ring.kind() == RingKind::ConjugateInvariant;
        let lift = |&basis: &Basis| {
            let limbs = (basis.limbs() + 1) * if mirrored { 2 } else { 1 };
            Ok(Lift {
                conversion: t.conversion(basis, to),
                words: self.pool.take(x.shape.rows * limbs * degree)?,
                degree,
                mirrored,
            })
        };
        let mut lifts = from.iter().map(lift).collect::<Result<Vec<_>>>()?;
        let mut inverses = Vec::new();
        for (lift, &basis) in lifts.iter_mut().zip(from) {
            let at = positions(basis, x.shape.basis);
            let primes = t.primes(basis);
            let (sources, limbs) = (lift.conversion.sources(), lift.limbs());
            for (row, words) in lift.words.chunks_exact_mut(limbs * degree).enumerate() {
                for (i, out) in words.chunks_exact_mut(degree).take(at.len()).enumerate() {
                    inverses.push((primes[i], x.limb(row, at[i]), sources[i].inverse.value, out));
                }
            }
        }
        let words = inverses.len() * degree;
        self.try_for_each(words, inverses, |(prime, x, factor, out)| {
            let mut copy = self.pool.take(degree)?;
            copy.copy_from_slice(x);
            prime.intt_to_columns(&mut copy, factor, out);
            Ok(())
        })?;
        let mut quotients = Vec::new();
        for lift in &mut lifts {
            let (sources, limbs) = (lift.conversion.sources().len(), lift.limbs());
            for row in lift.words.chunks_exact_mut(limbs * degree) {
                let (digits, quotient) = row.split_at_mut(sources * degree);
                let (digits, quotient) = (&*digits, &mut quotient[..degree]);
                let step = degree.min(4096);
                for (i, out) in quotient.chunks_mut(step).enumerate() {
                    quotients.push((&lift.conversion, digits, i * step, out));
                }
            }
        }
        self.for_each(words, quotients, |(conversion, digits, start, out)| {
            let slices = digits
                .chunks_exact(degree)
                .map(|y| &y[start..start + out.len()]);
            conversion.quotient(&slices.collect::<Slices<_>>(), out);
        });
        if mirrored {
            let mut mirrors = Vec::new();
            for lift in &mut lifts {
                let limbs = lift.limbs();
                for row in lift.words.chunks_exact_mut(limbs * degree) {
                    let (plain, mirrored) = row.split_at_mut(limbs / 2 * degree);
                    let pairs = plain.chunks(degree).zip(mirrored.chunks_mut(degree));
                    mirrors.extend(pairs);
                }
            }
            self.for_each(light(words), mirrors, |(x, out)| mirror(pieces, x, out));
        }
        Ok(lifts)
    }

    /// See [`ckks_math::backend::SwitchKernels::decompose`].
    pub(crate) fn decompose_in_pieces(
        &self,
        t: &Tables,
        pieces: Pieces,
        x: &Block,
        digit_size: usize,
        to: Basis,
    ) -> Result<Block> {
        let (rows, degree) = (x.shape.rows, x.shape.degree);
        let lifts = self.lifts(t, pieces, x, &digit_bases(to.q_len(), digit_size), to)?;
        let primes = t.primes(to);
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
            let mut columns = self.pool.take(TOGETHER * pieces.column())?;
            let mut targets: Slices<_> = limbs.chunks_exact_mut(degree).collect();
            let (primes, target) = (&primes[first..], (first, &mut targets[..]));
            fill_columns(lift, pieces, row, primes, target, &mut columns);
            for (limb, out) in (first..).zip(targets) {
                if lift.weights(limb).is_none() {
                    out.copy_from_slice(x.limb(row, limb));
                    continue;
                }
                for (block, out) in out.chunks_exact_mut(pieces.words).enumerate() {
                    primes[limb - first].ntt_block(block, out);
                }
            }
            Ok(())
        })?;
        Ok(out)
    }

    /// `round(x / D)` over `kept`, `D` the product of the primes of `dropped`.
    pub(crate) fn divide_in_pieces(
        &self,
        t: &Tables,
        pieces: Pieces,
        x: &Block,
        dropped: Basis,
        kept: Basis,
    ) -> Result<Block> {
        let rows = x.shape.rows;
        let lifts = self.lifts(t, pieces, x, &[dropped], kept)?;
        let at = positions(kept, x.shape.basis);
        let primes = t.primes(kept);
        let inverse = |m: Modulus| {
            let moduli = t.ring.moduli(dropped);
            m.shoup(m.inv(moduli.fold(1, |product, d| m.mul(product, m.reduce(d.value())))))
        };
        let inverses: Vec<_> = primes.iter().map(|p| inverse(p.modulus())).collect();
        let mut out = self.block(t, rows, kept)?;
        let words = out.words.len();
        let tasks = self.groups_of_limbs(rows, by_limb(&mut out));
        self.try_for_each(
            words,
            tasks,
            |(first, mut limbs): (usize, Vec<Vec<&mut [u64]>>)| {
                let mut columns = self.pool.take(TOGETHER * pieces.column())?;
                for row in 0..rows {
                    let mut targets: Slices<_> =
                        limbs.iter_mut().map(|outs| &mut *outs[row]).collect();
                    let target = (first, &mut targets[..]);
                    let primes = &primes[first..];
                    fill_columns(&lifts[0], pieces, row, primes, target, &mut columns);
                }
                for (limb, outs) in (first..).zip(&mut limbs) {
                    for block in 0..pieces.rows {
                        let range = block * pieces.words..(block + 1) * pieces.words;
                        for (row, out) in outs.iter_mut().enumerate() {
                            let (x, out) = (
                                &x.limb(row, at[limb])[range.clone()],
                                &mut out[range.clone()],
                            );
                            primes[limb].ntt_block(block, out);
                            primes[limb].subtract_from_and_scale(out, x, inverses[limb]);
                        }
                    }
                }
                Ok(())
            },
        )?;
        Ok(out)
    }

    /// The inner product of the digits of `x` with a key, without writing the digits out.
    pub(crate) fn dot_in_pieces(
        &self,
        t: &Tables,
        pieces: Pieces,
        x: &Block,
        key: &SwitchKey,
        to: Basis,
    ) -> Result<Block> {
        let (rows, degree) = (x.shape.rows, x.shape.degree);
        let lifts = self.lifts(t, pieces, x, &digit_bases(to.q_len(), key.digit_size), to)?;
        let primes = t.primes(to);
        let at = positions(to, key.basis);
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
                let mut halves = self.pool.take(2 * lifts.len() * pieces.words)?;
                let mut columns = self.pool.take(TOGETHER * pieces.column())?;
                let mut lifted: Slices<Slices<_>> = (memory.chunks_exact_mut(polynomials * degree))
                    .map(|limb| limb.chunks_exact_mut(degree).collect())
                    .collect();
                for (i, lift) in (0..polynomials).map(|i| (i, &lifts[i / rows])) {
                    let mut targets: Slices<_> = lifted.iter_mut().map(|l| &mut *l[i]).collect();
                    let (primes, target) = (&primes[first..], (first, &mut targets[..]));
                    fill_columns(lift, pieces, i % rows, primes, target, &mut columns);
                }
                for ((limb, outs), lifted) in (first..).zip(&mut limbs).zip(&mut lifted) {
                    let prime = primes[limb];
                    for block in 0..pieces.rows {
                        let range = block * pieces.words..(block + 1) * pieces.words;
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

/// Converts one row to the target limbs from `first` on, whose primes are `primes`, and does the
/// first pass of their transforms. Limbs that the source has are left alone. `columns` has room for
/// a group of columns of each target.
fn fill_columns(
    lift: &Lift,
    pieces: Pieces,
    row: usize,
    primes: &[&Prime],
    (first, targets): (usize, &mut [&mut [u64]]),
    columns: &mut [u64],
) {
    let (mut summed, mut weights, mut outs) = (Slices::new(), Slices::new(), Slices::new());
    for ((limb, out), prime) in (first..).zip(targets).zip(primes) {
        if let Some(w) = lift.weights(limb) {
            summed.push(*prime);
            weights.push(w);
            outs.push(out);
        }
    }
    let columns = &mut columns[..summed.len() * pieces.column()];
    for group in 0..pieces.columns() {
        Prime::linear_each(
            &summed,
            lift.conversion.wide(),
            columns,
            &lift.column(row, pieces, group),
            &weights,
        );
        let columns = columns.chunks_exact_mut(pieces.column());
        for ((columns, out), prime) in columns.zip(&mut outs).zip(&summed) {
            prime.ntt_column(group, columns, out);
        }
    }
}

fn digit_bases(l: usize, digit_size: usize) -> Vec<Basis> {
    let digit = |lo| Basis::digit(lo, (lo + digit_size).min(l));
    (0..l).step_by(digit_size).map(digit).collect()
}

/// `out_0 <- 0` and `out_k <- x_(N-k)`, both in column order: seven words of a run come from one
/// run, the first from the run before that.
fn mirror(pieces: Pieces, x: &[u64], out: &mut [u64]) {
    let (rows, columns) = (pieces.rows, pieces.columns());
    let runs = x.as_chunks::<LANES>().0;
    for (i, out) in out.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
        let (group, row) = (i / rows, i % rows);
        let first = match (group, row) {
            (0, 0) => 0,
            (0, row) => runs[rows - row][0],
            (group, row) => runs[(columns - group) * rows + rows - 1 - row][0],
        };
        let [_, a, b, c, d, e, f, g] = runs[(columns - 1 - group) * rows + rows - 1 - row];
        *out = [first, g, f, e, d, c, b, a];
    }
}
