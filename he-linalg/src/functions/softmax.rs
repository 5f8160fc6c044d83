//! Softmax by squaring and normalising.
//!
//! `softmax(x)` is `exp(x / 2^k)` squared `k` times and divided by its sum. Normalising between
//! the squarings keeps values in range [Cho, Hanrot, Kim, Park, Stehle 2024, "Fast and accurate
//! homomorphic softmax evaluation"]; here with `1/s` on the squares themselves instead of
//! `1/sqrt(s)` before squaring, which saves a level:
//!
//! ```text
//! y <- exp(x / 2^k)                                  fitted, then masked
//! k times:   z = y^2,   s = sum z,   y <- z p(s)     p: a fit of 1/s, or 1 where not needed
//! ```
//!
//! An error of `p` is a common factor of the row that the next normalisation divides out, so only
//! the last fit has to be accurate.

use ckks_math::Evaluator;
use ckks_math::backend::Backend;

use super::fit::Fit;
use crate::error::{Error, Result};
use crate::field::{Axis, Padding};
use crate::layout::Layout;
use crate::packed::Packed;
use crate::reduce::{ReducePlan, SumOptions};

/// One squaring.
#[derive(Debug, Clone, PartialEq)]
pub enum Round {
    /// `y <- y^2`.
    Square,
    /// `y <- y^2 p(sum of y^2)`, with a fit of `1/s` on the window of the sums.
    Normalise(Fit),
}

/// The factor of each entry of a tensor after the exponential, by its index.
pub type Mask<'a> = &'a dyn Fn(&[usize]) -> f64;

/// A softmax along an axis, planned for a layout.
///
/// The affine maps of all fits' arguments are folded into what comes before: into the mask of the
/// sum where it needs one, else into the exponential and the previous fit.
#[derive(Debug, Clone)]
pub struct Softmax {
    exponential: Fit,
    /// Slot vectors after the exponential; none if there is nothing to mask.
    mask: Option<Vec<Vec<f64>>>,
    layout: Layout,
    rounds: Vec<Planned>,
}

#[derive(Debug, Clone)]
enum Planned {
    Square,
    Normalise(Box<Normalisation>),
}

/// The sum of the squares and the fit of its reciprocal.
#[derive(Debug, Clone)]
struct Normalisation {
    sum: ReducePlan,
    fit: Fit,
}

impl Softmax {
    /// Plans the softmax of tensors of `layout` along `axis`.
    ///
    /// `exponential` is `exp(x / 2^k)` for `k` rounds on the range of the scores, on padding too.
    /// `mask` gives the factor of each entry after the exponential: 0 for keys that are not seen,
    /// else 1, or any factor common to a row. Every row must keep a sum inside the fits' windows.
    /// Fails when the last round does not normalise.
    pub fn new(
        layout: &Layout,
        axis: Axis,
        exponential: &Fit,
        rounds: &[Round],
        mask: Option<Mask<'_>>,
    ) -> Result<Softmax> {
        if !matches!(rounds.last(), Some(Round::Normalise(_))) {
            return Err(Error::Argument {
                what: "the number of rounds up to the last normalisation",
                value: 0.0,
                range: "all of them: end with Round::Normalise",
            });
        }
        let masked = layout.clone().with_padding(Padding::Zero);
        let free = ReducePlan::sum(&masked, &[axis], SumOptions::default())?.levels() == 0;
        // From the end: the factor that the encrypted y carries at the start of each round.
        let mut carried = 1.0;
        let mut planned = Vec::with_capacity(rounds.len());
        for round in rounds.iter().rev() {
            let after = carried;
            planned.push(match round {
                Round::Square => {
                    carried = f64::sqrt(after);
                    Planned::Square
                }
                Round::Normalise(fit) => {
                    carried = if free { fit.unit_factor().sqrt() } else { 1.0 };
                    let scale = if free { 1.0 } else { fit.unit_factor() };
                    let options = SumOptions {
                        scale,
                        ..SumOptions::default()
                    };
                    Planned::Normalise(Box::new(Normalisation {
                        sum: ReducePlan::sum(&masked, &[axis], options)?,
                        fit: fit.scaled(after / (carried * carried))?,
                    }))
                }
            });
        }
        planned.reverse();
        let mask = match mask {
            Some(mask) => Some(layout.pack(|index| mask(index))),
            None if layout.is_full() => None,
            None => Some(layout.pack(|_| 1.0)),
        };
        Ok(Softmax {
            exponential: exponential.scaled(carried)?,
            mask,
            layout: masked,
            rounds: planned,
        })
    }

    /// Levels from scores times the exponential's [`Fit::unit_factor`] to weights.
    pub fn levels(&self) -> usize {
        let round = |round: &Planned| match round {
            Planned::Square => 1,
            Planned::Normalise(n) => 2 + n.sum.levels() + n.fit.depth(),
        };
        let rounds: usize = self.rounds.iter().map(round).sum();
        self.exponential.depth() + usize::from(self.mask.is_some()) + rounds
    }

    /// The layout of the weights: that of the scores, with zero padding.
    pub fn output(&self) -> &Layout {
        &self.layout
    }

    /// The softmax of encrypted scores: [`Softmax::levels`], and one for the affine map of the
    /// exponential.
    pub fn apply<B: Backend>(&self, ev: &Evaluator<B>, scores: &Packed<B>) -> Result<Packed<B>> {
        self.rounds(ev, self.exponential.apply(ev, scores)?)
    }

    /// As [`Softmax::apply`] for scores that were multiplied by the exponential's
    /// [`Fit::unit_factor`]; `shift` as in [`Fit::apply_scaled`]. Takes [`Softmax::levels`].
    pub fn apply_scaled<B: Backend>(
        &self,
        ev: &Evaluator<B>,
        scores: &Packed<B>,
        shift: f64,
    ) -> Result<Packed<B>> {
        self.rounds(ev, self.exponential.apply_scaled(ev, scores, shift)?)
    }

    fn rounds<B: Backend>(&self, ev: &Evaluator<B>, y: Packed<B>) -> Result<Packed<B>> {
        let mut y = match &self.mask {
            Some(mask) => y.mul_vectors(ev, mask)?,
            None => y,
        }
        .read_as(self.layout.clone())?;
        for round in &self.rounds {
            y = y.square(ev)?;
            if let Planned::Normalise(normalisation) = round {
                let Normalisation { sum, fit } = normalisation.as_ref();
                let s = sum.apply(ev, &y)?;
                // Rows of padding sum to 0: the middle of the window instead.
                let s = s.fill_padding(ev, -fit.unit_offset())?;
                let factor = fit.apply_scaled(ev, &s, fit.unit_offset())?;
                y = y.mul(ev, &factor)?;
            }
        }
        Ok(y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::Field;
    use crate::functions::{fit_exp, fit_inv};
    use crate::testing::cipher::Fixture;
    use crate::testing::noise;

    const KEYS: usize = 6;
    const ROWS: usize = 3;
    /// Largest absolute score.
    const RANGE: f64 = 4.0;

    /// Softmax of each row of scores `[key][row]`, masked keys left out.
    fn expected(scores: &[f64], seen: impl Fn(usize, usize) -> bool) -> Vec<f64> {
        let weight = |k: usize, r: usize| match seen(k, r) {
            true => scores[k * ROWS + r].exp(),
            false => 0.0,
        };
        let total = |r: usize| -> f64 { (0..KEYS).map(|k| weight(k, r)).sum() };
        (0..scores.len())
            .map(|i| weight(i / ROWS, i % ROWS) / total(i % ROWS))
            .collect()
    }

    /// `exp(x/4)`, a square, a crude normalisation left to the next round, an accurate one.
    fn rounds(accuracy: f64) -> (Fit, Vec<Round>) {
        let exponential = fit_exp(-RANGE / 4.0, RANGE / 4.0, 18.0).expect("reachable");
        // exp(x/4) on the scores themselves.
        let series = ckks_math::polyval::Chebyshev::from_coefficients(
            (-RANGE, RANGE),
            exponential.polynomial().coefficients().to_vec(),
        )
        .expect("finite");
        let exponential = Fit::from_polynomial(series, exponential.error(), exponential.measure())
            .expect("finite");
        // After one squaring y = exp(x/2): between exp(-2) for a single key and 6 exp(2).
        let first = fit_inv((0.1, 45.0), 2.0).expect("reachable");
        // Squares of weights of up to 25 % error that add up to one: between 1/6 and 1.
        let last = fit_inv((0.08, 1.7), accuracy).expect("reachable");
        (
            exponential,
            vec![Round::Normalise(first), Round::Normalise(last)],
        )
    }

    #[test]
    fn rows_become_weights_in_slots_and_ciphertexts() {
        let mut f = Fixture::new(21, 5);
        let bits = 10.0;
        let (exponential, rounds) = rounds(bits);
        let (key, row) = (Field::new(Axis::KEY, KEYS), Field::new(Axis::TOKEN, ROWS));
        // The axis on top, across ciphertexts, and at the bottom with a mask.
        for (log_slots, key_first) in [(5, false), (3, false), (5, true)] {
            let fields = if key_first { [key, row] } else { [row, key] };
            let layout = Layout::new(log_slots, &fields).expect("valid");
            let scores: Vec<f64> = noise(110, KEYS * ROWS).iter().map(|v| RANGE * v).collect();
            let order = |values: &[f64]| -> Vec<f64> {
                match key_first {
                    true => (0..KEYS * ROWS)
                        .map(|i| values[(i % KEYS) * ROWS + i / KEYS])
                        .collect(),
                    false => values.to_vec(),
                }
            };
            let x = f.encrypt(&layout, &order(&scores));
            for causal in [false, true] {
                let seen = |k: usize, r: usize| !causal || k <= r + 1;
                let component = |axis| layout.component(axis).expect("present");
                let (k, r) = (component(Axis::KEY), component(Axis::TOKEN));
                let mask = |i: &[usize]| f64::from(u8::from(seen(i[k], i[r])));
                let mask: Option<Mask<'_>> = if causal { Some(&mask) } else { None };
                let plan = Softmax::new(&layout, Axis::KEY, &exponential, &rounds, mask);
                let plan = plan.expect("valid");
                let y = plan.apply(&f.ev, &x).expect("levels");
                let want = order(&expected(&scores, seen));
                // The last fit's relative error and four times that of the exponential.
                let tolerance = (-bits).exp2() + 4.0 * 2.0_f64.powi(-16);
                f.check(&y, f.level - plan.levels() - 1, &want, tolerance);
                assert_eq!(y.layout().padding(), Padding::Zero);
            }
        }
    }

    #[test]
    fn plain_squarings_and_folded_scores() {
        let mut f = Fixture::new(16, 4);
        let layout = Layout::new(4, &[Field::new(Axis::KEY, 4)]).expect("valid");
        let exponential = fit_exp(-1.0, 1.0, 20.0).expect("reachable");
        // The sum below is 41.5.
        let last = fit_inv((20.0, 80.0), 8.0).expect("reachable");
        let rounds = [Round::Square, Round::Normalise(last)];
        let plan = Softmax::new(&layout, Axis::KEY, &exponential, &rounds, None).expect("valid");
        assert_eq!(plan.exponential.unit_factor(), 1.0);
        // The scores are 4 times the argument, so this is softmax(4 v).
        let v = [0.3, -0.5, 0.9, 0.1];
        let x = f.encrypt(&layout, &v);
        let y = plan.apply_scaled(&f.ev, &x, 0.0).expect("levels");
        let total: f64 = v.iter().map(|v| (4.0 * v).exp()).sum();
        let want: Vec<f64> = v.iter().map(|v| (4.0 * v).exp() / total).collect();
        f.check(
            &y,
            f.level - plan.levels(),
            &want,
            2.0_f64.powi(-8) + 2.0_f64.powi(-16),
        );
        let open = Softmax::new(&layout, Axis::KEY, &exponential, &rounds[..1], None);
        assert!(matches!(open, Err(Error::Argument { .. })));
    }
}
