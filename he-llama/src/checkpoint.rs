//! Weights from safetensors, in one file or in shards, checked against the configuration.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::files;
use crate::mapping::{Bytes, Mapping};
use crate::matrix::{Format, Matrix};

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
/// Longest index that is read.
const INDEX_LIMIT: u64 = 1 << 26;

mod found;

/// The weights of one decoder layer as stored, matrices `[out, in]`.
#[derive(Clone, Debug)]
pub struct LayerWeights {
    /// RMSNorm before attention, `hidden` factors.
    pub attention_norm: Vec<f32>,
    /// `[heads * head_dim, hidden]`.
    pub query: Matrix,
    /// `[kv_heads * head_dim, hidden]`.
    pub key: Matrix,
    /// `[kv_heads * head_dim, hidden]`.
    pub value: Matrix,
    /// `[hidden, heads * head_dim]`.
    pub output: Matrix,
    /// RMSNorm before the feed-forward block, `hidden` factors.
    pub mlp_norm: Vec<f32>,
    /// `[intermediate, hidden]`.
    pub gate: Matrix,
    /// `[intermediate, hidden]`.
    pub up: Matrix,
    /// `[hidden, intermediate]`.
    pub down: Matrix,
}

/// All weights of a model as stored: the matrices stay in their files until they are used.
#[derive(Clone, Debug)]
pub struct Weights {
    /// `[vocabulary, hidden]`.
    pub embedding: Matrix,
    /// The decoder layers in order.
    pub layers: Vec<LayerWeights>,
    /// Last RMSNorm, `hidden` factors.
    pub norm: Vec<f32>,
    /// `[vocabulary, hidden]`; `None` when the embedding is used again.
    pub head: Option<Matrix>,
}

impl Weights {
    /// Maps `model.safetensors` or the shards of `model.safetensors.index.json` in `directory`.
    ///
    /// Headers, shapes and the norms' weights are read and checked now; the numbers of a matrix
    /// when they are used, see [`Matrix::identity`]. Tensors that no layer uses and that would
    /// change nothing are named in a warning.
    ///
    /// # Errors
    ///
    /// [`Error::Incomplete`] when the directory has no such file; [`Error::Index`],
    /// [`Error::LfsPointer`] and [`Error::Weights`] when one cannot be used;
    /// [`Error::MissingTensor`], [`Error::Shape`] and [`Error::NumberFormat`] where the tensors
    /// differ from `config`; [`Error::ExtraTensor`] for one that would change the function.
    pub fn read(directory: &Path, config: &Config) -> Result<Self> {
        let mut tensors = Tensors::default();
        let files = Files::of(directory)?;
        for path in &files.paths {
            let bytes = Bytes::Mapped(Mapping::open(path)?);
            tensors.add(bytes, path, |name| files.holds(path, name))?;
        }
        tensors.assemble(config)
    }

    /// Parses one safetensors file held in memory; `path` is named in errors.
    ///
    /// # Errors
    ///
    /// As [`Weights::read`].
    pub fn parse(
        bytes: impl Into<Cow<'static, [u8]>>,
        path: &Path,
        config: &Config,
    ) -> Result<Self> {
        let mut tensors = Tensors::default();
        tensors.add(Bytes::Held(bytes.into()), path, |_| true)?;
        tensors.assemble(config)
    }
}

/// The matrix `name` of the safetensors file at `path`.
///
/// # Errors
///
/// As [`Weights::read`].
pub(crate) fn read_matrix(path: &Path, name: &str, shape: [usize; 2]) -> Result<Matrix> {
    let mut tensors = Tensors::default();
    tensors.add(Bytes::Mapped(Mapping::open(path)?), path, |_| true)?;
    tensors.matrix(name, shape)
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// The weights files of a directory.
struct Files {
    paths: Vec<PathBuf>,
    /// Path of each tensor, where an index says so.
    map: BTreeMap<String, PathBuf>,
}

impl Files {
    fn of(directory: &Path) -> Result<Self> {
        let single = directory.join(SINGLE);
        let index = directory.join(INDEX);
        // A link to nothing is there, too: opening it says so.
        let there = |path: &Path| path.symlink_metadata().is_ok();
        if there(&single) {
            let (paths, map) = (vec![single], BTreeMap::new());
            return Ok(Self { paths, map });
        }
        if !there(&index) {
            return Err(found::instead_of_weights(directory));
        }
        Self::by_index(&files::read(&index, INDEX_LIMIT)?, &index, directory)
    }

    fn by_index(bytes: &[u8], index: &Path, directory: &Path) -> Result<Self> {
        let parsed: Index = serde_json::from_slice(bytes).map_err(|source| Error::Json {
            path: index.to_path_buf(),
            what: "safetensors index",
            source,
        })?;
        let plain = |name: &str| Path::new(name).file_name().is_some_and(|f| f == name);
        if let Some(bad) = parsed.weight_map.values().find(|name| !plain(name)) {
            let reason = format!("the index names {bad:?}, which is no file of the directory");
            let path = index.to_path_buf();
            return Err(Error::Index { path, reason });
        }
        let map = parsed.weight_map.into_iter();
        let map: BTreeMap<String, PathBuf> = map
            .map(|(tensor, file)| (tensor, directory.join(file)))
            .collect();
        let mut paths: Vec<PathBuf> = map.values().cloned().collect();
        paths.sort();
        paths.dedup();
        Ok(Self { paths, map })
    }

    /// Whether `tensor` is to be read from `path`: there may be a stale copy in another shard.
    fn holds(&self, path: &Path, tensor: &str) -> bool {
        self.map.get(tensor).is_none_or(|of| of == path)
    }
}

/// One tensor of a file.
struct Stored {
    bytes: Arc<Bytes>,
    range: Range<usize>,
    dtype: Dtype,
    shape: Vec<usize>,
}

#[derive(Default)]
struct Tensors {
    by_name: HashMap<String, Stored>,
}

impl Tensors {
    /// Notes where those tensors of a file are that it `holds`.
    fn add(&mut self, bytes: Bytes, path: &Path, holds: impl Fn(&str) -> bool) -> Result<()> {
        files::check_fetched(bytes.as_slice(), path)?;
        let damaged = |reason: String| Error::Weights {
            path: path.to_path_buf(),
            reason,
        };
        let (header, metadata) =
            SafeTensors::read_metadata(bytes.as_slice()).map_err(|e| damaged(e.to_string()))?;
        // Behind the length of the header, 8 bytes, and the header.
        let data = 8 + header;
        let bytes = Arc::new(bytes);
        for (name, info) in metadata.tensors() {
            if !holds(&name) {
                continue;
            }
            let (start, end) = info.data_offsets;
            let stored = Stored {
                bytes: Arc::clone(&bytes),
                range: data + start..data + end,
                dtype: info.dtype,
                shape: info.shape.clone(),
            };
            self.by_name.insert(name, stored);
        }
        Ok(())
    }

    /// The tensor `name`, `[rows, columns]`; one of `rows` numbers where `columns` is none.
    fn take(&mut self, name: &str, rows: usize, columns: Option<usize>) -> Result<Matrix> {
        let expected: Vec<usize> = [rows].into_iter().chain(columns).collect();
        let Some(stored) = self.by_name.remove(name) else {
            let name = name.to_owned();
            return Err(Error::MissingTensor { name, expected });
        };
        if stored.shape != expected {
            return Err(Error::Shape {
                name: name.to_owned(),
                expected,
                found: stored.shape,
            });
        }
        let format = match stored.dtype {
            Dtype::F64 => Format::F64,
            Dtype::F32 => Format::F32,
            Dtype::F16 => Format::F16,
            Dtype::BF16 => Format::Bf16,
            other => {
                return Err(Error::NumberFormat {
                    name: name.to_owned(),
                    found: format!("{other:?}"),
                });
            }
        };
        let shape = [rows, columns.unwrap_or(1)];
        Matrix::stored(name, stored.bytes, stored.range, format, shape)
    }

    fn vector(&mut self, name: &str, len: usize) -> Result<Vec<f32>> {
        let stored = self.take(name, len, None)?;
        stored.identity()?;
        Ok((0..len).map(|i| stored.get(i, 0)).collect())
    }

    fn matrix(&mut self, name: &str, [rows, columns]: [usize; 2]) -> Result<Matrix> {
        self.take(name, rows, Some(columns))
    }

    fn assemble(mut self, c: &Config) -> Result<Weights> {
        let embedding = self.matrix("model.embed_tokens.weight", [c.vocabulary, c.hidden])?;
        let layers = (0..c.layers)
            .map(|l| self.layer(l, c))
            .collect::<Result<_>>()?;
        let norm = self.vector("model.norm.weight", c.hidden)?;
        let head = if c.tied {
            None
        } else {
            Some(self.matrix("lm_head.weight", [c.vocabulary, c.hidden])?)
        };
        found::check_unused(self.by_name.into_keys(), c)?;
        Ok(Weights {
            embedding,
            layers,
            norm,
            head,
        })
    }

    fn layer(&mut self, layer: usize, c: &Config) -> Result<LayerWeights> {
        let name = |part: &str| format!("model.layers.{layer}.{part}.weight");
        let (q, kv) = (c.heads * c.head_dim, c.kv_heads * c.head_dim);
        Ok(LayerWeights {
            attention_norm: self.vector(&name("input_layernorm"), c.hidden)?,
            query: self.matrix(&name("self_attn.q_proj"), [q, c.hidden])?,
            key: self.matrix(&name("self_attn.k_proj"), [kv, c.hidden])?,
            value: self.matrix(&name("self_attn.v_proj"), [kv, c.hidden])?,
            output: self.matrix(&name("self_attn.o_proj"), [c.hidden, q])?,
            mlp_norm: self.vector(&name("post_attention_layernorm"), c.hidden)?,
            gate: self.matrix(&name("mlp.gate_proj"), [c.intermediate, c.hidden])?,
            up: self.matrix(&name("mlp.up_proj"), [c.intermediate, c.hidden])?,
            down: self.matrix(&name("mlp.down_proj"), [c.hidden, c.intermediate])?,
        })
    }
}

#[cfg(test)]
#[path = "checkpoint_tests.rs"]
mod tests;
