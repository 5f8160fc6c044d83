//! Products of ciphertexts.

use super::{Evaluator, pair};
use crate::backend::{Backend, Permuted};
use crate::ciphertext::Ciphertext;
use crate::error::{Error, Result};

/// Canonical scales that differ by less serve in place of each other.
const ALIKE_BITS: f64 = 0.05;

impl<B: Backend> Evaluator<B> {
    /// `x * y`, relinearised and rescaled: one level below the lower operand.
    ///
    /// Two operands at canonical scale give a result at canonical scale.
    ///
    /// # Errors
    /// [`Error::LevelExhausted`] at level 0, [`Error::MissingKey`] without a relinearisation key
    /// for the level, and as [`Evaluator::multiply_without_relinearisation`].
    pub fn mul(&self, x: &Ciphertext<B>, y: &Ciphertext<B>) -> Result<Ciphertext<B>> {
        self.check_pair("mul", x, y)?;
        if x.level.min(y.level) == 0 {
            return Err(Error::LevelExhausted {
                op: "mul",
                need: 1,
                have: 0,
            });
        }
        let product = self.multiply_without_relinearisation(x, y)?;
        self.canonical(self.lower(&self.product_over_qp(&product, 1.0)?)?)
    }

    /// `x^2`, relinearised and rescaled; level and scale as in [`Evaluator::mul`].
    ///
    /// # Errors
    /// As [`Evaluator::mul`].
    pub fn square(&self, x: &Ciphertext<B>) -> Result<Ciphertext<B>> {
        self.mul(x, x)
    }

    /// `x * y`, relinearised, not rescaled: at the lower level, scale the product of both.
    ///
    /// # Errors
    /// [`Error::MissingKey`] without a relinearisation key for the level, and as
    /// [`Evaluator::multiply_without_relinearisation`].
    pub fn multiply(&self, x: &Ciphertext<B>, y: &Ciphertext<B>) -> Result<Ciphertext<B>> {
        let product = self.multiply_without_relinearisation(x, y)?;
        self.relinearize(&product)
    }

    /// `x * y` of three components: sums of such products need only one relinearisation.
    ///
    /// The batch sizes must agree; a higher operand is brought to the other's level, and its scale
    /// follows the canonical one of the levels on the way ([`crate::Params::scale_at`]).
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] for batches of different counts, [`Error::Components`] for operands
    /// that are products themselves, [`Error::ScaleOutOfRange`] where the product of the scales
    /// leaves no room under the modulus, [`Error::WrongParameters`] and [`Error::WrongOwner`].
    pub fn multiply_without_relinearisation(
        &self,
        x: &Ciphertext<B>,
        y: &Ciphertext<B>,
    ) -> Result<Ciphertext<B>> {
        self.check_pair("multiply", x, y)?;
        pair("multiply", x)?;
        let level = x.level.min(y.level);
        let (x, y) = (self.follow_to(x, level)?, self.follow_to(y, level)?);
        self.check_room("multiply", level, x.scale * y.scale)?;
        let block = self
            .backend()
            .tensor(self.tables(), &x.poly.block, &y.poly.block)?;
        Ok(Ciphertext {
            components: 3,
            scale: x.scale * y.scale,
            slots: x.slots.max(y.slots),
            owner: x.owner.or(y.owner),
            ..self.wrap(block, &x)
        })
    }

    /// Back to two components, with the relinearisation key, at the level and scale of `x`.
    ///
    /// # Errors
    /// [`Error::MissingKey`] without that key for the level, [`Error::WrongParameters`] and
    /// [`Error::WrongOwner`].
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
        self.add_permuted(&mut block, &Permuted::rows(&x.poly.block, 0..2 * k))?;
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
