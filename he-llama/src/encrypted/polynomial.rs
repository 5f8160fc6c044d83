//! Polynomials of encrypted tensors: the way onto `[-1, 1]`, and products with what follows.

use ckks_math::Ciphertext;
use ckks_math::backend::Backend;
use ckks_math::polyval::{Chebyshev, Plan};
use he_linalg::Axis;

use crate::encrypted::machine::Encrypted;
use crate::encrypted::tensor::Tensor;
use crate::error::Result;
use crate::model::{Fit, Site};

/// Largest ratio, either way, of the scale of a polynomial's argument to the canonical one; the
/// scales of its powers drift by the ratio to their index.
const SCALE_DRIFT: f64 = 1.26;

/// Levels that the map onto `[-1, 1]` costs for a tensor stored in `unit`: none when the argument
/// is near a whole multiple of what is stored, since the rest goes into the scale.
pub(crate) fn argument_levels(unit: f64, f: &Fit) -> usize {
    let factor = 2.0 * unit / (f.hi - f.lo);
    let drift = factor / factor.round().max(1.0);
    usize::from(!(1.0 / SCALE_DRIFT..=SCALE_DRIFT).contains(&drift))
}

impl<B: Backend> Encrypted<'_, B> {
    /// The ciphertext of `x`, turned so that what lies in its part lies in the part `to`.
    pub(super) fn turned(&self, x: &Tensor<B>, to: Option<usize>) -> Result<Ciphertext<B>> {
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

    /// A batch of as many copies of the one ciphertext `x` as `count`.
    pub(super) fn copies(&self, x: &Ciphertext<B>, count: usize) -> Result<Ciphertext<B>> {
        if x.count() == count {
            return Ok(x.clone());
        }
        Ok(self.ev.join(&vec![x.clone(); count])?)
    }

    /// `f(u) * factor` for the argument `u` of the tensor `x`.
    pub(super) fn product(
        &mut self,
        x: &Tensor<B>,
        u: &Ciphertext<B>,
        f: &Fit,
        factor: &Tensor<B>,
        site: Site,
    ) -> Result<Tensor<B>> {
        let unit = self.units.of(site)?;
        let batch = &self.turned(factor, x.part)?;
        let late = u.level().saturating_sub(batch.level());
        let plan = Plan::with_factor(&Self::series(f, factor.unit / unit)?, late as u32);
        let scale = self.scale_below("apply_times", u.level(), plan.depth() as usize)?;
        let u = self.copies(u, batch.count())?;
        let y = self.ev.polynomial_times(&u, &plan, batch, scale)?;
        let product = self.tensor(factor.packed.layout().clone(), &y, unit, site)?;
        Ok(Tensor {
            part: x.part.or(factor.part),
            ..product
        })
    }
}
