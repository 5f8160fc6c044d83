//! EvalMod: the remainder modulo `q0` as a scaled sine [Cheon-Han-Kim-Kim-Song 2018], by a cosine
//! polynomial and double angles [Han-Ki 2020].
//!
//! # Where the noise comes from
//!
//! With `u = x / K` for `x = m/q0 + I - 1/4` and `r = q0 / D0` the message ratio, the result is
//! `r sin(2 pi x) / 2 pi` in units of the message, an even function computed by `T_2 = 2 u^2 - 1`.
//! An error of `T_2` counts
//!
//! ```text
//! | d(r sin(2 pi x) / 2 pi) / d T_2 | = r K / 4 |u| = r K^2 / 4 |x|     at integers,
//! ```
//!
//! `r K^2` at `I = 0`, where most slots are, against `r K` for an error of `u` and a quarter (then
//! a 16th, ..) for one of `T_4` (`T_8`, ..). So `T_2` deserves a larger scale than the rest: it
//! gets one when the level that divides `T_2^2` is wider than the others, by half as many bits
//! ([`argument_scale`]). `T_4` gets the scale of the modulus that divides its square. Where the
//! levels below differ, the scales of `T_8`, `T_16`, .. run away from it by twice the difference at
//! each step, and a larger scale of the last leaves the quotient that it multiplies a smaller one:
//! those levels are equally wide, or lose a bit at most.

use super::Bootstrapper;
use crate::backend::Backend;
use crate::ciphertext::Ciphertext;
use crate::error::Result;
use crate::evaluator::Evaluator;
use crate::params::Params;

/// The scale of the argument at `level` for which `T_4`, two levels below, is at the scale of the
/// modulus it is divided by next: that of its own level when all are equally wide.
pub(super) fn argument_scale(params: &Params, level: usize) -> f64 {
    let below = |steps: usize| params.group_modulus(level.saturating_sub(steps));
    (below(0).powi(2) * below(1) * below(2)).powf(0.25)
}

impl<B: Backend> Bootstrapper<B> {
    /// From slots holding `2 (m/q0 + I) / (hi - lo)` to slots holding the message divided by
    /// `copies`, a power of two, at the canonical scale of the output level.
    pub(super) fn eval_mod(
        &self,
        ev: &Evaluator<B>,
        x: &Ciphertext<B>,
        copies: usize,
    ) -> Result<Ciphertext<B>> {
        let params = self.context.params();
        let (lo, hi) = self.fit.chebyshev.interval();
        let u = ev.add_constant(x, -(hi + lo) / (hi - lo))?;
        let out = self.output_level();
        let ratio = f64::from(self.literal.message_ratio_bits).exp2();
        // sin(2 pi e)/(2 pi) = e - (2 pi)^2/6 e^3: for messages z = e * ratio in [-1, 1] the cubic
        // coefficient is c, and (1 + 3c/4) z - c z^3 is within c/4 of z.
        let cubic = (2.0 * std::f64::consts::PI / ratio).powi(2) / 6.0;
        let wanted = params.scale_at(out) * ratio * (1.0 + 0.75 * cubic) / copies as f64;
        let mut scales = vec![wanted];
        for step in 0..self.fit.double_angles as usize {
            let modulus = params.group_modulus(out + 1 + step);
            scales.push((scales[step] * modulus).sqrt());
        }
        let mut y = ev.polynomial_on_unit(&u, &self.plan, scales[scales.len() - 1])?;
        for (&d, &scale) in self.fit.constants.iter().zip(scales.iter().rev().skip(1)) {
            let square = ev.multiply_without_relinearisation(&y, &y)?;
            let mut twice = ev.product_over_qp(&square, 2.0)?;
            ev.add_constant_over_qp(&mut twice, -d)?;
            y = ev.lower(&twice)?.with_scale(scale);
        }
        Ok(y.with_scale(params.scale_at(out)))
    }
}
