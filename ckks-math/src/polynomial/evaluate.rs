//! Evaluation of a polynomial plan on ciphertexts.

use super::plan::Node;
use super::{Chebyshev, Plan};
use crate::backend::Backend;
use crate::ciphertext::Ciphertext;
use crate::encoding::encode::check_scale;
use crate::error::{Error, Result};
use crate::evaluator::Evaluator;
use std::collections::BTreeMap;

/// The powers computed so far, `T_1` included.
type Powers<B> = BTreeMap<usize, Ciphertext<B>>;

impl<B: Backend> Evaluator<B> {
    /// A Chebyshev series of every slot: `ceil(log2(degree + 1))` levels, at the canonical scale
    /// of the level reached; one level more when its interval is not `[-1, 1]`, for the affine map.
    ///
    /// A constant takes none and stays at the level of `x`. Slots must lie in the series' interval
    /// (outside of it values explode, not wrap around). The
    /// error is that of the fit plus, on every slot, noise of about `2^-log2(scale)` times the
    /// noise of a rescaling times the sum of the absolute coefficients.
    ///
    /// # Errors
    /// [`Error::LevelExhausted`] for fewer levels, [`Error::MissingKey`] without relinearisation
    /// keys for them, [`Error::Constant`] for coefficients that do not fit the modulus,
    /// [`Error::WrongParameters`] and [`Error::WrongOwner`].
    pub fn polynomial(&self, x: &Ciphertext<B>, series: &Chebyshev) -> Result<Ciphertext<B>> {
        let plan = Plan::new(series);
        let depth = plan.depth() as usize;
        // A constant takes no argument, and no level to map it.
        let u = match depth {
            0 => x.clone(),
            _ => self.to_unit_interval(x, series)?,
        };
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
    ///
    /// # Errors
    /// [`Error::PlanMismatch`] for a plan with a factor, [`Error::Encoding`] for a scale that is
    /// not positive and finite, and as [`Evaluator::polynomial`].
    pub fn polynomial_on_unit(
        &self,
        u: &Ciphertext<B>,
        plan: &Plan,
        scale: f64,
    ) -> Result<Ciphertext<B>> {
        self.walk(u, plan, Weight::None, scale)
    }

    /// `p(u) * mask`, slot by slot: the mask is merged into the coefficients and costs no level.
    ///
    /// One encoding for each coefficient; `mask.len()` is a power of two. Level and scale are those
    /// of
    /// [`Evaluator::polynomial_on_unit`].
    ///
    /// # Errors
    /// [`Error::Encoding`] for a mask that does not fit the slots or the modulus, and as
    /// [`Evaluator::polynomial_on_unit`].
    pub fn polynomial_masked(
        &self,
        u: &Ciphertext<B>,
        plan: &Plan,
        mask: &[f64],
        scale: f64,
    ) -> Result<Ciphertext<B>> {
        self.walk(u, plan, Weight::Mask(mask), scale)
    }

    /// `p(u) * factor`, for a plan made by [`Plan::with_factor`] with a `late` of at least the
    /// number of levels that the factor is below `u`.
    ///
    /// One ciphertext `u` serves a whole batch of factors: its powers, and what else of the
    /// polynomial does not contain the factor, are computed once. The result is `plan.depth()`
    /// levels below `u` and exactly at `scale`.
    ///
    /// # Errors
    /// [`Error::PlanMismatch`] for a plan without a factor, [`Error::LevelMismatch`] for a factor
    /// lower than planned, [`Error::Encoding`] for a scale that is not positive and finite, and as
    /// [`Evaluator::polynomial`].
    pub fn polynomial_times(
        &self,
        u: &Ciphertext<B>,
        plan: &Plan,
        factor: &Ciphertext<B>,
        scale: f64,
    ) -> Result<Ciphertext<B>> {
        let late = plan.factor().unwrap_or(0) as usize;
        if factor.level + late < u.level {
            return Err(Error::LevelMismatch {
                op: "polynomial_times (make the plan for a later factor)",
                found: factor.level,
                expected: u.level - late,
            });
        }
        self.walk(u, plan, Weight::Factor(factor), scale)
    }

    fn walk(
        &self,
        u: &Ciphertext<B>,
        plan: &Plan,
        weight: Weight<'_, B>,
        scale: f64,
    ) -> Result<Ciphertext<B>> {
        check_scale(scale)?;
        let depth = plan.depth() as usize;
        if u.level < depth {
            return Err(Error::LevelExhausted {
                op: "polynomial",
                need: depth,
                have: u.level,
            });
        }
        if matches!(weight, Weight::Factor(_)) != plan.factor().is_some() {
            return Err(Error::PlanMismatch {
                op: "polynomial",
                planned: plan.factor().is_some(),
            });
        }
        if depth == 0 {
            return self.constant(u, plan.root(), &weight, scale);
        }
        let mut powers: Powers<B> = BTreeMap::from([(1, u.clone())]);
        for power in plan.powers() {
            let level = u.level + 1 - power.level as usize;
            let left = self.drop_to(&powers[&power.left], level)?;
            let right = self.drop_to(&powers[&power.right], level)?;
            let product = self.multiply_without_relinearisation(&left, &right)?;
            let mut doubled = self.product_over_qp(&product, 2.0)?;
            if power.difference == 0 {
                self.add_constant_over_qp(&mut doubled, -1.0)?;
            } else {
                let other = self.drop_to(&powers[&power.difference], level)?;
                let factor = (product.scale / other.scale).round();
                self.add_over_qp(&mut doubled, &other, -factor)?;
            }
            powers.insert(power.index, self.lower(&doubled)?);
        }
        self.node(plan.root(), u, &powers, weight, scale)
    }

    /// A polynomial of degree 0 at the level of `u`: a ciphertext still, zero times the argument.
    fn constant(
        &self,
        u: &Ciphertext<B>,
        root: &Node,
        weight: &Weight<'_, B>,
        scale: f64,
    ) -> Result<Ciphertext<B>> {
        let (_, leaf) = root.sum();
        let c = leaf.first().copied().unwrap_or(0.0);
        let zero = self.combine_integers(u.level, &[u], &[0.0], scale)?;
        match weight {
            Weight::Mask(mask) => {
                let values: Vec<f64> = mask.iter().map(|m| m * c).collect();
                self.add_values(&zero, &values)
            }
            Weight::None | Weight::Factor(_) => self.add_constant(&zero, c),
        }
    }

    /// A node at its level, exactly at `scale`: one sum of products and scalar multiples, one
    /// relinearisation, one rescaling (see the scales in [`super::plan`]).
    fn node(
        &self,
        node: &Node,
        u: &Ciphertext<B>,
        powers: &Powers<B>,
        weight: Weight<'_, B>,
        scale: f64,
    ) -> Result<Ciphertext<B>> {
        let level = u.level + 1 - node.level() as usize;
        let wide = scale * self.context().params().group_modulus(level);
        let (products, leaf) = node.sum();
        let mut sum: Option<Ciphertext<B>> = None;
        for (giant, quotient) in products {
            let (multiplier, weight) = match weight {
                Weight::Factor(factor) if giant == 0 => (factor, Weight::None),
                _ => (&powers[&giant], weight),
            };
            let multiplier = self.drop_to(multiplier, level)?;
            let quotient = self.node(quotient, u, powers, weight, wide / multiplier.scale)?;
            let count = quotient.count.max(multiplier.count);
            let quotient = self.repeated(&quotient, count)?;
            let multiplier = self.repeated(&multiplier, count)?;
            let product = self.multiply_without_relinearisation(&quotient, &multiplier)?;
            let product = product.with_scale(wide);
            sum = Some(match sum {
                None => product,
                Some(sum) => self.add(&sum, &product)?,
            });
        }
        let scalars = match weight {
            Weight::Mask(mask) => self.masked_leaf(leaf, u, powers, mask, level, wide)?,
            Weight::None => self.leaf(leaf, powers, None, level, wide)?,
            Weight::Factor(factor) => self.leaf(leaf, powers, Some(factor), level, wide)?,
        };
        let constant = match weight {
            Weight::None => leaf.first().copied().filter(|&c| c != 0.0),
            Weight::Factor(_) | Weight::Mask(_) => None,
        };
        let result = match sum {
            Some(sum) => {
                let mut raised = self.product_over_qp(&sum, 1.0)?;
                if let Some(scalars) = &scalars {
                    self.add_over_qp(&mut raised, scalars, 1.0)?;
                }
                if let Some(c) = constant {
                    self.add_constant_over_qp(&mut raised, c)?;
                }
                self.lower(&raised)?
            }
            None => {
                let scalars = match scalars {
                    Some(scalars) => scalars,
                    // A constant polynomial still is a ciphertext: zero times the argument.
                    None => {
                        let any = match weight {
                            Weight::Factor(factor) => factor,
                            Weight::None | Weight::Mask(_) => u,
                        };
                        self.combine_integers(level, &[any], &[0.0], wide)?
                    }
                };
                let sum = match constant {
                    Some(c) => self.add_constant(&scalars, c)?,
                    None => scalars,
                };
                self.rescaled("polynomial", &sum)?
            }
        };
        Ok(result.with_scale(scale))
    }

    /// A batch of `count` copies of one ciphertext; others stay as they are.
    fn repeated(&self, x: &Ciphertext<B>, count: usize) -> Result<Ciphertext<B>> {
        if x.count != 1 || count == 1 {
            return Ok(x.clone());
        }
        self.join(&vec![x.clone(); count])
    }

    /// `sum_i c_i T_i` without the constant, or `c_0 factor`, at `level` and scale `wide`, in one
    /// pass; `None` for no terms.
    fn leaf(
        &self,
        leaf: &[f64],
        powers: &Powers<B>,
        factor: Option<&Ciphertext<B>>,
        level: usize,
        wide: f64,
    ) -> Result<Option<Ciphertext<B>>> {
        let (mut terms, mut factors) = (Vec::new(), Vec::new());
        for (i, &c) in leaf.iter().enumerate().filter(|&(_, &c)| c != 0.0) {
            let term = match (i, factor) {
                (0, None) => continue,
                (0, Some(factor)) => factor,
                _ => &powers[&i],
            };
            terms.push(term);
            factors.push((c * wide / term.scale).round());
        }
        if terms.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.combine_integers(level, &terms, &factors, wide)?))
    }

    /// `sum_i c_i T_i mask`, at `level` and scale `wide`; `None` for no terms.
    fn masked_leaf(
        &self,
        leaf: &[f64],
        u: &Ciphertext<B>,
        powers: &Powers<B>,
        mask: &[f64],
        level: usize,
        wide: f64,
    ) -> Result<Option<Ciphertext<B>>> {
        let mut total: Option<Ciphertext<B>> = None;
        for (i, &c) in leaf.iter().enumerate().filter(|&(_, &c)| c != 0.0) {
            let values: Vec<f64> = mask.iter().map(|m| m * c).collect();
            let product = if i == 0 {
                let zero = self.combine_integers(level, &[u], &[0.0], wide)?;
                self.add_values(&zero, &values)?
            } else {
                let term = self.drop_to(&powers[&i], level)?;
                let p = self.context().encode(&values, level, wide / term.scale)?;
                self.multiply_plain(&term, &p)?.with_scale(wide)
            };
            total = Some(match total {
                None => product,
                Some(total) => self.add(&total, &product)?,
            });
        }
        Ok(total)
    }
}

/// What every coefficient of a polynomial is multiplied by.
enum Weight<'w, B: Backend> {
    None,
    Factor(&'w Ciphertext<B>),
    Mask(&'w [f64]),
}

impl<B: Backend> Clone for Weight<'_, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B: Backend> Copy for Weight<'_, B> {}
