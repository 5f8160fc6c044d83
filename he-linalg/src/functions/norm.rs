//! The factor of root-mean-square normalisation.

use ckks_math::Evaluator;
use ckks_math::backend::Backend;

use super::fit::Fit;
use crate::error::{Error, Result};
use crate::field::Axis;
use crate::layout::Layout;
use crate::packed::Packed;
use crate::reduce::{ReducePlan, SumOptions};

/// `1 / sqrt(mean of x^2 over some axes + epsilon)`, planned for a layout.
///
/// The result has copies along the axes, so [`Packed::mul`] by `x` normalises. The map of the fit's
/// argument to `[-1, 1]` is folded into the mean:
///
/// ```text
/// x --square--> x^2 --sum, times unit_factor / count--> + (epsilon unit_factor + unit_offset) --> fit
///   1 level         a mask, 1 level                       free                                  depth
/// ```
///
/// With axes at the top of the period the sum itself takes no mask; then an input that already
/// carries the factor `sqrt(unit_factor / count)` ([`InverseRms::free_input_factor`], folded into
/// the map that made it) saves that level.
#[derive(Debug, Clone)]
pub struct InverseRms {
    sum: ReducePlan,
    fit: Fit,
    shift: f64,
}

impl InverseRms {
    /// Plans the factor for tensors of a layout with zero padding along `axes`.
    ///
    /// `fit` is `1/sqrt` on the window of `mean + epsilon`. `input_factor` is what the encrypted
    /// tensor has been multiplied by; the result times the *encrypted* tensor is the normalised
    /// one.
    pub fn new(
        layout: &Layout,
        axes: &[Axis],
        epsilon: f64,
        fit: &Fit,
        input_factor: f64,
    ) -> Result<InverseRms> {
        if !(input_factor != 0.0 && input_factor.is_finite()) {
            return Err(Error::Argument {
                what: "the factor of the input",
                value: input_factor,
                range: "finite and not 0",
            });
        }
        let scale = fit.unit_factor() / count(layout, axes) / (input_factor * input_factor);
        // A factor of one but for rounding needs no mask.
        let scale = if (scale - 1.0).abs() < 1e-12 {
            1.0
        } else {
            scale
        };
        let options = SumOptions {
            scale,
            ..SumOptions::default()
        };
        Ok(InverseRms {
            sum: ReducePlan::sum(layout, axes, options)?,
            shift: epsilon * fit.unit_factor() + fit.unit_offset(),
            fit: fit.scaled(1.0 / input_factor)?,
        })
    }

    /// The factor of an input for which no scaling is left to the sum.
    pub fn free_input_factor(layout: &Layout, axes: &[Axis], fit: &Fit) -> f64 {
        (fit.unit_factor() / count(layout, axes)).sqrt()
    }

    /// Levels from the tensor to the factor.
    pub fn levels(&self) -> usize {
        1 + self.sum.levels() + self.fit.depth()
    }

    /// The layout of the factor: that of the tensor with copies along the axes.
    pub fn output(&self) -> &Layout {
        self.sum.output()
    }

    /// The factor of an encrypted tensor, [`InverseRms::levels`] below it.
    ///
    /// Padding along other axes has a mean of zero, which must lie in the fit's window: where it
    /// does not, the padding's mean is set to the middle of the window.
    pub fn apply<B: Backend>(&self, ev: &Evaluator<B>, x: &Packed<B>) -> Result<Packed<B>> {
        let mean = self.sum.apply(ev, &x.square(ev)?)?;
        // The middle of the window is where the shifted argument is 0.
        let mean = mean.fill_padding(ev, -self.shift)?;
        self.fit.apply_scaled(ev, &mean, self.shift)
    }

    /// The tensor normalised: [`InverseRms::levels`] and one more.
    pub fn normalise<B: Backend>(&self, ev: &Evaluator<B>, x: &Packed<B>) -> Result<Packed<B>> {
        x.mul(ev, &self.apply(ev, x)?)
    }
}

/// Number of values along the axes.
fn count(layout: &Layout, axes: &[Axis]) -> f64 {
    let fields = layout.fields().filter(|f| axes.contains(&f.axis));
    fields.map(|f| f.len as f64).product()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::Field;
    use crate::functions::fit_inv_sqrt;
    use crate::testing::cipher::{Fixture, TOLERANCE};

    const TOKENS: usize = 3;
    const CHANNELS: usize = 6;
    const EPSILON: f64 = 1e-3;

    fn expected(values: &[f64], fit: &Fit) -> Vec<f64> {
        let mean = |t: usize| -> f64 {
            (0..CHANNELS)
                .map(|c| values[c * TOKENS + t].powi(2))
                .sum::<f64>()
                / CHANNELS as f64
        };
        (0..values.len())
            .map(|i| values[i] * fit.eval(mean(i % TOKENS) + EPSILON))
            .collect()
    }

    #[test]
    fn rows_are_normalised_in_slots_and_ciphertexts() {
        let mut f = Fixture::new(8, 6);
        let fit = fit_inv_sqrt((0.02, 1.2), 8.0).expect("reachable");
        let (token, channel) = (
            Field::new(Axis::TOKEN, TOKENS),
            Field::new(Axis::CHANNEL, CHANNELS),
        );
        for (log_slots, fields) in [
            (6, [token, channel]),
            (4, [token, channel]),
            (2, [token, channel]),
        ] {
            let layout = Layout::new(log_slots, &fields).expect("valid");
            let (values, x) = f.random(&layout, 100);
            let want = expected(&values, &fit);
            let plan = InverseRms::new(&layout, &[Axis::CHANNEL], EPSILON, &fit, 1.0);
            let plan = plan.expect("valid");
            assert_eq!(plan.levels(), 2 + fit.depth());
            let y = plan.normalise(&f.ev, &x).expect("levels");
            f.check(&y, f.level - plan.levels() - 1, &want, 10.0 * TOLERANCE);

            let factor = InverseRms::free_input_factor(&layout, &[Axis::CHANNEL], &fit);
            let scaled: Vec<f64> = values.iter().map(|v| v * factor).collect();
            let x = f.encrypt(&layout, &scaled);
            let plan = InverseRms::new(&layout, &[Axis::CHANNEL], EPSILON, &fit, factor);
            let plan = plan.expect("valid");
            assert_eq!(plan.levels(), 1 + fit.depth());
            let y = plan.normalise(&f.ev, &x).expect("levels");
            f.check(&y, f.level - plan.levels() - 1, &want, 10.0 * TOLERANCE);
        }
    }

    #[test]
    fn channels_below_tokens_share_the_mask() {
        let mut f = Fixture::new(8, 6);
        let fit = fit_inv_sqrt((0.02, 1.2), 8.0).expect("reachable");
        let (token, channel) = (
            Field::new(Axis::TOKEN, TOKENS),
            Field::new(Axis::CHANNEL, CHANNELS),
        );
        let layout = Layout::new(6, &[channel, token]).expect("valid");
        let (values, x) = f.random(&layout, 101);
        let transposed: Vec<f64> = (0..CHANNELS * TOKENS)
            .map(|i| values[(i % TOKENS) * CHANNELS + i / TOKENS])
            .collect();
        let normalised = expected(&transposed, &fit);
        let want: Vec<f64> = (0..CHANNELS * TOKENS)
            .map(|i| normalised[(i % CHANNELS) * TOKENS + i / CHANNELS])
            .collect();
        let plan = InverseRms::new(&layout, &[Axis::CHANNEL], EPSILON, &fit, 1.0).expect("valid");
        let y = plan.normalise(&f.ev, &x).expect("levels");
        f.check(&y, f.level - plan.levels() - 1, &want, 10.0 * TOLERANCE);
        let refused = InverseRms::new(&layout, &[Axis::CHANNEL], EPSILON, &fit, 0.0);
        assert!(matches!(refused, Err(Error::Argument { .. })));
    }
}
