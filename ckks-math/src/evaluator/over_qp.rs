//! Sums over `QP` that are divided once, by `P` and by the modulus of a level together.
//!
//! A key switch ends in a division by `P`, a rescaling divides by a level's modulus: where one
//! follows the other, dividing by the product saves a division and its rounding
//! [Kim-Papadimitriou-Polyakov 2022; Bossuat-Mouchet-Troncoso-Hubaux 2021]. What has not met a key
//! joins the sum times `P`.

use super::Evaluator;
use super::arithmetic::check_whole;
use crate::backend::{Backend, Basis, Permuted};
use crate::ciphertext::Ciphertext;
use crate::error::{Error, Result};
use crate::keys::OwnerTag;

/// `P` times a ciphertext, over `QP`.
pub(crate) struct OverQp<B: Backend> {
    pub block: B::Block,
    /// The attributes of the ciphertext; its block has no meaning.
    pub like: Ciphertext<B>,
}

impl<B: Backend> Evaluator<B> {
    /// `factor * x` for a product of three components, relinearised.
    pub(crate) fn product_over_qp(&self, x: &Ciphertext<B>, factor: f64) -> Result<OverQp<B>> {
        let (backend, t) = (self.backend(), self.tables());
        let key = self.keys().relinearization(self.context(), x.level)?;
        let basis = x.poly.shape(backend).basis;
        let k = x.count;
        let mut quadratic = backend.restrict(t, &x.poly.block, 2 * k..3 * k, basis)?;
        if factor != 1.0 {
            let constants = self.residues("multiply", x.level, factor)?;
            backend.scale_limbs(t, &mut quadratic, &constants)?;
        }
        let block = backend.key_product(t, &quadratic, &key)?;
        let mut raised = OverQp {
            block,
            like: Ciphertext {
                components: 2,
                ..x.clone()
            },
        };
        let rest = Permuted::rows(&x.poly.block, 0..2 * k);
        self.add_times_p(&mut raised.block, &rest, factor)?;
        Ok(raised)
    }

    /// `x + factor * y`: the caller vouches for the scales, as in
    /// [`Evaluator::combine_integers`]; `y` is at the level of `x`.
    pub(crate) fn add_over_qp(
        &self,
        x: &mut OverQp<B>,
        y: &Ciphertext<B>,
        factor: f64,
    ) -> Result<()> {
        x.like.slots = x.like.slots.max(y.slots);
        x.like.owner = OwnerTag::common("add", y.owner, x.like.owner)?;
        let rows = 0..y.count * y.components;
        self.add_times_p(&mut x.block, &Permuted::rows(&y.poly.block, rows), factor)
    }

    /// `x + c` in every slot.
    pub(crate) fn add_constant_over_qp(&self, x: &mut OverQp<B>, c: f64) -> Result<()> {
        let (backend, t) = (self.backend(), self.tables());
        let basis = backend.shape(&x.block).basis;
        let value = (c * x.like.scale).round();
        let mut constants = self.times_special("add_constant", basis, value)?;
        constants.resize(basis.limbs(), 0);
        backend.offset_limbs(t, &mut x.block, 0..x.like.count, &constants)
    }

    /// Divides by `P` and by the last group of moduli: a level below.
    pub(crate) fn lower(&self, x: &OverQp<B>) -> Result<Ciphertext<B>> {
        let params = self.context().params();
        let level = x.like.level;
        if level == 0 {
            return Err(Error::LevelExhausted {
                op: "rescale",
                need: 1,
                have: 0,
            });
        }
        let primes = params.group_len(level);
        let block = self
            .backend()
            .mod_down_and_rescale(self.tables(), &x.block, primes)?;
        Ok(Ciphertext {
            level: level - 1,
            scale: x.like.scale / params.group_modulus(level),
            ..self.wrap(block, &x.like)
        })
    }

    /// `x <- x + factor * P * y` on the first rows, on the limbs over `Q`.
    pub(crate) fn add_times_p(
        &self,
        x: &mut B::Block,
        y: &Permuted<'_, B::Block>,
        factor: f64,
    ) -> Result<()> {
        let (backend, t) = (self.backend(), self.tables());
        let basis = backend.shape(x).basis;
        let constants = self.times_special("add", basis, factor)?;
        backend.add_scaled(t, x, 0, y, &constants)
    }

    /// `x <- x + y` on the first rows.
    pub(crate) fn add_permuted(&self, x: &mut B::Block, y: &Permuted<'_, B::Block>) -> Result<()> {
        let (backend, t) = (self.backend(), self.tables());
        let ones = vec![1; backend.shape(y.block).basis.limbs()];
        backend.add_scaled(t, x, 0, y, &ones)
    }

    /// `c * P` modulo each `q` of a basis `q[0..l] p[0..k]`, `P` the product of its `p`.
    fn times_special(&self, op: &'static str, basis: Basis, c: f64) -> Result<Vec<u64>> {
        let ring = self.context().params().ring();
        let modulus: f64 = ring
            .moduli(Basis::q(basis.q_len()))
            .map(|m| (m.value() as f64).log2())
            .sum();
        check_whole(op, c, modulus)?;
        let special = Basis::p(usize::from(basis.special));
        let times = |m: crate::arith::Modulus| {
            let residues = ring.moduli(special).map(|p| m.reduce(p.value()));
            residues.fold(m.reduce_i128(c as i128), |product, p| m.mul(product, p))
        };
        Ok(ring.moduli(Basis::q(basis.q_len())).map(times).collect())
    }
}
