//! Levels and scales.

use super::{Evaluator, SCALE_TOLERANCE_BITS};
use crate::backend::Backend;
use crate::ciphertext::Ciphertext;
use crate::error::{Error, Result};

impl<B: Backend> Evaluator<B> {
    /// Divides by the last group of primes: level falls by one, scale by the group's modulus;
    /// rounding adds at most `(1 + h) / 2` to each coefficient (`h`: weight of the secret).
    pub fn rescale(&self, x: &Ciphertext<B>) -> Result<Ciphertext<B>> {
        if x.level == 0 {
            return Err(Error::LevelExhausted {
                op: "rescale",
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
    /// At the same level the scales must already agree. Otherwise it is multiplied by a constant
    /// on the level above and rescaled, which costs one level of the distance.
    pub fn align_to(&self, x: &Ciphertext<B>, level: usize, scale: f64) -> Result<Ciphertext<B>> {
        if scales_agree(x.scale, scale) {
            return Ok(self.drop_to(x, level)?.with_scale(scale));
        }
        if x.level <= level {
            return Err(Error::ScaleMismatch {
                op: "align_to",
                left: x.scale.log2(),
                right: scale.log2(),
                tolerance_bits: SCALE_TOLERANCE_BITS,
            });
        }
        let above = self.drop_to(x, level + 1)?;
        let modulus = self.context.params().group_modulus(level + 1);
        let factor = scale * modulus / x.scale;
        let scaled = self.mul_integer(&above, factor.round())?;
        Ok(self.rescale(&scaled)?.with_scale(scale))
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
        Err(Error::ScaleMismatch {
            op,
            left: x.scale.log2(),
            right: y.scale.log2(),
            tolerance_bits: SCALE_TOLERANCE_BITS,
        })
    }
}

/// Whether two scales differ by less than the tolerance.
pub(crate) fn scales_agree(x: f64, y: f64) -> bool {
    (x / y - 1.0).abs() < f64::from(SCALE_TOLERANCE_BITS).exp2().recip()
}
