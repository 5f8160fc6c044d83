//! EvalMod: the remainder modulo `q0` as a scaled sine [Cheon-Han-Kim-Kim-Song 2018], by a cosine
//! polynomial and double angles [Han-Ki 2020].

use super::Bootstrapper;
use crate::backend::Backend;
use crate::ciphertext::Ciphertext;
use crate::error::Result;
use crate::evaluator::Evaluator;

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
        let last = params.group_modulus(out + 1);
        // The rest of the way to the canonical scale is a power of two, multiplied exactly; a scale
        // below the last modulus is reached as it is.
        let shift = (wanted / last).log2().round().max(0.0);
        let mut scales = vec![wanted / shift.exp2()];
        for step in 0..self.fit.double_angles as usize {
            let modulus = params.group_modulus(out + 1 + step);
            scales.push((scales[step] * modulus).sqrt());
        }
        let mut y = ev.polynomial_on_unit(&u, &self.plan, scales[scales.len() - 1])?;
        for (&d, &scale) in self.fit.constants.iter().zip(scales.iter().rev().skip(1)) {
            let square = ev.multiply_without_relinearisation(&y, &y)?;
            let mut twice = ev.raise_product(&square, 2.0)?;
            ev.raised_constant(&mut twice, -d)?;
            y = ev.lower(&twice)?.with_scale(scale);
        }
        let y = if shift > 0.0 {
            ev.mul_integer(&y, shift.exp2())?
        } else {
            y
        };
        Ok(y.with_scale(params.scale_at(out)))
    }
}
