//! Sums, and products with plaintexts and constants.

use super::Evaluator;
use crate::backend::{Backend, Pointwise};
use crate::ciphertext::{Ciphertext, Plaintext};
use crate::error::{Error, Result};

impl<B: Backend> Evaluator<B> {
    /// `x + y`; levels and scales are aligned first ([`Evaluator::align_to`]).
    pub fn add(&self, x: &Ciphertext<B>, y: &Ciphertext<B>) -> Result<Ciphertext<B>> {
        self.linear("add", Pointwise::Add, x, y)
    }

    /// `x - y`, as [`Evaluator::add`].
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
            ..self.wrap(block, &x)
        })
    }

    /// `-x`.
    pub fn negate(&self, x: &Ciphertext<B>) -> Result<Ciphertext<B>> {
        self.mul_integer(x, -1.0)
    }

    /// `x + p`: the plaintext must be at the level of `x` or above and at its scale.
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

    /// `x * p` without rescaling: the scale becomes the product of both.
    pub fn multiply_plain(&self, x: &Ciphertext<B>, p: &Plaintext<B>) -> Result<Ciphertext<B>> {
        self.check("multiply_plain", x)?;
        self.check_plain("multiply_plain", x, p)?;
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

    /// `x * values`, slot by slot, rescaled to exactly the canonical scale of the level below.
    pub fn mul_values(&self, x: &Ciphertext<B>, values: &[f64]) -> Result<Ciphertext<B>> {
        let target = self.scale_below("mul_values", x)?;
        let params = self.context.params();
        let scale = target * params.group_modulus(x.level) / x.scale;
        let p = self.context.encode(values, x.level, scale)?;
        let product = self.multiply_plain(x, &p)?;
        Ok(self.rescale(&product)?.with_scale(target))
    }

    /// `x * c`, rescaled to exactly the canonical scale of the level below.
    ///
    /// The constant is rounded at a scale of about a level's modulus.
    pub fn mul_constant(&self, x: &Ciphertext<B>, c: f64) -> Result<Ciphertext<B>> {
        let target = self.scale_below("mul_constant", x)?;
        let factor = c * target * self.context.params().group_modulus(x.level) / x.scale;
        let product = self.mul_integer(x, factor.round())?;
        Ok(self.rescale(&product)?.with_scale(target))
    }

    /// `x + values`, slot by slot.
    pub fn add_values(&self, x: &Ciphertext<B>, values: &[f64]) -> Result<Ciphertext<B>> {
        let p = self.context.encode(values, x.level, x.scale)?;
        self.add_plain(x, &p)
    }

    /// `x + c` in every slot.
    pub fn add_constant(&self, x: &Ciphertext<B>, c: f64) -> Result<Ciphertext<B>> {
        self.check("add_constant", x)?;
        let constants = self.residues("add_constant", x.level, (c * x.scale).round())?;
        let (backend, t) = (self.backend(), self.tables());
        let mut block = backend.duplicate(t, &x.poly.block)?;
        backend.offset_limbs(t, &mut block, 0..x.count, &constants)?;
        Ok(self.wrap(block, x))
    }

    /// `x` times a whole number: exact, the scale stays.
    ///
    /// Takes a float so that scale corrections beyond 64 bits fit; it must be a whole number below
    /// `2^126` in absolute value.
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
        let first = xs.first().ok_or(Error::SlotMismatch {
            op: "combine",
            found: 0,
            expected: 1,
        })?;
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
            ..self.wrap(block, first)
        })
    }

    /// Residues of a whole number modulo the primes of a level.
    pub(crate) fn residues(&self, op: &'static str, level: usize, c: f64) -> Result<Vec<u64>> {
        if !c.is_finite() || c.abs() >= 126_f64.exp2() || c.fract() != 0.0 {
            return Err(Error::Constant { op, value: c });
        }
        let basis = self.context.params().basis_at(level);
        Ok(self
            .context
            .params()
            .ring()
            .moduli(basis)
            .map(|m| m.reduce_i128(c as i128))
            .collect())
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
