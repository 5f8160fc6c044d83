//! What distinguishes the clear twins: how functions are evaluated and what noise is added.

use std::collections::BTreeMap;
use std::f64::consts::TAU;

use ndarray::Array3;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::model::function::Function;
use crate::model::site::Site;
use crate::sampling::uniform;

/// How a clear machine evaluates functions, and what it does to results.
pub trait Policy {
    /// Whether softmax takes each row's own maximum from the scores instead of the calibrated
    /// constant. Both are common factors of the row, which the normalisation divides out; the
    /// maximum needs no calibration but cannot be had on ciphertexts.
    const ROW_MAXIMUM: bool;

    /// Value of `f` at `x`, an element of the tensor at `argument`.
    ///
    /// # Errors
    ///
    /// [`Error::Uncalibrated`] where it takes the polynomial of `f` and there is none.
    fn evaluate(&mut self, f: &Function, x: f64, argument: Site) -> Result<f64>;

    /// Sees every result, and may change it.
    ///
    /// # Errors
    ///
    /// [`Error::Uncalibrated`] where it adds noise and the site has no range.
    fn result(&mut self, x: &mut Array3<f64>, site: Site) -> Result<()>;

    /// Sees every tensor that may be refreshed, and may change it.
    ///
    /// # Errors
    ///
    /// [`Error::Uncalibrated`] where it adds noise and the site has no range.
    fn refresh(&mut self, x: &mut Array3<f64>, site: Site) -> Result<()>;
}

/// Exact functions, no noise.
#[derive(Clone, Copy, Debug, Default)]
pub struct Exact;

impl Policy for Exact {
    const ROW_MAXIMUM: bool = true;

    fn evaluate(&mut self, f: &Function, x: f64, _: Site) -> Result<f64> {
        Ok(f.kind.exact(x))
    }

    fn result(&mut self, _: &mut Array3<f64>, _: Site) -> Result<()> {
        Ok(())
    }

    fn refresh(&mut self, _: &mut Array3<f64>, _: Site) -> Result<()> {
        Ok(())
    }
}

/// Modelled noise of an encrypted run: Gaussian, independent, with standard deviation
/// `bound * 2^-bits` where `bound` is the calibrated bound of the tensor.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoiseModel {
    /// Precision of a bootstrap; infinite for none.
    pub refresh_bits: f64,
    /// Precision of every other operation; infinite for none.
    pub operation_bits: f64,
    /// Seed of the noise.
    pub seed: u64,
}

impl Default for NoiseModel {
    fn default() -> Self {
        Self {
            refresh_bits: 20.0,
            operation_bits: 28.0,
            seed: 1,
        }
    }
}

impl NoiseModel {
    /// The polynomials alone.
    pub fn none() -> Self {
        Self {
            refresh_bits: f64::INFINITY,
            operation_bits: f64::INFINITY,
            seed: 0,
        }
    }
}

/// Arguments that left the interval of their polynomial.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Escape {
    /// How many.
    pub count: usize,
    /// The one farthest out.
    pub worst: f64,
    /// Left end of the interval.
    pub lo: f64,
    /// Right end of the interval.
    pub hi: f64,
}

/// Calibrated polynomials and modelled noise: of a bootstrap at every place where one may be, or
/// where a plan has one.
#[derive(Debug)]
pub struct Simulated<'a> {
    bounds: &'a BTreeMap<Site, f64>,
    plan: Option<&'a BTreeMap<Site, usize>>,
    noise: NoiseModel,
    rng: ChaCha20Rng,
    escapes: BTreeMap<Site, Escape>,
    refreshed: usize,
}

impl<'a> Simulated<'a> {
    /// With the calibrated bound of every site.
    pub fn new(bounds: &'a BTreeMap<Site, f64>, noise: NoiseModel) -> Self {
        let rng = ChaCha20Rng::seed_from_u64(noise.seed);
        Self {
            bounds,
            plan: None,
            noise,
            rng,
            escapes: BTreeMap::new(),
            refreshed: 0,
        }
    }

    /// From here on bootstraps are where `plan` has them.
    pub fn follow(&mut self, plan: &'a BTreeMap<Site, usize>) {
        self.plan = Some(plan);
    }

    /// Arguments that left their polynomial's interval, by site.
    pub fn escapes(&self) -> &BTreeMap<Site, Escape> {
        &self.escapes
    }

    /// Number of tensors refreshed so far.
    pub fn refreshed(&self) -> usize {
        self.refreshed
    }

    fn add_noise(&mut self, x: &mut Array3<f64>, site: Site, bits: f64) -> Result<()> {
        if bits.is_infinite() {
            return Ok(());
        }
        let Some(bound) = self.bounds.get(&site) else {
            return Err(Error::Uncalibrated {
                site: site.to_string(),
            });
        };
        let deviation = bound * (-bits).exp2();
        let rng = &mut self.rng;
        x.mapv_inplace(|v| v + deviation * gaussian(rng));
        Ok(())
    }
}

impl Policy for Simulated<'_> {
    const ROW_MAXIMUM: bool = false;

    fn evaluate(&mut self, f: &Function, x: f64, argument: Site) -> Result<f64> {
        let Some(fit) = &f.fit else {
            return Err(Error::Uncalibrated {
                site: argument.to_string(),
            });
        };
        if !fit.contains(x) {
            let (lo, hi) = (fit.lo, fit.hi);
            let outside = |x: f64| (lo - x).max(x - hi);
            let entry = self.escapes.entry(argument).or_insert(Escape {
                count: 0,
                worst: x,
                lo,
                hi,
            });
            entry.count += 1;
            if outside(x) > outside(entry.worst) {
                entry.worst = x;
            }
        }
        Ok(fit.value(x))
    }

    fn result(&mut self, x: &mut Array3<f64>, site: Site) -> Result<()> {
        self.add_noise(x, site, self.noise.operation_bits)
    }

    fn refresh(&mut self, x: &mut Array3<f64>, site: Site) -> Result<()> {
        if self.plan.is_some_and(|plan| !plan.contains_key(&site)) {
            return Ok(());
        }
        self.refreshed += 1;
        self.add_noise(x, site, self.noise.refresh_bits)
    }
}

/// Standard normal by the polar form of [Box-Muller 1958].
fn gaussian(rng: &mut ChaCha20Rng) -> f64 {
    let radius = (-2.0 * (1.0 - uniform(rng)).ln()).sqrt();
    radius * (TAU * uniform(rng)).cos()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::site::Role;

    /// 40,000 draws: mean within 5 / sqrt(n), variance within 5 sqrt(2 / n) of the model's.
    #[test]
    fn noise_has_the_deviation_of_the_bound() {
        let site = Site::new(0, Role::Scores);
        let bounds = BTreeMap::from([(site, 8.0)]);
        let noise = NoiseModel {
            refresh_bits: 10.0,
            operation_bits: f64::INFINITY,
            seed: 3,
        };
        let mut policy = Simulated::new(&bounds, noise);
        let mut x = Array3::zeros((1, 200, 200));
        policy.refresh(&mut x, site).expect("calibrated");
        let n = x.len() as f64;
        let unit = 8.0 / 1024.0;
        let mean = x.sum() / n / unit;
        let variance = x.iter().map(|v| v * v).sum::<f64>() / n / (unit * unit);
        assert!(mean.abs() < 5.0 / n.sqrt(), "{mean}");
        assert!(
            (variance - 1.0).abs() < 5.0 * (2.0 / n).sqrt(),
            "{variance}"
        );
        assert!(policy.refresh(&mut x, Site::new(1, Role::Scores)).is_err());
    }
}
