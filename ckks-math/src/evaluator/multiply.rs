//! Products of ciphertexts.

use super::Evaluator;
use crate::backend::{Backend, Turned};
use crate::ciphertext::Ciphertext;
use crate::error::{Error, Result};

/// Canonical scales that differ by less serve in place of each other.
const ALIKE_BITS: f64 = 0.05;

impl<B: Backend> Evaluator<B> {
    /// `x * y`, relinearised and rescaled: one level below the lower operand.
    ///
    /// Two operands at canonical scale give a result at canonical scale.
    pub fn mul(&self, x: &Ciphertext<B>, y: &Ciphertext<B>) -> Result<Ciphertext<B>> {
        let product = self.multiply_without_relinearisation(x, y)?;
        self.canonical(self.lower(&self.raise_product(&product, 1.0)?)?)
    }

    /// `x^2`, relinearised and rescaled.
    pub fn square(&self, x: &Ciphertext<B>) -> Result<Ciphertext<B>> {
        self.mul(x, x)
    }

    /// `x * y`, relinearised, not rescaled: at the lower level, scale the product of both.
    pub fn multiply(&self, x: &Ciphertext<B>, y: &Ciphertext<B>) -> Result<Ciphertext<B>> {
        let product = self.multiply_without_relinearisation(x, y)?;
        self.relinearize(&product)
    }

    /// `x * y` of three components: sums of such products need only one relinearisation.
    ///
    /// The batch sizes must agree; a higher operand is brought to the other's level, and its scale
    /// follows the canonical one of the levels on the way ([`crate::Params::scale_at`]).
    pub fn multiply_without_relinearisation(
        &self,
        x: &Ciphertext<B>,
        y: &Ciphertext<B>,
    ) -> Result<Ciphertext<B>> {
        self.check_pair("multiply", x, y)?;
        if x.components != 2 {
            return Err(Error::ShapeMismatch {
                op: "multiply (relinearise first)",
                left: x.poly.shape(self.backend()),
                right: y.poly.shape(self.backend()),
            });
        }
        let level = x.level.min(y.level);
        let (x, y) = (self.follow_to(x, level)?, self.follow_to(y, level)?);
        let block = self
            .backend()
            .tensor(self.tables(), &x.poly.block, &y.poly.block)?;
        Ok(Ciphertext {
            components: 3,
            scale: x.scale * y.scale,
            slots: x.slots.max(y.slots),
            ..self.wrap(block, &x)
        })
    }

    /// Back to two components, with the relinearisation key.
    pub fn relinearize(&self, x: &Ciphertext<B>) -> Result<Ciphertext<B>> {
        self.check("relinearize", x)?;
        if x.components == 2 {
            return Ok(x.clone());
        }
        let (backend, t) = (self.backend(), self.tables());
        let key = self.keys.relinearization(&self.context, x.level)?;
        let basis = x.poly.shape(backend).basis;
        let k = x.count;
        let quadratic = backend.restrict(t, &x.poly.block, 2 * k..3 * k, basis)?;
        let mut block = backend.key_switch(t, &quadratic, &key)?;
        self.add_turned(&mut block, &Turned::rows(&x.poly.block, 0..2 * k))?;
        Ok(Ciphertext {
            components: 2,
            ..self.wrap(block, x)
        })
    }

    /// At `level`, with a scale as far from the canonical one as it was above: by dropping moduli
    /// where the canonical scales are alike, by a whole number and a rescaling where they are not.
    fn follow_to(&self, x: &Ciphertext<B>, level: usize) -> Result<Ciphertext<B>> {
        let params = self.context.params();
        let change = params.scale_at(level) / params.scale_at(x.level);
        if change.log2().abs() < ALIKE_BITS {
            return self.drop_to(x, level);
        }
        self.align_to(x, level, x.scale * change)
    }

    /// Declares a scale canonical when it is so up to rounding of the scale's own arithmetic.
    pub(crate) fn canonical(&self, x: Ciphertext<B>) -> Result<Ciphertext<B>> {
        let wanted = self.context.params().scale_at(x.level);
        let close = super::level::scales_agree(x.scale, wanted);
        Ok(if close { x.with_scale(wanted) } else { x })
    }
}
