//! Products of ciphertexts.

use super::Evaluator;
use crate::backend::{Backend, Turned};
use crate::ciphertext::Ciphertext;
use crate::error::{Error, Result};

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
    /// The batch sizes must agree; a higher operand is dropped to the other's level.
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
        let (x, y) = (self.drop_to(x, level)?, self.drop_to(y, level)?);
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

    /// Declares a scale canonical when it is so up to rounding of the scale's own arithmetic.
    pub(crate) fn canonical(&self, x: Ciphertext<B>) -> Result<Ciphertext<B>> {
        let wanted = self.context.params().scale_at(x.level);
        let close = super::level::scales_agree(x.scale, wanted);
        Ok(if close { x.with_scale(wanted) } else { x })
    }
}
