//! Levels and scales.

use super::{Evaluator, SCALE_TOLERANCE_BITS};
use crate::backend::Backend;
use crate::ciphertext::Ciphertext;
use crate::encoding::encode::check_scale;
use crate::error::{Error, Result};

impl<B: Backend> Evaluator<B> {
    /// Divides by the last group of primes: level falls by one, scale by the group's modulus;
    /// rounding adds at most `(1 + h) / 2` to each coefficient (`h`: weight of the secret).
    ///
    /// # Errors
    /// [`Error::LevelExhausted`] at level 0, [`Error::ScaleOutOfRange`] where a scale below 1 would
    /// be left and with it nothing of the message, [`Error::WrongParameters`] and
    /// [`Error::WrongOwner`].
    pub fn rescale(&self, x: &Ciphertext<B>) -> Result<Ciphertext<B>> {
        self.check("rescale", x)?;
        if x.level > 0 {
            let scale = x.scale / self.context.params().group_modulus(x.level);
            self.check_room("rescale", x.level - 1, scale)?;
        }
        self.rescaled("rescale", x)
    }

    /// As [`Evaluator::rescale`] where the caller sets the scale afterwards.
    pub(crate) fn rescaled(&self, op: &'static str, x: &Ciphertext<B>) -> Result<Ciphertext<B>> {
        if x.level == 0 {
            return Err(Error::LevelExhausted {
                op,
                need: 1,
                have: 0,
            });
        }
        let params = self.context.params();
        let primes = params.group_len(x.level);
        let block = self
            .backend()
            .rescale(self.tables(), &x.poly.block, primes)?;
        let scale = x.scale / params.group_modulus(x.level);
        Ok(Ciphertext {
            level: x.level - 1,
            scale,
            ..self.wrap(block, x)
        })
    }

    /// Forgets primes down to `level`; the message and its scale stay.
    ///
    /// # Errors
    /// [`Error::LevelMismatch`] for a level above that of `x`.
    pub fn drop_to(&self, x: &Ciphertext<B>, level: usize) -> Result<Ciphertext<B>> {
        if level == x.level {
            return Ok(x.clone());
        }
        if level > x.level {
            return Err(Error::LevelMismatch {
                op: "drop_to",
                found: x.level,
                expected: level,
            });
        }
        let rows = x.count * x.components;
        let basis = self.context.params().basis_at(level);
        let block = self
            .backend()
            .restrict(self.tables(), &x.poly.block, 0..rows, basis)?;
        Ok(Ciphertext {
            level,
            ..self.wrap(block, x)
        })
    }

    /// Brings a ciphertext to `level` and exactly to `scale`.
    ///
    /// At the same level the scales must already agree ([`SCALE_TOLERANCE_BITS`]). Otherwise,
    /// unless they differ by less than one unit of the encoded integers, the ciphertext is
    /// multiplied by a whole number above and rescaled: on the level above, or from higher up when
    /// that number would be too small to be rounded well (a scale far above the wanted one).
    ///
    /// # Errors
    /// [`Error::Encoding`] for a scale that is not positive and finite, [`Error::ScaleMismatch`]
    /// where the distance does not suffice for 20 bits, [`Error::LevelMismatch`] for a level above
    /// that of `x`, [`Error::WrongParameters`] and [`Error::WrongOwner`].
    pub fn align_to(&self, x: &Ciphertext<B>, level: usize, scale: f64) -> Result<Ciphertext<B>> {
        check_scale(scale)?;
        // With levels to spare a difference that would exceed the noise is worth a rescaling. A
        // unit of the encoded integers counts as little only at scales above 1.
        let difference = (x.scale / scale - 1.0).abs();
        let negligible = difference <= scale.recip().clamp(f64::EPSILON * 16.0, 1.0);
        if negligible || (x.level <= level && scales_agree(x.scale, scale)) {
            return Ok(self.drop_to(x, level)?.with_scale(scale));
        }
        if x.level <= level {
            return Err(mismatch("align_to", x.scale, scale));
        }
        let params = self.context.params();
        let mut start = level + 1;
        let mut factor = scale / x.scale * params.group_modulus(start);
        while start < x.level && factor < WELL_ROUNDED {
            start += 1;
            factor *= params.group_modulus(start);
        }
        if (factor.round() / factor - 1.0).abs() > 2.0 / WELL_ROUNDED {
            return Err(mismatch("align_to", x.scale, scale));
        }
        let mut y = self.mul_integer(&self.drop_to(x, start)?, factor.round())?;
        while y.level > level {
            y = self.rescaled("align_to", &y)?;
        }
        Ok(y.with_scale(scale))
    }

    /// Both operands at the lower of their levels and at one scale.
    pub(crate) fn align_pair(
        &self,
        op: &'static str,
        x: &Ciphertext<B>,
        y: &Ciphertext<B>,
    ) -> Result<(Ciphertext<B>, Ciphertext<B>)> {
        self.check_pair(op, x, y)?;
        let (x, y) = if x.level > y.level {
            (self.align_to(x, y.level, y.scale)?, y.clone())
        } else if y.level > x.level {
            (x.clone(), self.align_to(y, x.level, x.scale)?)
        } else {
            (x.clone(), y.clone())
        };
        self.check_scales(op, &x, &y)?;
        Ok((x, y))
    }

    pub(crate) fn check_scales(
        &self,
        op: &'static str,
        x: &Ciphertext<B>,
        y: &Ciphertext<B>,
    ) -> Result<()> {
        if scales_agree(x.scale, y.scale) {
            return Ok(());
        }
        Err(mismatch(op, x.scale, y.scale))
    }
}

/// A factor from here on is rounded to a whole number with a relative error below `2^-20`.
const WELL_ROUNDED: f64 = (1_u64 << 21) as f64;

pub(crate) fn mismatch(op: &'static str, left: f64, right: f64) -> Error {
    Error::ScaleMismatch {
        op,
        left: left.log2(),
        right: right.log2(),
        tolerance_bits: SCALE_TOLERANCE_BITS,
    }
}

/// Whether two scales differ by less than the tolerance.
pub(crate) fn scales_agree(x: f64, y: f64) -> bool {
    (x / y - 1.0).abs() < f64::from(SCALE_TOLERANCE_BITS).exp2().recip()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Device;
    use crate::backend::dry_run::DryRun;
    use crate::context::Context;
    use crate::encoding::EncodingError;
    use crate::keys::EvaluationKeys;
    use crate::params::preset;
    use crate::polynomial::{Chebyshev, Plan};
    use std::sync::Arc;

    fn evaluator() -> Evaluator<DryRun> {
        let literal = preset("n14-shallow").expect("a preset");
        let params = literal.check(DryRun::default().limits()).expect("valid");
        let context = Context::new(params, DryRun::default()).expect("tables");
        Evaluator::new(context, Arc::new(EvaluationKeys::recording()))
    }

    #[test]
    fn nothing_is_brought_to_a_scale_that_is_none() {
        let ev = evaluator();
        let x = ev.zeros(4, 3, 1).expect("zeros");
        let constant = Chebyshev::from_coefficients((-1.0, 1.0), vec![0.5]).expect("a constant");
        let square = Chebyshev::from_coefficients((-1.0, 1.0), vec![0.0, 0.0, 1.0]).expect("T_2");
        for scale in [0.0, -0.0, -1.0, -x.scale, f64::NAN, f64::INFINITY] {
            let refused = |result: Result<Ciphertext<DryRun>>| {
                let error = result.map(|_| ()).expect_err("no scale");
                let of_scale = matches!(error, Error::Encoding(EncodingError::Scale { .. }));
                assert!(of_scale, "{scale}: {error}");
            };
            for level in [0, 2, 3] {
                refused(ev.align_to(&x, level, scale));
            }
            for series in [&constant, &square] {
                refused(ev.polynomial_on_unit(&x, &Plan::new(series), scale));
                refused(ev.polynomial_masked(&x, &Plan::new(series), &[1.0, 0.0], scale));
            }
        }
    }

    #[test]
    fn scales_that_leave_nothing_of_a_message_are_not_alike() {
        let ev = evaluator();
        let x = ev.zeros(4, 3, 1).expect("zeros").with_scale(1.25);
        for scale in [0.5, f64::MIN_POSITIVE, 1e-320, f64::MAX] {
            let result = ev.align_to(&x, x.level, scale).map(|_| ());
            let mismatch = matches!(result, Err(Error::ScaleMismatch { .. }));
            assert!(mismatch, "{scale:e}: {result:?}");
        }
        assert!(ev.align_to(&x, 3, x.scale).is_ok());
    }
}
