//! Whether a calibration can be one of a model: it may come from a file that somebody else wrote.
//!
//! What is checked: everything that an encrypted run takes from it is there, finite, of the right
//! size and in a sane range; intervals hold the values that the bounds admit; polynomials are as
//! near to their functions as they say.

use std::ops::RangeInclusive;

use crate::calibrate::softmax::SQUARINGS;
use crate::calibrate::store::Calibration;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::model::attention::{Round, Softmax};
use crate::model::function::{MAX_DEGREE, depth};
use crate::model::{Fit, Function, Kind, LayerFunctions, Role, Site};

/// Magnitudes that a tensor of a model may have. Calibration raises smaller bounds to the least.
pub(crate) const BOUNDS: RangeInclusive<f64> = 1e-6..=1e8;
/// Share of the interval by which rounding may put a value outside of it.
const ROUNDING: f64 = 1e-9;
/// By how much the stated error of a polynomial may be exceeded: it was measured on a grid.
const ERROR_SLACK: f64 = 1.05;
/// Relative error of evaluating a polynomial of the highest degree in double precision.
const EVALUATION: f64 = 1e-10;

fn wrong(site: Site, reason: String) -> Error {
    Error::InvalidCalibration {
        site: site.to_string(),
        reason,
    }
}

impl Calibration {
    /// Checks all that a run of a model of `config` takes from here.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidCalibration`] names the site and what is wrong with it.
    pub fn validate(&self, config: &Config) -> Result<()> {
        let whole = |reason: String| {
            let site = "the whole file".into();
            Err(Error::InvalidCalibration { site, reason })
        };
        let (found, expected) = (self.circuit.layers.len(), config.layers);
        if found != expected {
            return whole(format!("{found} layers, the model has {expected}"));
        }
        if !(1..=config.positions).contains(&self.positions) {
            let (found, most) = (self.positions, config.positions);
            return whole(format!("{found} positions, the model has 1 to {most}"));
        }
        let (error, margin) = (self.accuracy.error, self.accuracy.margin);
        if !(error > 0.0 && error < 1.0 && (0.0..=16.0).contains(&margin)) {
            return whole(format!("an accuracy of {error} and a margin of {margin}"));
        }
        self.check_bounds()?;
        for (layer, functions) in self.circuit.layers.iter().enumerate() {
            check_softmax(&functions.softmax, layer, config)?;
            for site in sites(layer, &functions.softmax) {
                self.bound(site)?;
            }
            self.check_functions(functions, layer, config)?;
        }
        let end = [Role::Hidden, Role::FinalMeanSquare, Role::LogitsRaw];
        for role in end {
            self.bound(Site::new(config.layers, role))?;
        }
        Ok(())
    }

    fn bound(&self, site: Site) -> Result<f64> {
        let bound = self.bounds.get(&site).copied();
        bound.ok_or_else(|| wrong(site, "no bound on its magnitude".into()))
    }

    fn check_bounds(&self) -> Result<()> {
        for (site, bound) in &self.bounds {
            if !BOUNDS.contains(bound) {
                let (least, most) = (BOUNDS.start(), BOUNDS.end());
                let reason = format!("a bound of {bound}, admitted are {least} to {most:e}");
                return Err(wrong(*site, reason));
            }
        }
        Ok(())
    }

    fn check_functions(&self, f: &LayerFunctions, layer: usize, config: &Config) -> Result<()> {
        let at = |role| Site::new(layer, role);
        let epsilon = config.norm_epsilon;
        let root = Kind::InverseRoot { epsilon };
        // The client normalises the first layer's input.
        if layer > 0 {
            let site = at(Role::AttentionMeanSquare);
            self.check_argument(&f.attention_norm, root, site, 0.0)?;
        }
        self.check_argument(&f.mlp_norm, root, at(Role::MlpMeanSquare), 0.0)?;
        self.check_argument(&f.silu, Kind::Silu, at(Role::Gate), 0.0)?;
        let Softmax {
            shift,
            exponential,
            rounds,
            last,
            ..
        } = &f.softmax;
        let squarings = rounds.len() as i32 + 1;
        let divisor = f64::from(squarings).exp2();
        let shift = shift.iter().fold(0.0_f64, |most, s| most.max(s.abs()));
        let kind = Kind::Exponential { divisor };
        self.check_argument(exponential, kind, at(Role::Scores), shift)?;
        let reciprocals = rounds
            .iter()
            .enumerate()
            .filter_map(|(r, round)| match round {
                Round::Square => None,
                Round::Normalise(f) => Some((r, f)),
            });
        for (r, f) in reciprocals.chain([(rounds.len(), last)]) {
            self.check_argument(f, Kind::Reciprocal, at(Role::SquareSum(r as u8)), 0.0)?;
        }
        Ok(())
    }

    /// Checks a function whose argument, at `site`, is taken relative to at most `shift`.
    fn check_argument(&self, f: &Function, kind: Kind, site: Site, shift: f64) -> Result<()> {
        let fit = check_function(f, kind, site)?;
        let reached = self.bound(site)? / (1.0 + self.accuracy.margin);
        let held = fit.lo.abs().max(fit.hi.abs()) + shift;
        if reached > held * (1.0 + ROUNDING) && reached > *BOUNDS.start() {
            let (lo, hi) = (fit.lo, fit.hi);
            let reason = format!(
                "values up to {reached} were seen, outside of the interval [{lo}, {hi}] of {kind}"
            );
            return Err(wrong(site, reason));
        }
        Ok(())
    }
}

/// Checks that `f` is a polynomial for `kind` that is as near to it as it says.
fn check_function(f: &Function, kind: Kind, site: Site) -> Result<&Fit> {
    if f.kind != kind {
        return Err(wrong(
            site,
            format!("a polynomial of {} in place of {kind}", f.kind),
        ));
    }
    let Some(fit) = &f.fit else {
        return Err(wrong(site, format!("no polynomial of {kind}")));
    };
    let Fit {
        lo,
        hi,
        coefficients,
        error,
    } = fit;
    let finite = lo.is_finite() && hi.is_finite() && coefficients.iter().all(|c| c.is_finite());
    let pole = match kind {
        Kind::InverseRoot { epsilon } => lo + epsilon <= 0.0,
        Kind::Reciprocal => *lo <= 0.0,
        Kind::Exponential { .. } | Kind::Silu => false,
    };
    if !finite || lo >= hi || pole {
        let reason =
            format!("a polynomial of {kind} on [{lo}, {hi}], or with infinite coefficients");
        return Err(wrong(site, reason));
    }
    if !(1..=MAX_DEGREE).contains(&fit.degree()) {
        let reason = format!(
            "a polynomial with {} coefficients, admitted are 2 to {} ({} levels)",
            coefficients.len(),
            MAX_DEGREE + 1,
            depth(MAX_DEGREE)
        );
        return Err(wrong(site, reason));
    }
    let largest = kind.exact(*lo).abs().max(kind.exact(*hi).abs()).max(1.0);
    let most = if kind.is_factor() { 1.0 } else { largest };
    if !(*error >= 0.0 && *error < most) {
        let reason = format!("a polynomial of {kind} whose error is {error}");
        return Err(wrong(site, reason));
    }
    let allowed = error * ERROR_SLACK + EVALUATION * if kind.is_factor() { 1.0 } else { largest };
    let points = 2 * fit.degree() + 3;
    for i in 0..points {
        let x = lo + (hi - lo) * i as f64 / (points - 1) as f64;
        let (value, exact) = (fit.value(x), kind.exact(x));
        let unit = if kind.is_factor() { exact.abs() } else { 1.0 };
        let off = (value - exact).abs() / unit;
        if off.is_nan() || off > allowed {
            let reason = format!(
                "a polynomial that is {value} where {kind} is {exact}, at {x}: its error is said to \
                 be {error}"
            );
            return Err(wrong(site, reason));
        }
    }
    Ok(fit)
}

fn check_softmax(softmax: &Softmax, layer: usize, config: &Config) -> Result<()> {
    let site = Site::new(layer, Role::Scores);
    let Softmax {
        anchors,
        shift,
        rounds,
        ..
    } = softmax;
    if rounds.len() >= SQUARINGS as usize {
        let reason = format!(
            "{} squarings, at most {SQUARINGS} are made",
            rounds.len() + 1
        );
        return Err(wrong(site, reason));
    }
    if shift.len() != config.heads {
        let reason = format!("shifts of {} heads of {}", shift.len(), config.heads);
        return Err(wrong(site, reason));
    }
    let shapes = anchors.iter().map(Vec::len);
    let whole = anchors.len() == config.heads && shapes.clone().all(|n| n == config.head_dim);
    if !anchors.is_empty() && !whole {
        let shapes: Vec<usize> = shapes.collect();
        let reason = format!(
            "anchors of {shapes:?} channels, {} heads have {}",
            config.heads, config.head_dim
        );
        return Err(wrong(site, reason));
    }
    let numbers = shift.iter().chain(anchors.iter().flatten());
    if let Some(bad) = numbers
        .copied()
        .find(|x| !x.is_finite() || x.abs() > *BOUNDS.end())
    {
        return Err(wrong(site, format!("a shift or anchor of {bad}")));
    }
    Ok(())
}

/// The sites of a decoder layer whose bounds a run takes.
fn sites(layer: usize, softmax: &Softmax) -> impl Iterator<Item = Site> {
    // The first layer's input comes from the client, normalised.
    let raw = [
        Role::Hidden,
        Role::AttentionMeanSquare,
        Role::QueryRaw,
        Role::KeyRaw,
        Role::ValueRaw,
    ];
    let plain = [
        Role::Query,
        Role::Key,
        Role::Value,
        Role::Scores,
        Role::MixedRaw,
        Role::Mixed,
        Role::Attended,
        Role::HiddenMiddle,
        Role::MlpMeanSquare,
        Role::GateRaw,
        Role::UpRaw,
        Role::Gate,
        Role::Up,
        Role::Product,
        Role::Down,
    ];
    let last = softmax.rounds.len();
    let normalised = |r: usize| !matches!(softmax.rounds.get(r), Some(Round::Square));
    let of_round = (0..=last).flat_map(move |r| {
        let number = r as u8;
        let sums = [Role::Squares(number), Role::SquareSum(number)];
        let sums = sums.into_iter().filter(move |_| normalised(r));
        [Role::Powers(number)].into_iter().chain(sums)
    });
    let raw = raw.into_iter().filter(move |_| layer > 0);
    let roles = raw.chain(plain).chain(of_round);
    roles.map(move |role| Site::new(layer, role))
}

#[cfg(test)]
#[path = "validate_tests.rs"]
mod tests;
