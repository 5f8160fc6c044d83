//! The position of the maximum along an axis, as a one-hot vector.
//!
//! A cyclic tournament: `log2(n)` times every slot takes the larger of itself and the slot half
//! the remaining distance away, after which all slots along the axis hold the maximum. Comparing
//! each entry with the maximum marks where it is:
//!
//! ```text
//! m <- x;   for each bit of the axis:  m <- max(m, rot_{2^bit}(m))
//! one-hot = step(x - m + gap / 2)
//! ```
//!
//! Depth is `log2(n)` comparisons and products and one more comparison, which needs refreshing on
//! the way: the caller's [`Refresh`] is asked before each.

use ckks_math::backend::Backend;
use ckks_math::{Ciphertext, Evaluator};

use super::compare::Sign;
use crate::error::{Error, Result};
use crate::field::{Axis, Padding};
use crate::layout::Layout;
use crate::packed::{Packed, join};
use crate::reduce::{ReducePlan, Step, SumOptions};

/// Makes room for more operations.
pub trait Refresh<B: Backend> {
    /// The same tensor with at least `levels` levels left, at the canonical scale of its level.
    ///
    /// # Errors
    ///
    /// Where the levels cannot be had: at the implementor's choice.
    fn refresh(&mut self, ev: &Evaluator<B>, x: Packed<B>, levels: usize) -> Result<Packed<B>>;
}

impl<B: Backend, F> Refresh<B> for F
where
    F: FnMut(&Evaluator<B>, Packed<B>, usize) -> Result<Packed<B>>,
{
    fn refresh(&mut self, ev: &Evaluator<B>, x: Packed<B>, levels: usize) -> Result<Packed<B>> {
        self(ev, x, levels)
    }
}

/// One-hot maximum along an axis, planned for a layout.
#[derive(Debug, Clone)]
pub struct Argmax {
    layout: Layout,
    /// Sums over the axis; each addition becomes a maximum.
    steps: ReducePlan,
    sign: Sign,
    gap: f64,
}

impl Argmax {
    /// Plans the one-hot maximum of entries in `[-1/2, 1/2]` along `axis`, right where the largest
    /// is ahead of the second by `gap`, to within `2^-bits`.
    ///
    /// The axis must stand at the top of the period or in the ciphertext bits.
    ///
    /// # Errors
    ///
    /// [`Error::NotCyclic`] where the sum over the axis needs a mask, [`Error::UnknownAxis`] for an
    /// axis that the layout lacks, and as [`Sign::new`] for the gap and the bits.
    pub fn new(layout: &Layout, axis: Axis, gap: f64, bits: f64) -> Result<Argmax> {
        let clean = layout.clone().with_padding(Padding::Zero);
        let steps = ReducePlan::sum(&clean, &[axis], SumOptions::default())?;
        if steps.levels() > 0 {
            return Err(Error::NotCyclic {
                op: "argmax",
                axis,
                layout: layout.to_string(),
            });
        }
        let rounds = steps.steps().len() as f64 + layout.ciphertexts() as f64;
        // Errors of all rounds together must stay well inside half the gap.
        let bits = bits.max((8.0 * rounds / gap).log2());
        Ok(Argmax {
            layout: clean,
            steps,
            sign: Sign::new(gap / 2.0 * (1.0 - 1.0 / 4.0), bits)?,
            gap,
        })
    }

    /// The comparison used.
    pub fn sign(&self) -> &Sign {
        &self.sign
    }

    /// Levels of one maximum: what is asked of [`Refresh`] before each.
    pub fn levels(&self) -> usize {
        self.sign.depth() + 1
    }

    /// Close to 1 at the maximum of each row and to 0 elsewhere; padding must be zero and ends
    /// without meaning.
    ///
    /// # Errors
    ///
    /// [`Error::Count`] or [`Error::SlotMismatch`] for a tensor of another layout, the error of
    /// `refresh`, and [`Error::Scheme`] where the scheme refuses a step.
    pub fn apply<B: Backend>(
        &self,
        ev: &Evaluator<B>,
        x: &Packed<B>,
        refresh: &mut impl Refresh<B>,
    ) -> Result<Packed<B>> {
        let maximum = self.maximum(ev, x, refresh)?;
        let maximum = refresh.refresh(ev, maximum, self.levels())?;
        let level = x.level().min(maximum.level());
        let (x, m) = (x.align_to(ev, level)?, maximum.align_to(ev, level)?);
        let behind = x.sub(ev, &m)?.add_constant(ev, self.gap / 2.0)?;
        self.sign.step(ev, &behind)
    }

    /// The maximum of each row, in every place along the axis.
    ///
    /// # Errors
    ///
    /// As [`Argmax::apply`].
    pub fn maximum<B: Backend>(
        &self,
        ev: &Evaluator<B>,
        x: &Packed<B>,
        refresh: &mut impl Refresh<B>,
    ) -> Result<Packed<B>> {
        let clean = x.read_as(self.layout.clone())?;
        // No entry is below -1/2, so padding never wins.
        let mut m = clean.fill_padding(ev, -0.5)?;
        for step in self.steps.steps() {
            m = match step {
                Step::AddCiphertexts(groups) => self.over_ciphertexts(ev, &m, groups, refresh)?,
                Step::RotateAdd(amount) | Step::SpreadAdd(amount) => {
                    let m = refresh.refresh(ev, m, self.levels())?;
                    let rotated = ev.rotate(m.batch(), *amount)?;
                    let rotated = Packed::new(m.layout().clone(), rotated)?;
                    self.sign.max(ev, &m, &rotated)?
                }
                Step::Mask(_) => unreachable!("plans with masks were refused"),
            };
        }
        m.read_as(self.steps.output().clone().with_padding(Padding::Any))
    }

    /// The maximum over each group of ciphertexts: pairs of all groups at once.
    fn over_ciphertexts<B: Backend>(
        &self,
        ev: &Evaluator<B>,
        x: &Packed<B>,
        groups: &[Vec<usize>],
        refresh: &mut impl Refresh<B>,
    ) -> Result<Packed<B>> {
        let parts = ev.split(x.batch())?;
        let longest = groups.iter().map(Vec::len).max().unwrap_or(0);
        // The maximum is idempotent, so short groups repeat their first ciphertext.
        let member = |group: &Vec<usize>, i: usize| {
            let at = group.get(i).or(group.first()).copied().unwrap_or(0);
            parts[at].clone()
        };
        let gather = |i: usize| -> Vec<Ciphertext<B>> {
            groups.iter().map(|group| member(group, i)).collect()
        };
        let reduced = self.steps.output().clone().with_padding(Padding::Any);
        let mut columns: Vec<Packed<B>> = (0..longest)
            .map(|i| Packed::new(reduced.clone(), join(ev, gather(i))?))
            .collect::<Result<_>>()?;
        while columns.len() > 1 {
            let half = columns.len().div_ceil(2);
            let mut halves = Vec::with_capacity(half);
            for i in 0..half {
                let left = refresh.refresh(ev, columns[i].clone(), self.levels())?;
                halves.push(match columns.get(half + i) {
                    Some(right) => {
                        let right = refresh.refresh(ev, right.clone(), self.levels())?;
                        self.sign.max(ev, &left, &right)?
                    }
                    None => left,
                });
            }
            columns = halves;
        }
        columns.pop().ok_or(Error::Count {
            op: "argmax",
            what: "ciphertexts",
            need: 1,
            got: 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::Field;
    use crate::testing::cipher::Fixture;
    use ckks_cpu::CpuBackend;

    #[test]
    fn the_largest_is_marked_across_slots_and_ciphertexts() {
        let gap = 0.25;
        let mut f = Fixture::new(30, 4);
        let (token, choice) = (Field::new(Axis::TOKEN, 2), Field::new(Axis::CHANNEL, 6));
        // Rows with winners at different places, the others closer together than the gap.
        let rows = [
            [-0.3, 0.1, 0.45, 0.15, -0.5, 0.18],
            [0.0, -0.4, -0.1, -0.1, -0.35, 0.3],
        ];
        let values: Vec<f64> = (0..12).map(|i| rows[i % 2][i / 2]).collect();
        let want: Vec<f64> = (0..12)
            .map(|i| {
                f64::from(u8::from(
                    (i % 2, i / 2) == (0, 2) || (i % 2, i / 2) == (1, 5),
                ))
            })
            .collect();
        for log_slots in [4, 2] {
            let layout = Layout::new(log_slots, &[token, choice]).expect("valid");
            let argmax = Argmax::new(&layout, Axis::CHANNEL, gap, 8.0).expect("valid");
            let x = f.encrypt(&layout, &values);
            // In place of a bootstrap: decrypts and encrypts again.
            let mut asked = 0;
            let mut refresh = |_: &Evaluator<CpuBackend>, x: Packed<CpuBackend>, levels: usize| {
                asked += 1;
                if x.level() >= levels {
                    return Ok(x);
                }
                f.renew(&x)
            };
            let y = argmax.apply(&f.ev, &x, &mut refresh).expect("refreshed");
            assert!(asked >= 4);
            let got = f.decrypt(&y);
            for (got, want) in got.iter().zip(&want) {
                assert!((got - want).abs() < 2.0_f64.powi(-7), "{got} for {want}");
            }
        }
        let below = Layout::new(4, &[choice, token]).expect("valid");
        let refused = Argmax::new(&below, Axis::CHANNEL, gap, 8.0).map(|_| ());
        assert!(matches!(refused, Err(Error::NotCyclic { .. })));
    }
}
