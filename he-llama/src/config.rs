//! The shape of a Llama model, read from a Hugging Face `config.json` and checked.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::files;

mod rope;
#[cfg(test)]
mod tests;

pub use rope::{Llama3Scaling, RopeScaling};

/// Longest `config.json` or `generation_config.json` that is read.
const LIMIT: u64 = 1 << 20;
/// Most decoder layers; published models have up to 126.
const LAYERS: usize = 1 << 12;
/// Most weights of all matrices together.
const WEIGHTS: u128 = 1 << 44;

/// A checked Llama configuration.
///
/// Invariants: all sizes are positive, `heads % kv_heads == 0`, `head_dim` is even, and there are
/// fewer than 2^44 weights, so that no product of sizes overflows.
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
    /// Scaling of the rotary frequencies for contexts longer than the one first trained for.
    pub rope_scaling: Option<RopeScaling>,
    /// Whether the head is the transposed embedding.
    pub tied: bool,
    /// Tokens that end a text; may be empty.
    pub eos: Vec<u32>,
}

#[derive(Deserialize)]
struct Raw {
    architectures: Option<Vec<String>>,
    model_type: Option<String>,
    hidden_act: Option<String>,
    attention_bias: Option<bool>,
    mlp_bias: Option<bool>,
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
    partial_rotary_factor: Option<f64>,
    quantization_config: Option<Value>,
    compression_config: Option<Value>,
    tie_word_embeddings: Option<bool>,
    eos_token_id: Option<Value>,
}

impl Config {
    /// Number of weights.
    pub fn parameters(&self) -> usize {
        self.weights() as usize
    }

    fn weights(&self) -> u128 {
        let [hidden, inner, layers, heads, kv_heads, dim, vocabulary] = [
            self.hidden,
            self.intermediate,
            self.layers,
            self.heads,
            self.kv_heads,
            self.head_dim,
            self.vocabulary,
        ]
        .map(|size| size as u128);
        let attention = 2 * hidden * dim * (heads + kv_heads);
        let layer = attention + 3 * hidden * inner + 2 * hidden;
        let ends = if self.tied { 1 } else { 2 };
        ends * vocabulary * hidden + layers * layer + hidden
    }

    /// Reads and checks `path`.
    ///
    /// # Errors
    ///
    /// [`Error::Read`], [`Error::TooLong`] and [`Error::LfsPointer`] when the file cannot be read,
    /// else those of [`Config::parse`].
    pub fn read(path: &Path) -> Result<Self> {
        Self::parse(&files::read(path, LIMIT)?, path)
    }

    /// Checks the JSON text `bytes`; `path` is named in errors. A field that is `null` is absent.
    ///
    /// # Errors
    ///
    /// Every architecture but `LlamaForCausalLM`, activations but SiLU, quantised weights, biases,
    /// rotary scalings but `llama3`, `linear` and `dynamic`, and sizes that do not fit together
    /// are refused by the name of the field.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Self> {
        let raw: Raw = serde_json::from_slice(bytes).map_err(|source| Error::Json {
            path: path.to_path_buf(),
            what: "Llama config.json",
            source,
        })?;
        raw.check_architecture()?;
        raw.check_unquantised()?;
        let rope = rope::Rope::of(&raw)?;
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
            positions: rope.positions(raw.max_position_embeddings),
            norm_epsilon: raw.rms_norm_eps,
            rope_theta: rope.theta,
            rope_scaling: rope.scaling,
            tied: raw.tie_word_embeddings.unwrap_or(false),
            eos: eos_ids("config.json", raw.eos_token_id.as_ref())?,
        };
        config.check()?;
        Ok(config)
    }

    /// Adds the end tokens of the `generation_config.json` in `directory`, where there is one.
    ///
    /// # Errors
    ///
    /// When the file is there and cannot be read, or its end tokens are no ids.
    pub fn read_generation(&mut self, directory: &Path) -> Result<()> {
        let path = directory.join("generation_config.json");
        if !path.exists() {
            return Ok(());
        }
        self.parse_generation(&files::read(&path, LIMIT)?, &path)
    }

    /// Adds the end tokens of the text of a `generation_config.json`; `path` is named in errors.
    ///
    /// # Errors
    ///
    /// When it is not JSON, or its end tokens are no ids.
    pub fn parse_generation(&mut self, bytes: &[u8], path: &Path) -> Result<()> {
        #[derive(Deserialize)]
        struct Generation {
            eos_token_id: Option<Value>,
        }
        let raw: Generation = serde_json::from_slice(bytes).map_err(|source| Error::Json {
            path: path.to_path_buf(),
            what: "generation_config.json",
            source,
        })?;
        for id in eos_ids("generation_config.json", raw.eos_token_id.as_ref())? {
            if !self.eos.contains(&id) {
                self.eos.push(id);
            }
        }
        Ok(())
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
        if self.layers > LAYERS {
            let reason = format!(
                "num_hidden_layers is {}, must be at most {LAYERS}",
                self.layers
            );
            return Err(Error::Config { reason });
        }
        if self.weights() >= WEIGHTS {
            let reason = format!(
                "the sizes ask for {} weights, must be below 2^44",
                self.weights()
            );
            return Err(Error::Config { reason });
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
        if self.rope_frequencies().iter().any(|f| !f.is_finite()) {
            let reason = format!(
                "rope_theta {} with {:?} gives infinite angles",
                self.rope_theta, self.rope_scaling
            );
            return Err(Error::Config { reason });
        }
        Ok(())
    }

    /// Rotary angle per position of each channel pair, `head_dim / 2` numbers.
    ///
    /// Angles as in [Su et al. 2021, eq. 15]; scalings as [`RopeScaling`] says.
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
                file: "config.json",
                field: "architectures",
                found,
                supported: LLAMA,
            });
        }
        if let Some(act) = self
            .hidden_act
            .as_deref()
            .filter(|act| !["silu", "swish"].contains(act))
        {
            let found = format!("{act:?}");
            return Err(Error::Unsupported {
                file: "config.json",
                field: "hidden_act",
                found,
                supported: "\"silu\"",
            });
        }
        for (field, set) in [
            ("attention_bias", self.attention_bias),
            ("mlp_bias", self.mlp_bias),
        ] {
            if set == Some(true) {
                let found = "true".into();
                return Err(Error::Unsupported {
                    file: "config.json",
                    field,
                    found,
                    supported: "false",
                });
            }
        }
        if let Some(part) = self.partial_rotary_factor.filter(|part| *part != 1.0) {
            return Err(Error::Unsupported {
                file: "config.json",
                field: "partial_rotary_factor",
                found: part.to_string(),
                supported: "1",
            });
        }
        Ok(())
    }

    /// Refuses weights that are not the numbers themselves.
    fn check_unquantised(&self) -> Result<()> {
        for (field, value) in [
            ("quantization_config", &self.quantization_config),
            ("compression_config", &self.compression_config),
        ] {
            let Some(value) = value.as_ref().filter(|value| !value.is_null()) else {
                continue;
            };
            let method = value.get("quant_method").unwrap_or(value);
            return Err(Error::Unsupported {
                file: "config.json",
                field,
                found: method.to_string(),
                supported: "the unquantised checkpoint (F64, F32, F16 or BF16)",
            });
        }
        Ok(())
    }
}

fn eos_ids(file: &'static str, value: Option<&Value>) -> Result<Vec<u32>> {
    let id = |v: &Value| v.as_u64().and_then(|n| u32::try_from(n).ok());
    let ids = match value {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(Value::Array(list)) => list.iter().map(id).collect(),
        Some(other) => id(other).map(|one| vec![one]),
    };
    ids.ok_or_else(|| Error::Unsupported {
        file,
        field: "eos_token_id",
        found: value.map(Value::to_string).unwrap_or_default(),
        supported: "a token id or a list of them",
    })
}
