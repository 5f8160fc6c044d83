//! The units that encrypted tensors are stored in.
//!
//! A ciphertext holds `value / unit`, in `[-1, 1]` wherever it may be bootstrapped. The unit is the
//! calibrated bound, stretched a little where that makes the argument of the next polynomial a
//! whole multiple of what is stored: then the map onto `[-1, 1]` costs no level.

use std::collections::BTreeMap;

use crate::calibrate::Calibration;
use crate::error::{Error, Result};
use crate::model::attention::Round;
use crate::model::{Fit, Function, Llama, Role, Site};

/// Unit of every site.
#[derive(Clone, Debug)]
pub struct Units(BTreeMap<Site, f64>);

impl Units {
    /// The units for a calibrated model.
    ///
    /// # Errors
    ///
    /// [`Error::Uncalibrated`] for a place that needs a range or a polynomial and has none.
    pub fn new(llama: &Llama, calibration: &Calibration) -> Result<Self> {
        let config = &llama.config;
        let mut units = Self(calibration.bounds.clone());
        let (hidden, normed) = embedding_bounds(llama);
        units.0.insert(Site::new(0, Role::Hidden), hidden);
        units.0.insert(Site::new(0, Role::Normed), normed);
        for (layer, functions) in calibration.circuit.layers.iter().enumerate() {
            let at = |role| Site::new(layer, role);
            let channels = config.hidden as f64;
            if layer > 0 {
                units.stretch_square(at(Role::Hidden), &functions.attention_norm, channels)?;
            }
            units.stretch_square(at(Role::HiddenMiddle), &functions.mlp_norm, channels)?;
            let silu = fit(&functions.silu, at(Role::Gate))?;
            units.stretch(at(Role::Gate), half_width(silu))?;
            let softmax = &functions.softmax;
            let exponential = fit(&softmax.exponential, at(Role::Scores))?;
            units.stretch(at(Role::Scores), half_width(exponential))?;
            // Scores of a decoding step are products of stored queries and keys as they are.
            let product = units.of(at(Role::Query))? * units.of(at(Role::Key))?;
            let whole = (product / half_width(exponential)).ceil().max(1.0);
            let key = units.of(at(Role::Key))?;
            units
                .0
                .insert(at(Role::Query), whole * half_width(exponential) / key);
            for (number, round) in softmax.rounds.iter().enumerate() {
                if let Round::Normalise(reciprocal) = round {
                    units.stretch_square(at(Role::Powers(number as u8)), reciprocal, 1.0)?;
                }
            }
            let last = at(Role::Powers(softmax.rounds.len() as u8));
            units.stretch_square(last, &softmax.last, 1.0)?;
            // Side by side gate and up enter SiLU's polynomial together: both must be in its
            // interval.
            let multiple = units.of(at(Role::Gate))? / half_width(silu);
            let up = units.of(at(Role::Up))?;
            units.0.insert(at(Role::Up), up * multiple);
            units.share_factor([
                (at(Role::QueryRaw), at(Role::Query)),
                (at(Role::KeyRaw), at(Role::Key)),
                (at(Role::ValueRaw), at(Role::Value)),
            ])?;
            units.share_factor([
                (at(Role::GateRaw), at(Role::Gate)),
                (at(Role::UpRaw), at(Role::Up)),
            ])?;
            // What is added to the residual stream is stored in the unit of the sum.
            units
                .0
                .insert(at(Role::Attended), units.of(at(Role::HiddenMiddle))?);
        }
        for layer in 0..config.layers {
            let sum = units.of(Site::new(layer + 1, Role::Hidden))?;
            units.0.insert(Site::new(layer, Role::Down), sum);
        }
        Ok(units)
    }

    /// The unit of a site.
    ///
    /// # Errors
    ///
    /// [`Error::Uncalibrated`] for a place without a unit.
    pub fn of(&self, site: Site) -> Result<f64> {
        self.0
            .get(&site)
            .copied()
            .ok_or_else(|| Error::Uncalibrated {
                site: site.to_string(),
            })
    }

    /// Units of results before a norm's factor: those behind it times one number for all.
    fn share_factor<const N: usize>(&mut self, pairs: [(Site, Site); N]) -> Result<()> {
        let mut factor = 0.0_f64;
        for (raw, normed) in &pairs {
            let Some(bound) = self.0.get(raw) else {
                return Ok(());
            };
            factor = factor.max(bound / self.of(*normed)?);
        }
        for (raw, normed) in pairs {
            self.0.insert(raw, factor * self.of(normed)?);
        }
        Ok(())
    }

    /// The least multiple of `step` that is at least the bound.
    fn stretch(&mut self, site: Site, step: f64) -> Result<()> {
        let bound = self.of(site)?;
        self.0.insert(site, (bound / step).ceil().max(1.0) * step);
        Ok(())
    }

    /// For a tensor whose squares, summed or averaged over `count` of them, are the argument of
    /// `f`: the least unit at least the bound, within a bit of it, for which the argument is a
    /// whole multiple of the stored sum; else the bound itself.
    fn stretch_square(&mut self, site: Site, f: &Function, count: f64) -> Result<()> {
        let bound = self.of(site)?;
        let step = count * half_width(fit(f, site)?);
        let unit = ((bound * bound / step).ceil().max(1.0) * step).sqrt();
        if unit <= 2.0 * bound {
            self.0.insert(site, unit);
        }
        Ok(())
    }
}

/// Largest entries of the embeddings, plain and normalised: exact, all tokens are known.
fn embedding_bounds(llama: &Llama) -> (f64, f64) {
    let (mut hidden, mut normed) = (0.0_f64, 0.0_f64);
    llama.embedding.for_each_row(|_, row| {
        let largest = row.iter().map(|x| f64::from(x.abs())).fold(0.0, f64::max);
        let mean = row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / row.len() as f64;
        hidden = hidden.max(largest);
        normed = normed.max(largest / (mean + llama.config.norm_epsilon).sqrt());
    });
    (hidden, normed)
}

/// The polynomial of a calibrated function.
///
/// # Errors
///
/// [`Error::Uncalibrated`], naming `site`, for a function without a polynomial.
pub fn fit(f: &Function, site: Site) -> Result<&Fit> {
    f.fit.as_ref().ok_or_else(|| Error::Uncalibrated {
        site: site.to_string(),
    })
}

fn half_width(fit: &Fit) -> f64 {
    (fit.hi - fit.lo) / 2.0
}
