//! Polynomials of encrypted tensors: the way onto `[-1, 1]`, and products with what follows.

use ckks_math::Ciphertext;
use ckks_math::backend::Backend;
use ckks_math::polynomial::{Chebyshev, Plan};
use he_linalg::Axis;

use crate::encrypted::machine::Encrypted;
use crate::encrypted::tensor::Tensor;
use crate::error::Result;
use crate::model::{Fit, Site};

/// Largest ratio, either way, of the scale of a polynomial's argument to the canonical one; the
/// scales of its powers drift by the ratio to their index.
const SCALE_DRIFT: f64 = 1.26;

impl<B: Backend> Encrypted<'_, B> {
    /// The ciphertext of `x`, rotated so that what lies in its part lies in the part `to`.
    pub(super) fn rotated(&self, x: &Tensor<B>, to: Option<usize>) -> Result<Ciphertext<B>> {
        let batch = x.packed.batch();
        let (Some(from), Some(to)) = (x.part, to) else {
            return Ok(batch.clone());
        };
        let layout = x.packed.layout();
        let places = layout.fields().find(|f| f.axis == Axis::PART);
        let places = places.map_or(1, |f| f.capacity());
        let stride = (layout.period() / places) as i64;
        Ok(self.ev.rotate(batch, (from as i64 - to as i64) * stride)?)
    }

    /// `(2 x - lo - hi) / (hi - lo)`, with `offset` in place of `(lo + hi) / (hi - lo)` left to the
    /// caller: the scaled argument only, close to canonical scale.
    pub(super) fn scaled_argument(&self, x: &Tensor<B>, f: &Fit) -> Result<Ciphertext<B>> {
        let factor = 2.0 * x.unit / (f.hi - f.lo);
        let whole = factor.round().max(1.0);
        let drift = factor / whole;
        let batch = x.packed.batch();
        let canonical = self.ev.context().params().scale_at(batch.level());
        let scale = batch.scale() / drift;
        let ratio = scale / canonical;
        if ratio < SCALE_DRIFT && ratio > 1.0 / SCALE_DRIFT {
            let multiple = if whole > 1.0 {
                self.ev.mul_integer(batch, whole)?
            } else {
                batch.clone()
            };
            return Ok(multiple.with_scale(scale));
        }
        Ok(self.ev.mul_constant(batch, factor)?)
    }

    pub(super) fn argument(&self, x: &Tensor<B>, f: &Fit) -> Result<Ciphertext<B>> {
        let scaled = self.scaled_argument(x, f)?;
        let offset = -(f.lo + f.hi) / (f.hi - f.lo);
        let layout = x.packed.layout();
        let Some(place) = layout.component(Axis::PART) else {
            return Ok(self.ev.add_constant(&scaled, offset)?);
        };
        // Other parts stay where they are, in the interval.
        let own = |index: &[usize]| f64::from(u8::from(Some(index[place]) == x.part)) * offset;
        let offsets = layout.pack(own);
        Ok(self.ev.add_values(&scaled, &offsets[0])?)
    }

    /// A fit's series on `[-1, 1]`, times a factor.
    pub(super) fn series(f: &Fit, factor: f64) -> Result<Chebyshev> {
        let coefficients = f.coefficients.iter().map(|c| c * factor).collect();
        let series = Chebyshev::from_coefficients((-1.0, 1.0), coefficients);
        Ok(series.map_err(ckks_math::Error::from)?)
    }

    /// Canonical scale `levels` below `level`; too few levels is the scheme's error.
    pub(super) fn scale_below(&self, op: &'static str, level: usize, levels: usize) -> Result<f64> {
        match level.checked_sub(levels) {
            Some(out) => Ok(self.ev.context().params().scale_at(out)),
            None => Err(ckks_math::Error::LevelExhausted {
                op,
                need: levels,
                have: level,
            }
            .into()),
        }
    }

    /// `f(u) * factor` for the argument `u` of the tensor `x` and each factor, named by its site.
    /// Factors of one level, scale and change of unit share one evaluation.
    pub(super) fn products(
        &mut self,
        x: &Tensor<B>,
        u: &Ciphertext<B>,
        f: &Fit,
        factors: &[(&Tensor<B>, Site)],
    ) -> Result<Vec<Tensor<B>>> {
        let mut batches = Vec::with_capacity(factors.len());
        let mut units = Vec::with_capacity(factors.len());
        for (factor, site) in factors {
            batches.push(self.rotated(factor, x.part)?);
            units.push((factor.unit, self.units.of(*site)?));
        }
        let alike = |i: usize| {
            let change = |(from, to): (f64, f64)| from / to;
            batches[i].level() == batches[0].level()
                && batches[i].scale() == batches[0].scale()
                && (change(units[i]) / change(units[0]) - 1.0).abs() < 1e-12
        };
        let together = if (0..factors.len()).all(alike) {
            factors.len().max(1)
        } else {
            1
        };
        let mut products = Vec::with_capacity(factors.len());
        for (start, batch) in (0..).step_by(together).zip(batches.chunks(together)) {
            let (from, to) = units[start];
            let mut values = self.times(u, f, batch, from / to)?.into_iter();
            for ((factor, site), (_, unit)) in factors[start..].iter().zip(&units[start..]) {
                let Some(value) = values.next() else { break };
                let layout = factor.packed.layout().clone();
                let product = self.tensor(layout, &value, *unit, *site)?;
                products.push(Tensor {
                    part: x.part.or(factor.part),
                    ..product
                });
            }
        }
        Ok(products)
    }

    /// `change f(u) z` for each batch `z`, all of one level and scale.
    fn times(
        &self,
        u: &Ciphertext<B>,
        f: &Fit,
        factors: &[Ciphertext<B>],
        change: f64,
    ) -> Result<Vec<Ciphertext<B>>> {
        let all = match factors {
            [one] => one.clone(),
            several => self.ev.join(several)?,
        };
        let late = u.level().saturating_sub(all.level());
        let plan = Plan::with_factor(&Self::series(f, change)?, late as u32);
        let scale = self.scale_below("apply_times", u.level(), plan.depth() as usize)?;
        let products = self.ev.polynomial_times(u, &plan, &all, scale)?;
        if factors.len() == 1 {
            return Ok(vec![products]);
        }
        let mut start = 0;
        let mut each = Vec::with_capacity(factors.len());
        for factor in factors {
            let end = start + factor.count();
            each.push(self.ev.slice(&products, start..end)?);
            start = end;
        }
        Ok(each)
    }
}
