//! Evaluation of a polynomial plan on ciphertexts.

use super::plan::Node;
use super::{Chebyshev, Plan};
use crate::backend::Backend;
use crate::ciphertext::Ciphertext;
use crate::error::{Error, Result};
use crate::evaluator::Evaluator;
use std::collections::BTreeMap;

/// The powers computed so far, `T_1` included.
type Powers<B> = BTreeMap<usize, Ciphertext<B>>;

impl<B: Backend> Evaluator<B> {
    /// A Chebyshev series of every slot: `ceil(log2(degree + 1))` levels, at the canonical scale
    /// of the level reached; one level more when its interval is not `[-1, 1]`, for the affine map.
    ///
    /// Slots must lie in the series' interval (outside of it values explode, not wrap around). The
    /// error is that of the fit plus, on every slot, noise of about `2^-log2(scale)` times the
    /// noise of a rescaling times the sum of the absolute coefficients.
    pub fn polynomial(&self, x: &Ciphertext<B>, series: &Chebyshev) -> Result<Ciphertext<B>> {
        let plan = Plan::new(series);
        let u = self.to_unit_interval(x, series)?;
        let depth = plan.depth() as usize;
        if u.level < depth {
            return Err(Error::LevelExhausted {
                op: "polynomial",
                need: depth,
                have: u.level,
            });
        }
        let scale = self.context().params().scale_at(u.level - depth);
        self.polynomial_on_unit(&u, &plan, scale)
    }

    /// The argument mapped from the series' interval to `[-1, 1]`.
    fn to_unit_interval(&self, x: &Ciphertext<B>, series: &Chebyshev) -> Result<Ciphertext<B>> {
        let (lo, hi) = series.interval();
        let (factor, offset) = (2.0 / (hi - lo), (hi + lo) / (hi - lo));
        let scaled = if factor == 1.0 {
            x.clone()
        } else {
            self.mul_constant(x, factor)?
        };
        if offset == 0.0 {
            Ok(scaled)
        } else {
            self.add_constant(&scaled, -offset)
        }
    }

    /// Walks a plan on `u` in `[-1, 1]`: the result is `plan.depth()` levels below and exactly at
    /// `scale`.
    pub fn polynomial_on_unit(
        &self,
        u: &Ciphertext<B>,
        plan: &Plan,
        scale: f64,
    ) -> Result<Ciphertext<B>> {
        let depth = plan.depth() as usize;
        if u.level < depth {
            return Err(Error::LevelExhausted {
                op: "polynomial",
                need: depth,
                have: u.level,
            });
        }
        let mut powers: Powers<B> = BTreeMap::from([(1, u.clone())]);
        for power in plan.powers() {
            let level = u.level + 1 - power.level as usize;
            let left = self.drop_to(&powers[&power.left], level)?;
            let right = self.drop_to(&powers[&power.right], level)?;
            let product = self.multiply(&left, &right)?;
            let doubled = if power.difference == 0 {
                let twice = self.mul_integer(&product, 2.0)?;
                self.add_constant(&twice, -1.0)?
            } else {
                let other = &powers[&power.difference];
                let factor = (product.scale / other.scale).round();
                self.combine_integers(level, &[&product, other], &[2.0, -factor], product.scale)?
            };
            powers.insert(power.index, self.rescale(&doubled)?);
        }
        self.node(plan.root(), u, &powers, scale)
    }

    /// A node at its level, exactly at `scale`: one sum of products and scalar multiples, one
    /// relinearisation, one rescaling (see the scales in [`super::plan`]).
    fn node(
        &self,
        node: &Node,
        u: &Ciphertext<B>,
        powers: &Powers<B>,
        scale: f64,
    ) -> Result<Ciphertext<B>> {
        let level = u.level + 1 - node.level() as usize;
        let wide = scale * self.context().params().group_modulus(level);
        let (products, leaf) = node.sum();
        let mut sum: Option<Ciphertext<B>> = None;
        for (giant, quotient) in products {
            let giant = self.drop_to(&powers[&giant], level)?;
            let quotient = self.node(quotient, u, powers, wide / giant.scale)?;
            let product = self.multiply_without_relinearisation(&quotient, &giant)?;
            let product = product.with_scale(wide);
            sum = Some(match sum {
                None => product,
                Some(sum) => self.add(&sum, &product)?,
            });
        }
        let sum = sum.map(|s| self.relinearize(&s)).transpose()?;
        let (mut terms, mut factors) = (Vec::new(), Vec::new());
        for (i, &c) in leaf.iter().enumerate().skip(1).filter(|&(_, &c)| c != 0.0) {
            terms.push(&powers[&i]);
            factors.push((c * wide / powers[&i].scale).round());
        }
        if let Some(sum) = &sum {
            terms.push(sum);
            factors.push(1.0);
        }
        if terms.is_empty() {
            // A constant polynomial still is a ciphertext: zero times the argument.
            terms.push(u);
            factors.push(0.0);
        }
        let mut total = self.combine_integers(level, &terms, &factors, wide)?;
        if let Some(&c) = leaf.first().filter(|&&c| c != 0.0) {
            total = self.add_constant(&total, c)?;
        }
        Ok(self.rescale(&total)?.with_scale(scale))
    }
}
