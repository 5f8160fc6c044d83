//! Rotary embedding as configurations describe it: by `rope_theta` and `rope_scaling`, or all in
//! `rope_parameters`.

use serde::Deserialize;
use serde_json::Value;

use super::Raw;
use crate::error::{Error, Result};

/// Base of the angles where none is given.
const THETA: f64 = 10_000.0;

/// How the angles per position differ from those of the plain embedding.
#[derive(Clone, Debug, PartialEq)]
pub enum RopeScaling {
    /// All frequencies are divided by a factor: position interpolation [Chen et al. 2023].
    Linear {
        /// The divisor.
        factor: f64,
    },
    /// Low frequencies are divided, high ones kept, as in the model card of Llama 3.1.
    Llama3(Llama3Scaling),
}

/// The `llama3` frequency scaling: low frequencies are divided by `factor`, high ones kept,
/// those between interpolated.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Llama3Scaling {
    /// Divisor of the low frequencies.
    pub factor: f64,
    /// Wavelengths longer than `original_max_position_embeddings / low_freq_factor` are scaled.
    pub low_freq_factor: f64,
    /// Wavelengths shorter than `original_max_position_embeddings / high_freq_factor` are kept.
    pub high_freq_factor: f64,
    /// Context length before scaling.
    pub original_max_position_embeddings: f64,
}

impl RopeScaling {
    /// The scaled frequency.
    pub(super) fn scale(&self, frequency: f64) -> f64 {
        match self {
            Self::Linear { factor } => frequency / factor,
            Self::Llama3(scaling) => scaling.scale(frequency),
        }
    }
}

impl Llama3Scaling {
    fn scale(&self, frequency: f64) -> f64 {
        let wavelength = std::f64::consts::TAU / frequency;
        let cycles = self.original_max_position_embeddings / wavelength;
        if cycles < self.low_freq_factor {
            frequency / self.factor
        } else if cycles > self.high_freq_factor {
            frequency
        } else {
            let smooth =
                (cycles - self.low_freq_factor) / (self.high_freq_factor - self.low_freq_factor);
            frequency * ((1.0 - smooth) / self.factor + smooth)
        }
    }

    fn check(&self, value: &Value) -> Result<()> {
        let ordered = 0.0 < self.low_freq_factor
            && self.low_freq_factor < self.high_freq_factor
            && self.high_freq_factor.is_finite()
            && positive(self.factor)
            && positive(self.original_max_position_embeddings);
        if ordered {
            return Ok(());
        }
        let reason = format!("rope scaling {value} needs 0 < low < high and factor > 0");
        Err(Error::Config { reason })
    }
}

/// What a configuration says about the rotary embedding.
pub(super) struct Rope {
    pub theta: f64,
    pub scaling: Option<RopeScaling>,
    /// A context beyond which the angles would change.
    trained: Option<usize>,
}

impl Rope {
    /// `rope_parameters` holds before `rope_scaling` and `rope_theta`.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] for a scaling of another type and for a base that is no number,
    /// [`Error::Config`] where a scaling lacks numbers that it needs, and where `rope_parameters`
    /// and `rope_scaling` scale differently.
    pub fn of(raw: &Raw) -> Result<Self> {
        let given = |value: &Option<Value>| value.clone().filter(|v| !v.is_null());
        let (new, old) = (given(&raw.rope_parameters), given(&raw.rope_scaling));
        if let (Some(new), Some(old)) = (&new, &old)
            && scaling_of(new)?.0 != scaling_of(old)?.0
        {
            let reason = format!(
                "rope_parameters {new} and rope_scaling {old} scale differently: remove one"
            );
            return Err(Error::Config { reason });
        }
        let inner = new.as_ref().or(old.as_ref());
        let (scaling, trained) = inner.map_or(Ok((None, None)), scaling_of)?;
        let inner_theta = inner.map_or(Ok(None), theta_of)?;
        if let (Some(taken), Some(left)) = (inner_theta, raw.rope_theta)
            && taken != left
        {
            tracing::warn!(
                "config.json: rope_theta is {taken} among the rotary parameters and {left} outside \
                 of them: {taken} is used"
            );
        }
        Ok(Self {
            theta: inner_theta.or(raw.rope_theta).unwrap_or(THETA),
            scaling,
            trained,
        })
    }

    /// Positions that the angles hold for, of those that the configuration admits.
    pub fn positions(&self, admitted: usize) -> usize {
        self.trained
            .map_or(admitted, |trained| trained.min(admitted))
    }
}

fn theta_of(value: &Value) -> Result<Option<f64>> {
    let Some(theta) = value.get("rope_theta").filter(|theta| !theta.is_null()) else {
        return Ok(None);
    };
    let number = theta.as_f64().ok_or_else(|| Error::Unsupported {
        file: "config.json",
        field: "rope_theta",
        found: theta.to_string(),
        supported: "a number",
    })?;
    Ok(Some(number))
}

/// The scaling that `value` describes, and the context that it was trained for where the angles
/// depend on that.
fn scaling_of(value: &Value) -> Result<(Option<RopeScaling>, Option<usize>)> {
    let number = |field| value.get(field).and_then(Value::as_f64);
    match kind(value)? {
        None if value.get("factor").is_some_and(|f| !f.is_null()) => {
            let reason = format!("rope scaling {value} has a factor, but no rope_type");
            Err(Error::Config { reason })
        }
        None | Some("default") => Ok((None, None)),
        Some("linear") => match number("factor").filter(|factor| positive(*factor)) {
            Some(factor) => Ok((Some(RopeScaling::Linear { factor }), None)),
            None => {
                let reason = format!("linear rope scaling {value} needs a factor > 0");
                Err(Error::Config { reason })
            }
        },
        // The base grows with the text, from the trained length on: below it there is none.
        Some("dynamic") => {
            let trained = number("original_max_position_embeddings").map(|n| n as usize);
            Ok((None, trained))
        }
        Some("llama3") => {
            let scaling: Llama3Scaling =
                serde_json::from_value(value.clone()).map_err(|error| Error::Config {
                    reason: format!("llama3 rope scaling {value}: {error}"),
                })?;
            scaling.check(value)?;
            Ok((Some(RopeScaling::Llama3(scaling)), None))
        }
        Some(other) => Err(Error::Unsupported {
            file: "config.json",
            field: "rope_scaling",
            found: format!("{other:?}"),
            supported: "\"llama3\", \"linear\", \"dynamic\", \"default\" or null",
        }),
    }
}

/// The type of a scaling, by its new name or by its old one; `null` is absent.
fn kind(value: &Value) -> Result<Option<&str>> {
    let unknown = |found: String| Error::Unsupported {
        file: "config.json",
        field: "rope_scaling",
        found,
        supported: "an object with one type",
    };
    if !value.is_object() {
        return Err(unknown(value.to_string()));
    }
    let named = |field| value.get(field).filter(|v| !v.is_null());
    match [named("rope_type"), named("type")] {
        [Some(new), Some(old)] if new != old => {
            Err(unknown(format!("of rope_type {new} and of type {old}")))
        }
        [Some(kind), _] | [None, Some(kind)] => match kind.as_str() {
            Some(kind) => Ok(Some(kind)),
            None => Err(unknown(format!("of type {kind}"))),
        },
        [None, None] => Ok(None),
    }
}

fn positive(x: f64) -> bool {
    x.is_finite() && x > 0.0
}
