//! Sums, and products with plaintexts and constants.

use super::{Evaluator, no_operand};
use crate::backend::{Backend, Pointwise};
use crate::ciphertext::{Ciphertext, Plaintext};
use crate::error::{Error, Result};
use crate::keys::OwnerTag;

impl<B: Backend> Evaluator<B> {
    /// `x + y`, at the lower of both levels and its operand's scale; the other is aligned first
    /// ([`Evaluator::align_to`]). Batches and components are alike.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] for batches of different counts or components,
    /// [`Error::ScaleMismatch`] for scales that cannot be aligned, [`Error::WrongParameters`] and
    /// [`Error::WrongOwner`].
    pub fn add(&self, x: &Ciphertext<B>, y: &Ciphertext<B>) -> Result<Ciphertext<B>> {
        self.linear("add", Pointwise::Add, x, y)
    }

    /// `x - y`; level and scale as in [`Evaluator::add`].
    ///
    /// # Errors
    /// As [`Evaluator::add`].
    pub fn sub(&self, x: &Ciphertext<B>, y: &Ciphertext<B>) -> Result<Ciphertext<B>> {
        self.linear("sub", Pointwise::Sub, x, y)
    }

    fn linear(
        &self,
        op: &'static str,
        kind: Pointwise,
        x: &Ciphertext<B>,
        y: &Ciphertext<B>,
    ) -> Result<Ciphertext<B>> {
        let (x, y) = self.align_pair(op, x, y)?;
        let block = self
            .backend()
            .pointwise(self.tables(), kind, &x.poly.block, &y.poly.block)?;
        Ok(Ciphertext {
            slots: x.slots.max(y.slots),
            owner: x.owner.or(y.owner),
            ..self.wrap(block, &x)
        })
    }

    /// `-x`, at its level and scale.
    ///
    /// # Errors
    /// [`Error::WrongParameters`] and [`Error::WrongOwner`].
    pub fn negate(&self, x: &Ciphertext<B>) -> Result<Ciphertext<B>> {
        self.mul_integer(x, -1.0)
    }

    /// `x + p`, at the level and scale of `x`: the plaintext must be at that level or above and at
    /// that scale. It is added to each ciphertext of the batch.
    ///
    /// # Errors
    /// [`Error::LevelMismatch`] and [`Error::ScaleMismatch`] for such a plaintext,
    /// [`Error::WrongParameters`] and [`Error::WrongOwner`].
    pub fn add_plain(&self, x: &Ciphertext<B>, p: &Plaintext<B>) -> Result<Ciphertext<B>> {
        self.check("add_plain", x)?;
        self.check_plain("add_plain", x, p)?;
        let like = Ciphertext {
            scale: p.scale,
            ..x.clone()
        };
        self.check_scales("add_plain", x, &like)?;
        let (backend, t) = (self.backend(), self.tables());
        let mut block = backend.duplicate(t, &x.poly.block)?;
        for i in 0..x.count {
            backend.add_rows(t, &mut block, i, &p.poly.block)?;
        }
        Ok(Ciphertext {
            slots: x.slots.max(p.slots),
            ..self.wrap(block, x)
        })
    }

    /// `x * p` without rescaling, at the level of `x`: the scale becomes the product of both. The
    /// plaintext is at that level or above.
    ///
    /// # Errors
    /// [`Error::LevelMismatch`] for a lower plaintext, [`Error::ScaleOutOfRange`] where the product
    /// of the scales leaves no room under the modulus, [`Error::WrongParameters`] and
    /// [`Error::WrongOwner`].
    pub fn multiply_plain(&self, x: &Ciphertext<B>, p: &Plaintext<B>) -> Result<Ciphertext<B>> {
        self.check("multiply_plain", x)?;
        self.check_plain("multiply_plain", x, p)?;
        self.check_room("multiply_plain", x.level, x.scale * p.scale)?;
        let block = self.backend().pointwise(
            self.tables(),
            Pointwise::Mul,
            &x.poly.block,
            &p.poly.block,
        )?;
        let scale = x.scale * p.scale;
        Ok(Ciphertext {
            scale,
            slots: x.slots.max(p.slots),
            ..self.wrap(block, x)
        })
    }

    /// `x * values`, slot by slot, rescaled to exactly the canonical scale of the level below;
    /// `values.len()` is a power of two.
    ///
    /// # Errors
    /// [`Error::LevelExhausted`] at level 0, [`Error::Encoding`] for values that do not fit the
    /// modulus, and as [`Evaluator::multiply_plain`].
    pub fn mul_values(&self, x: &Ciphertext<B>, values: &[f64]) -> Result<Ciphertext<B>> {
        let target = self.scale_below("mul_values", x)?;
        let params = self.context.params();
        let scale = target * params.group_modulus(x.level) / x.scale;
        let p = self.context.encode(values, x.level, scale)?;
        let product = self.multiply_plain(x, &p)?;
        Ok(self.rescaled("mul_values", &product)?.with_scale(target))
    }

    /// `x * c`, rescaled to exactly the canonical scale of the level below.
    ///
    /// The constant is rounded at a scale of about a level's modulus.
    ///
    /// # Errors
    /// [`Error::LevelExhausted`] at level 0; [`Error::Constant`] for a constant that is not finite
    /// or for which a slot of 1 would not fit the modulus of the level below;
    /// [`Error::WrongParameters`] and [`Error::WrongOwner`].
    pub fn mul_constant(&self, x: &Ciphertext<B>, c: f64) -> Result<Ciphertext<B>> {
        let target = self.scale_below("mul_constant", x)?;
        self.check_constant("mul_constant", x.level - 1, (c * target).round())?;
        let factor = c * target * self.context.params().group_modulus(x.level) / x.scale;
        let product = self.mul_integer(x, factor.round())?;
        Ok(self.rescaled("mul_constant", &product)?.with_scale(target))
    }

    /// `x + values`, slot by slot, at the level and scale of `x`; `values.len()` is a power of two.
    ///
    /// # Errors
    /// [`Error::Encoding`] for values that do not fit the modulus, and as [`Evaluator::add_plain`].
    pub fn add_values(&self, x: &Ciphertext<B>, values: &[f64]) -> Result<Ciphertext<B>> {
        let p = self.context.encode(values, x.level, x.scale)?;
        self.add_plain(x, &p)
    }

    /// `x + c` in every slot, at the level and scale of `x`.
    ///
    /// # Errors
    /// [`Error::Constant`] for a constant that is not finite or does not fit the modulus at the
    /// scale of `x`; [`Error::WrongParameters`] and [`Error::WrongOwner`].
    pub fn add_constant(&self, x: &Ciphertext<B>, c: f64) -> Result<Ciphertext<B>> {
        self.check("add_constant", x)?;
        let constants = self.residues("add_constant", x.level, (c * x.scale).round())?;
        let (backend, t) = (self.backend(), self.tables());
        let mut block = backend.duplicate(t, &x.poly.block)?;
        backend.offset_limbs(t, &mut block, 0..x.count, &constants)?;
        Ok(self.wrap(block, x))
    }

    /// `x` times a whole number: exact, level and scale stay.
    ///
    /// Takes a float so that scale corrections beyond 64 bits fit; it must be a whole number below
    /// `2^126`, and half the modulus, in absolute value.
    ///
    /// # Errors
    /// [`Error::Constant`] for another number; [`Error::WrongParameters`] and
    /// [`Error::WrongOwner`].
    pub fn mul_integer(&self, x: &Ciphertext<B>, c: f64) -> Result<Ciphertext<B>> {
        self.check("mul_integer", x)?;
        let constants = self.residues("mul_integer", x.level, c)?;
        let basis = self.context.params().basis_at(x.level);
        let block = self
            .backend()
            .combine(self.tables(), basis, &[&x.poly.block], &[constants])?;
        Ok(self.wrap(block, x))
    }

    /// `sum_k c_k x_k` for whole numbers `c_k`: the scale of the result is `scale`, which the
    /// caller vouches for (`c_k` times the scale of `x_k` stands for the wanted coefficient).
    ///
    /// All operands must be at `level` or above; the result is at `level`.
    pub(crate) fn combine_integers(
        &self,
        level: usize,
        xs: &[&Ciphertext<B>],
        factors: &[f64],
        scale: f64,
    ) -> Result<Ciphertext<B>> {
        let first = xs.first().ok_or(no_operand("combine"))?;
        let owner = xs
            .iter()
            .try_fold(None, |owner, x| OwnerTag::common("combine", x.owner, owner))?;
        let basis = self.context.params().basis_at(level);
        let blocks: Vec<&B::Block> = xs.iter().map(|x| &x.poly.block).collect();
        let constants = factors
            .iter()
            .map(|&c| self.residues("combine", level, c))
            .collect::<Result<Vec<_>>>()?;
        let block = self
            .backend()
            .combine(self.tables(), basis, &blocks, &constants)?;
        let slots = xs.iter().map(|x| x.slots).max().unwrap_or(first.slots);
        Ok(Ciphertext {
            level,
            scale,
            slots,
            owner,
            ..self.wrap(block, first)
        })
    }

    /// Residues of a whole number modulo the primes of a level.
    pub(crate) fn residues(&self, op: &'static str, level: usize, c: f64) -> Result<Vec<u64>> {
        self.check_constant(op, level, c)?;
        let basis = self.context.params().basis_at(level);
        Ok(self
            .context
            .params()
            .ring()
            .moduli(basis)
            .map(|m| m.reduce_i128(c as i128))
            .collect())
    }

    /// Fails unless `c` is a whole number that the modulus of a level holds with its sign.
    pub(crate) fn check_constant(&self, op: &'static str, level: usize, c: f64) -> Result<()> {
        check_whole(op, c, self.context.params().log_q_at(level))
    }

    /// Fails unless a slot of 1 at this scale is between 1 and half the modulus of the level.
    pub(crate) fn check_room(&self, op: &'static str, level: usize, scale: f64) -> Result<()> {
        let (log_scale, log_modulus) = (scale.log2(), self.context.params().log_q_at(level));
        if (0.0..=log_modulus - 1.0).contains(&log_scale) {
            return Ok(());
        }
        Err(Error::ScaleOutOfRange {
            op,
            log_scale,
            log_modulus,
        })
    }

    fn scale_below(&self, op: &'static str, x: &Ciphertext<B>) -> Result<f64> {
        if x.level == 0 {
            return Err(Error::LevelExhausted {
                op,
                need: 1,
                have: 0,
            });
        }
        Ok(self.context.params().scale_at(x.level - 1))
    }

    fn check_plain(&self, op: &'static str, x: &Ciphertext<B>, p: &Plaintext<B>) -> Result<()> {
        self.context.check_hash(op, p.hash)?;
        if p.level < x.level {
            return Err(Error::LevelMismatch {
                op,
                found: p.level,
                expected: x.level,
            });
        }
        Ok(())
    }
}

/// Fails unless `c` is a whole number below half a modulus, given by its log2, and below `2^126`.
pub(super) fn check_whole(op: &'static str, c: f64, log_modulus: f64) -> Result<()> {
    let bits = (log_modulus - 1.0).min(126.0);
    if !c.is_finite() || c.abs() >= bits.exp2() || c.fract() != 0.0 {
        return Err(Error::Constant { op, value: c, bits });
    }
    Ok(())
}
