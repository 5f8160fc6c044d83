//! Weights from safetensors, in one file or in shards, checked against the configuration.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use ndarray::Array2;
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;

use crate::config::Config;
use crate::error::{Error, Result};

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// The weights of one decoder layer as stored, matrices `[out, in]`.
#[derive(Clone, Debug)]
pub struct LayerWeights {
    /// RMSNorm before attention, `hidden` factors.
    pub attention_norm: Vec<f32>,
    /// `[heads * head_dim, hidden]`.
    pub query: Array2<f32>,
    /// `[kv_heads * head_dim, hidden]`.
    pub key: Array2<f32>,
    /// `[kv_heads * head_dim, hidden]`.
    pub value: Array2<f32>,
    /// `[hidden, heads * head_dim]`.
    pub output: Array2<f32>,
    /// RMSNorm before the feed-forward block, `hidden` factors.
    pub mlp_norm: Vec<f32>,
    /// `[intermediate, hidden]`.
    pub gate: Array2<f32>,
    /// `[intermediate, hidden]`.
    pub up: Array2<f32>,
    /// `[hidden, intermediate]`.
    pub down: Array2<f32>,
}

/// All weights of a model as stored.
#[derive(Clone, Debug)]
pub struct Weights {
    /// `[vocabulary, hidden]`.
    pub embedding: Array2<f32>,
    /// The decoder layers in order.
    pub layers: Vec<LayerWeights>,
    /// Last RMSNorm, `hidden` factors.
    pub norm: Vec<f32>,
    /// `[vocabulary, hidden]`; `None` when the embedding is used again.
    pub head: Option<Array2<f32>>,
    /// FNV-1a hash of the weights and sizes: names the model in calibration files.
    pub fingerprint: u64,
}

impl Weights {
    /// Reads `model.safetensors` or the shards of `model.safetensors.index.json` in `directory`.
    ///
    /// Fails with the tensor, expected and found shape where they differ from `config`, and on
    /// truncated or damaged files.
    pub fn read(directory: &Path, config: &Config) -> Result<Self> {
        let files = weight_files(directory)?;
        let mut tensors = Tensors::default();
        for path in files {
            let bytes = std::fs::read(&path).map_err(Error::read(&path))?;
            tensors.add(&bytes, &path)?;
        }
        tensors.assemble(config)
    }

    /// Parses one safetensors file held in memory; `path` is named in errors.
    pub fn parse(bytes: &[u8], path: &Path, config: &Config) -> Result<Self> {
        let mut tensors = Tensors::default();
        tensors.add(bytes, path)?;
        tensors.assemble(config)
    }
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

fn weight_files(directory: &Path) -> Result<Vec<PathBuf>> {
    let single = directory.join(SINGLE);
    let index = directory.join(INDEX);
    if single.exists() || !index.exists() {
        return Ok(vec![single]);
    }
    let bytes = std::fs::read(&index).map_err(Error::read(&index))?;
    let map: Index = serde_json::from_slice(&bytes).map_err(|source| Error::Json {
        path: index.clone(),
        what: "safetensors index",
        source,
    })?;
    let mut names: Vec<&String> = map.weight_map.values().collect();
    names.sort();
    names.dedup();
    let plain = |name: &str| Path::new(name).file_name().is_some_and(|f| f == name);
    if let Some(bad) = names.iter().find(|name| !plain(name)) {
        let reason = format!("shard {bad:?} is not a plain file name");
        return Err(Error::Weights {
            path: index,
            reason,
        });
    }
    Ok(names.into_iter().map(|name| directory.join(name)).collect())
}

struct Stored {
    shape: Vec<usize>,
    values: Vec<f32>,
}

#[derive(Default)]
struct Tensors {
    by_name: HashMap<String, Stored>,
}

impl Tensors {
    fn add(&mut self, bytes: &[u8], path: &Path) -> Result<()> {
        let damaged = |reason: String| Error::Weights {
            path: path.to_path_buf(),
            reason,
        };
        let file = SafeTensors::deserialize(bytes).map_err(|e| damaged(e.to_string()))?;
        for (name, view) in file.tensors() {
            let data = view.data();
            let values = match view.dtype() {
                Dtype::F32 => words(data).map(f32::from_le_bytes).collect(),
                Dtype::F16 => words(data)
                    .map(|b| f16::from_le_bytes(b).to_f32())
                    .collect(),
                Dtype::BF16 => words(data)
                    .map(|b| bf16::from_le_bytes(b).to_f32())
                    .collect(),
                // Checkpoints carry integer buffers (rotary tables, masks) that no layer reads.
                other if !name.ends_with(".weight") => {
                    tracing::debug!(name, ?other, "skipped");
                    continue;
                }
                other => {
                    return Err(Error::NumberFormat {
                        name,
                        found: format!("{other:?}"),
                    });
                }
            };
            self.by_name.insert(
                name,
                Stored {
                    shape: view.shape().to_vec(),
                    values,
                },
            );
        }
        Ok(())
    }

    fn take(&mut self, name: &str, expected: &[usize], hash: &mut u64) -> Result<Vec<f32>> {
        let name = || name.to_owned();
        let Some(stored) = self.by_name.remove(&name()) else {
            return Err(Error::MissingTensor {
                name: name(),
                expected: expected.to_vec(),
            });
        };
        if stored.shape != expected {
            let (expected, found) = (expected.to_vec(), stored.shape);
            return Err(Error::Shape {
                name: name(),
                expected,
                found,
            });
        }
        if let Some(index) = stored.values.iter().position(|v| !v.is_finite()) {
            let value = f64::from(stored.values[index]);
            return Err(Error::NotFinite {
                name: name(),
                index,
                value,
            });
        }
        for v in &stored.values {
            fnv1a(hash, u64::from(v.to_bits()));
        }
        Ok(stored.values)
    }

    fn matrix(&mut self, name: &str, shape: [usize; 2], hash: &mut u64) -> Result<Array2<f32>> {
        let values = self.take(name, &shape, hash)?;
        Ok(Array2::from_shape_vec(shape, values).expect("take checked the number of values"))
    }

    fn assemble(mut self, c: &Config) -> Result<Weights> {
        let mut hash = 0xcbf2_9ce4_8422_2325;
        for size in [
            c.hidden,
            c.intermediate,
            c.layers,
            c.heads,
            c.kv_heads,
            c.head_dim,
        ] {
            fnv1a(&mut hash, size as u64);
        }
        for number in [c.norm_epsilon, c.rope_theta] {
            fnv1a(&mut hash, number.to_bits());
        }
        for f in c.rope_frequencies() {
            fnv1a(&mut hash, f.to_bits());
        }
        let h = &mut hash;
        let embedding = self.matrix("model.embed_tokens.weight", [c.vocabulary, c.hidden], h)?;
        let layers = (0..c.layers)
            .map(|l| self.layer(l, c, h))
            .collect::<Result<_>>()?;
        let norm = self.take("model.norm.weight", &[c.hidden], h)?;
        let head = if c.tied {
            None
        } else {
            Some(self.matrix("lm_head.weight", [c.vocabulary, c.hidden], h)?)
        };
        Ok(Weights {
            embedding,
            layers,
            norm,
            head,
            fingerprint: hash,
        })
    }

    fn layer(&mut self, layer: usize, c: &Config, h: &mut u64) -> Result<LayerWeights> {
        let name = |part: &str| format!("model.layers.{layer}.{part}.weight");
        let (q, kv) = (c.heads * c.head_dim, c.kv_heads * c.head_dim);
        Ok(LayerWeights {
            attention_norm: self.take(&name("input_layernorm"), &[c.hidden], h)?,
            query: self.matrix(&name("self_attn.q_proj"), [q, c.hidden], h)?,
            key: self.matrix(&name("self_attn.k_proj"), [kv, c.hidden], h)?,
            value: self.matrix(&name("self_attn.v_proj"), [kv, c.hidden], h)?,
            output: self.matrix(&name("self_attn.o_proj"), [c.hidden, q], h)?,
            mlp_norm: self.take(&name("post_attention_layernorm"), &[c.hidden], h)?,
            gate: self.matrix(&name("mlp.gate_proj"), [c.intermediate, c.hidden], h)?,
            up: self.matrix(&name("mlp.up_proj"), [c.intermediate, c.hidden], h)?,
            down: self.matrix(&name("mlp.down_proj"), [c.hidden, c.intermediate], h)?,
        })
    }
}

fn words<const N: usize>(data: &[u8]) -> impl Iterator<Item = [u8; N]> {
    data.chunks_exact(N)
        .map(|c| c.try_into().expect("chunks_exact yields N bytes"))
}

fn fnv1a(hash: &mut u64, word: u64) {
    for byte in word.to_le_bytes() {
        *hash = (*hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
}

#[cfg(test)]
#[path = "checkpoint_tests.rs"]
mod tests;
