//! The digits and quotients of a conversion, in the order in which transforms read their columns.

use super::{FusedSwitch, Slices, Split};
use crate::device::{Block, CpuBackend, light};
use crate::kernels::{Conversion, LANES, Target};
use crate::pool::Buffer;
use crate::ring::positions;
use crate::tables::Tables;
use ckks_math::Result;
use ckks_math::backend::{Basis, RingKind};
use std::sync::Arc;

/// Words of a quotient that are one task.
const STEP: usize = 4096;

/// Digits and quotient of the conversion of all rows of one basis.
pub(super) struct Lift {
    conversion: Arc<Conversion>,
    /// For each row, the digits of each source prime and the quotient, `N` words each, in column
    /// order; then all of these mirrored, where `mirrored`.
    words: Buffer,
    degree: usize,
    mirrored: bool,
}

impl Lift {
    /// Slices of `N` words of one row.
    fn limbs(&self) -> usize {
        (self.conversion.sources().len() + 1) * if self.mirrored { 2 } else { 1 }
    }

    /// The part of all digits, and the quotient, of one row in one group of columns.
    pub fn column(&self, row: usize, split: Split, group: usize) -> Slices<&[u64]> {
        let limbs = self.limbs();
        let row = &self.words[row * limbs * self.degree..][..limbs * self.degree];
        let slice = |limb| &row[limb * self.degree + group * split.column()..][..split.column()];
        (0..limbs).map(slice).collect()
    }

    /// Whether residues beyond 50 bits are among the digits.
    pub fn wide(&self) -> bool {
        self.conversion.wide()
    }

    /// The weights of a target limb, if it is not copied.
    pub fn weights(&self, limb: usize) -> Option<&[u64]> {
        match &self.conversion.targets()[limb] {
            Target::Copy(_) => None,
            Target::Sum(weights) => Some(weights),
        }
    }
}

impl CpuBackend {
    /// The digits and quotients that convert each of the bases `from` of `x` (evaluations) to `to`.
    pub(super) fn lifts(
        &self,
        t: &Tables,
        pieces: &FusedSwitch<'_>,
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
        self.write_digits(pieces, x, from, &mut lifts)?;
        self.write_quotients(&mut lifts);
        if mirrored {
            self.write_mirrors(pieces.split, &mut lifts);
        }
        Ok(lifts)
    }

    /// The digits `x_i (D/d_i)^-1` of each basis, in column order.
    fn write_digits(
        &self,
        pieces: &FusedSwitch<'_>,
        x: &Block,
        from: &[Basis],
        lifts: &mut [Lift],
    ) -> Result<()> {
        let degree = x.shape.degree;
        let mut inverses = Vec::new();
        for (lift, &basis) in lifts.iter_mut().zip(from) {
            let at = positions(basis, x.shape.basis);
            let passes = pieces.passes(basis);
            let (sources, limbs) = (lift.conversion.sources(), lift.limbs());
            for (row, words) in lift.words.chunks_exact_mut(limbs * degree).enumerate() {
                for (i, out) in words.chunks_exact_mut(degree).take(at.len()).enumerate() {
                    inverses.push((passes[i], x.limb(row, at[i]), sources[i].inverse.value, out));
                }
            }
        }
        let words = inverses.len() * degree;
        self.try_for_each(words, inverses, |(passes, x, factor, out)| {
            let mut copy = self.pool.take(degree)?;
            copy.copy_from_slice(x);
            passes.intt_to_columns(&mut copy, factor, out);
            Ok(())
        })
    }

    /// The quotient of each row from its digits.
    fn write_quotients(&self, lifts: &mut [Lift]) {
        let mut quotients = Vec::new();
        let mut words = 0;
        for lift in lifts {
            let (degree, limbs) = (lift.degree, lift.limbs());
            let sources = lift.conversion.sources().len();
            for row in lift.words.chunks_exact_mut(limbs * degree) {
                let (digits, quotient) = row.split_at_mut(sources * degree);
                let digits: Slices<_> = digits.chunks_exact(degree).collect();
                words += sources * degree;
                for (i, out) in quotient[..degree].chunks_mut(STEP).enumerate() {
                    quotients.push((&lift.conversion, digits.clone(), i * STEP, out));
                }
            }
        }
        self.for_each(words, quotients, |(conversion, digits, start, out)| {
            let slices = digits.iter().map(|y| &y[start..start + out.len()]);
            conversion.quotient(&slices.collect::<Slices<_>>(), out);
        });
    }

    /// Digits and quotients once more, in mirrored order.
    fn write_mirrors(&self, split: Split, lifts: &mut [Lift]) {
        let mut mirrors = Vec::new();
        let mut words = 0;
        for lift in lifts {
            let (degree, limbs) = (lift.degree, lift.limbs());
            for row in lift.words.chunks_exact_mut(limbs * degree) {
                let (plain, mirrored) = row.split_at_mut(limbs / 2 * degree);
                words += plain.len();
                mirrors.extend(plain.chunks(degree).zip(mirrored.chunks_mut(degree)));
            }
        }
        self.for_each(light(words), mirrors, |(x, out)| {
            mirror(split, x, out);
        });
    }
}

/// `out_0 <- 0` and `out_k <- x_(N-k)`, both in column order: seven words of a run come from one
/// run, the first from the run before that.
fn mirror(split: Split, x: &[u64], out: &mut [u64]) {
    let (rows, columns) = (split.rows, split.columns());
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
