//! The shape of a Llama model, read from a Hugging Face `config.json` and checked.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, Result};

/// A checked Llama configuration.
///
/// Invariants: all sizes are positive, `heads % kv_heads == 0`, `head_dim` is even.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Width of the residual stream.
    pub hidden: usize,
    /// Width of the gated feed-forward block.
    pub intermediate: usize,
    /// Number of decoder layers.
    pub layers: usize,
    /// Number of query heads.
    pub heads: usize,
    /// Number of key and value heads; `heads / kv_heads` query heads share one.
    pub kv_heads: usize,
    /// Channels of one head.
    pub head_dim: usize,
    /// Number of tokens.
    pub vocabulary: usize,
    /// Most positions that the model was trained for.
    pub positions: usize,
    /// Constant added to the mean square in RMSNorm.
    pub norm_epsilon: f64,
    /// Base of the rotary angles.
    pub rope_theta: f64,
    /// Frequency scaling of Llama 3.1 and later.
    pub rope_scaling: Option<RopeScaling>,
    /// Whether the head is the transposed embedding.
    pub tied: bool,
    /// Tokens that end a text; may be empty.
    pub eos: Vec<u32>,
}

/// The `llama3` frequency scaling: low frequencies are divided by `factor`, high ones kept,
/// those between interpolated.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct RopeScaling {
    /// Divisor of the low frequencies.
    pub factor: f64,
    /// Wavelengths longer than `original_max_position_embeddings / low_freq_factor` are scaled.
    pub low_freq_factor: f64,
    /// Wavelengths shorter than `original_max_position_embeddings / high_freq_factor` are kept.
    pub high_freq_factor: f64,
    /// Context length before scaling.
    pub original_max_position_embeddings: f64,
}

#[derive(Deserialize)]
struct Raw {
    architectures: Option<Vec<String>>,
    model_type: Option<String>,
    hidden_act: Option<String>,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    mlp_bias: bool,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    vocab_size: usize,
    max_position_embeddings: usize,
    rms_norm_eps: f64,
    rope_theta: Option<f64>,
    rope_scaling: Option<Value>,
    rope_parameters: Option<Value>,
    #[serde(default)]
    tie_word_embeddings: bool,
    eos_token_id: Option<Value>,
}

impl Config {
    /// Number of weights.
    pub fn parameters(&self) -> usize {
        let attention = 2 * self.hidden * self.head_dim * (self.heads + self.kv_heads);
        let layer = attention + 3 * self.hidden * self.intermediate + 2 * self.hidden;
        let heads = if self.tied { 1 } else { 2 };
        heads * self.vocabulary * self.hidden + self.layers * layer + self.hidden
    }

    /// Reads and checks `path`.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(Error::read(path))?;
        Self::parse(&bytes, path)
    }

    /// Checks the JSON text `bytes`; `path` is named in errors.
    ///
    /// Fails on every architecture but `LlamaForCausalLM`, on activations but SiLU, on biases, on
    /// rotary scalings but `llama3`, and on sizes that do not fit together.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Self> {
        let raw: Raw = serde_json::from_slice(bytes).map_err(|source| Error::Json {
            path: path.to_path_buf(),
            what: "Llama config.json",
            source,
        })?;
        raw.check_architecture()?;
        let rope = raw.rope_parameters.as_ref();
        let theta = raw
            .rope_theta
            .or_else(|| {
                rope.and_then(|r| r.get("rope_theta"))
                    .and_then(Value::as_f64)
            })
            .unwrap_or(10_000.0);
        let scaling = rope_scaling(raw.rope_scaling.as_ref().or(rope), path)?;
        let heads = raw.num_attention_heads;
        let config = Self {
            hidden: raw.hidden_size,
            intermediate: raw.intermediate_size,
            layers: raw.num_hidden_layers,
            heads,
            kv_heads: raw.num_key_value_heads.unwrap_or(heads),
            head_dim: raw
                .head_dim
                .unwrap_or_else(|| raw.hidden_size / heads.max(1)),
            vocabulary: raw.vocab_size,
            positions: raw.max_position_embeddings,
            norm_epsilon: raw.rms_norm_eps,
            rope_theta: theta,
            rope_scaling: scaling,
            tied: raw.tie_word_embeddings,
            eos: eos_ids(raw.eos_token_id.as_ref())?,
        };
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<()> {
        let sizes = [
            ("hidden_size", self.hidden),
            ("intermediate_size", self.intermediate),
            ("num_hidden_layers", self.layers),
            ("num_attention_heads", self.heads),
            ("num_key_value_heads", self.kv_heads),
            ("head_dim", self.head_dim),
            ("vocab_size", self.vocabulary),
            ("max_position_embeddings", self.positions),
        ];
        for (name, value) in sizes {
            if value == 0 || value > 1 << 24 {
                let reason = format!("{name} is {value}, must be from 1 to 2^24");
                return Err(Error::Config { reason });
            }
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            let reason = format!(
                "num_attention_heads {} is no multiple of num_key_value_heads {}",
                self.heads, self.kv_heads
            );
            return Err(Error::Config { reason });
        }
        if !self.head_dim.is_multiple_of(2) {
            let reason = format!(
                "head_dim {} is odd, rotary embedding needs pairs",
                self.head_dim
            );
            return Err(Error::Config { reason });
        }
        let positive = |x: f64| x.is_finite() && x > 0.0;
        if !positive(self.norm_epsilon) || !positive(self.rope_theta) {
            let reason = format!(
                "rms_norm_eps {} and rope_theta {} must be positive",
                self.norm_epsilon, self.rope_theta
            );
            return Err(Error::Config { reason });
        }
        Ok(())
    }

    /// Rotary angle per position of each channel pair, `head_dim / 2` numbers.
    ///
    /// Angles as in [Su et al. 2021, eq. 15]; the `llama3` scaling as in the model card of Llama 3.1.
    pub fn rope_frequencies(&self) -> Vec<f64> {
        let pairs = self.head_dim / 2;
        (0..pairs)
            .map(|i| {
                let f = self.rope_theta.powf(-(i as f64) / pairs as f64);
                self.rope_scaling.as_ref().map_or(f, |s| s.scale(f))
            })
            .collect()
    }
}

impl RopeScaling {
    fn scale(&self, frequency: f64) -> f64 {
        let wavelength = std::f64::consts::TAU / frequency;
        let turns = self.original_max_position_embeddings / wavelength;
        if turns < self.low_freq_factor {
            frequency / self.factor
        } else if turns > self.high_freq_factor {
            frequency
        } else {
            let smooth =
                (turns - self.low_freq_factor) / (self.high_freq_factor - self.low_freq_factor);
            frequency * ((1.0 - smooth) / self.factor + smooth)
        }
    }
}

impl Raw {
    fn check_architecture(&self) -> Result<()> {
        const LLAMA: &str = "LlamaForCausalLM";
        let named = self.architectures.as_deref().unwrap_or_default();
        let is_llama = match named {
            [] => self.model_type.as_deref() == Some("llama"),
            names => names.iter().all(|name| name == LLAMA),
        };
        if !is_llama {
            let found = match named {
                [] => format!("absent with model_type {:?}", self.model_type),
                names => format!("{names:?}"),
            };
            return Err(Error::Unsupported {
                field: "architectures",
                found,
                supported: LLAMA,
            });
        }
        if let Some(act) = self.hidden_act.as_deref().filter(|act| *act != "silu") {
            let found = format!("{act:?}");
            return Err(Error::Unsupported {
                field: "hidden_act",
                found,
                supported: "\"silu\"",
            });
        }
        for (field, set) in [
            ("attention_bias", self.attention_bias),
            ("mlp_bias", self.mlp_bias),
        ] {
            if set {
                let found = "true".into();
                return Err(Error::Unsupported {
                    field,
                    found,
                    supported: "false",
                });
            }
        }
        Ok(())
    }
}

fn rope_scaling(value: Option<&Value>, path: &Path) -> Result<Option<RopeScaling>> {
    let Some(value) = value.filter(|v| !v.is_null()) else {
        return Ok(None);
    };
    let kind = value
        .get("rope_type")
        .or_else(|| value.get("type"))
        .and_then(Value::as_str);
    match kind {
        None | Some("default") => Ok(None),
        Some("llama3") => {
            let scaling: RopeScaling =
                serde_json::from_value(value.clone()).map_err(|source| Error::Json {
                    path: path.to_path_buf(),
                    what: "llama3 rope_scaling",
                    source,
                })?;
            let ordered = 0.0 < scaling.low_freq_factor
                && scaling.low_freq_factor < scaling.high_freq_factor
                && scaling.factor > 0.0
                && scaling.original_max_position_embeddings > 0.0;
            if ordered {
                Ok(Some(scaling))
            } else {
                let reason = format!("rope_scaling {value} needs 0 < low < high and factor > 0");
                Err(Error::Config { reason })
            }
        }
        Some(other) => Err(Error::Unsupported {
            field: "rope_scaling",
            found: format!("{other:?}"),
            supported: "\"llama3\", \"default\" or null",
        }),
    }
}

fn eos_ids(value: Option<&Value>) -> Result<Vec<u32>> {
    let id = |v: &Value| v.as_u64().and_then(|n| u32::try_from(n).ok());
    let ids = match value {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(Value::Array(list)) => list.iter().map(id).collect(),
        Some(other) => id(other).map(|one| vec![one]),
    };
    ids.ok_or_else(|| Error::Unsupported {
        field: "eos_token_id",
        found: value.map(Value::to_string).unwrap_or_default(),
        supported: "a token id or a list of them",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(change: impl FnOnce(&mut serde_json::Map<String, Value>)) -> Vec<u8> {
        let mut v = serde_json::json!({
            "architectures": ["LlamaForCausalLM"], "hidden_act": "silu", "hidden_size": 64,
            "intermediate_size": 172, "num_hidden_layers": 5, "num_attention_heads": 8,
            "num_key_value_heads": 4, "vocab_size": 512, "max_position_embeddings": 512,
            "rms_norm_eps": 1e-5, "eos_token_id": 2
        });
        change(v.as_object_mut().expect("an object was written above"));
        v.to_string().into_bytes()
    }

    fn parse(bytes: &[u8]) -> Result<Config> {
        Config::parse(bytes, Path::new("config.json"))
    }

    #[test]
    fn optional_fields_take_their_usual_values() {
        let c = parse(&json(|_| ())).expect("valid");
        assert_eq!((c.head_dim, c.kv_heads, c.tied), (8, 4, false));
        assert_eq!((c.rope_theta, c.eos), (10_000.0, vec![2]));
        let list = parse(&json(|m| {
            m.insert("eos_token_id".into(), serde_json::json!([7, 9]));
            m.remove("num_key_value_heads");
        }))
        .expect("valid");
        assert_eq!((list.eos, list.kv_heads), (vec![7, 9], 8));
    }

    #[test]
    fn what_is_not_a_plain_llama_is_refused_by_name() {
        let cases: [(&str, Value); 5] = [
            ("architectures", serde_json::json!(["MistralForCausalLM"])),
            ("hidden_act", serde_json::json!("gelu")),
            ("attention_bias", serde_json::json!(true)),
            ("num_key_value_heads", serde_json::json!(3)),
            ("rope_scaling", serde_json::json!({"rope_type": "yarn"})),
        ];
        for (field, value) in cases {
            let bytes = json(|m| {
                m.insert(field.into(), value);
            });
            let message = parse(&bytes).expect_err(field).to_string();
            assert!(message.contains(field), "{message}");
        }
    }

    /// Values of Llama 3.1: the fastest pair is kept, the slowest divided by 8 exactly.
    #[test]
    fn llama3_scaling_keeps_high_and_divides_low_frequencies() {
        let scaled = json(|m| {
            m.insert("head_dim".into(), 128.into());
            m.insert("rope_theta".into(), 500_000.0.into());
            let s = serde_json::json!({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                "high_freq_factor": 4.0, "original_max_position_embeddings": 8192});
            m.insert("rope_scaling".into(), s);
        });
        let mut c = parse(&scaled).expect("valid");
        let with = c.rope_frequencies();
        c.rope_scaling = None;
        let without = c.rope_frequencies();
        assert_eq!(with[0], without[0]);
        assert_eq!(with[63], without[63] / 8.0);
        let between = (0..64)
            .filter(|&i| with[i] < without[i] && with[i] > without[i] / 8.0)
            .count();
        assert!(between > 0);
    }
}
