//! The whole model: what the client computes, and what the server's machine does.

use ndarray::{Array3, Axis};
use serde::{Deserialize, Serialize};

use crate::checkpoint::Weights;
use crate::config::Config;
use crate::digest::{Digest, Digester};
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::model::layer::{Layer, LayerFunctions};
use crate::model::machine::Machine;
use crate::model::projection::Projection;
use crate::model::site::{Role, Site};

/// A Llama: weights in the form that the description uses.
#[derive(Clone, Debug)]
pub struct Llama {
    /// Sizes.
    pub config: Config,
    /// Token embeddings `[vocabulary, hidden]`.
    pub embedding: Matrix,
    /// Decoder layers.
    pub layers: Vec<Layer>,
    /// To the logits, the last norm's weights folded in, its factor not applied.
    pub head: Projection,
}

/// The non-linear functions of all layers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Circuit {
    /// One entry per decoder layer.
    pub layers: Vec<LayerFunctions>,
}

impl Circuit {
    /// The exact functions, before calibration.
    pub fn exact(config: &Config) -> Self {
        Self {
            layers: vec![LayerFunctions::exact(config); config.layers],
        }
    }
}

/// What the client encrypts: tokens' embeddings, and the same normalised for the first layer, as
/// the client can do that exactly for free. Both `[1, token, hidden]`.
#[derive(Clone, Debug)]
pub struct Embedded<T> {
    /// Embeddings, the start of the residual stream.
    pub hidden: T,
    /// Embeddings divided by the root of their mean square plus epsilon.
    pub normed: T,
}

/// What the client decrypts, of the last token: the logits are `raw / sqrt(mean_square + epsilon)`.
///
/// The last norm's factor is one number; leaving it to the client saves the server a polynomial.
#[derive(Clone, Debug)]
pub struct Output<T> {
    /// Logits before the factor, `[1, 1, vocabulary]`.
    pub raw: T,
    /// Mean square of the hidden state, `[1, 1, 1]`.
    pub mean_square: T,
}

impl Llama {
    /// Arranges the weights of a checkpoint.
    pub fn new(config: Config, weights: Weights) -> Self {
        let Weights {
            embedding,
            layers,
            norm,
            head,
        } = weights;
        let layers: Vec<Layer> = layers
            .into_iter()
            .enumerate()
            .map(|(i, w)| Layer::new(i, w, &config))
            .collect();
        let head = Projection {
            gain: Some(norm),
            ..Projection::new(
                Site::new(config.layers, Role::LogitsRaw),
                head.unwrap_or_else(|| embedding.clone()),
            )
        };
        Self {
            config,
            embedding,
            layers,
            head,
        }
    }

    /// Names the function that the model computes: the hash of its sizes and of all its weights.
    ///
    /// The first call reads all weights, see [`Matrix::identity`].
    ///
    /// # Errors
    ///
    /// Those of [`Matrix::identity`].
    pub fn fingerprint(&self) -> Result<Digest> {
        let c = &self.config;
        let sizes = [
            c.hidden,
            c.intermediate,
            c.layers,
            c.heads,
            c.kv_heads,
            c.head_dim,
        ];
        let mut digester = Digester::new("he-llama 0.1 model");
        digester.reals(sizes.iter().map(|size| *size as f64));
        digester.reals([c.norm_epsilon].into_iter());
        digester.field(self.embedding.identity()?.as_bytes());
        for layer in &self.layers {
            for projection in layer.projections() {
                projection.digest_into(&mut digester)?;
            }
        }
        self.head.digest_into(&mut digester)?;
        Ok(digester.finish())
    }

    /// An empty key and value cache of every layer.
    pub fn caches<C: Default>(&self) -> Vec<C> {
        (0..self.layers.len()).map(|_| C::default()).collect()
    }

    /// Checks that `ids` are tokens of the model, and at least one.
    ///
    /// # Errors
    ///
    /// [`Error::EmptyPrompt`] for no id, [`Error::TokenId`] for one outside the vocabulary.
    pub fn check_ids(&self, ids: &[u32]) -> Result<()> {
        if ids.is_empty() {
            return Err(Error::EmptyPrompt);
        }
        let vocabulary = self.config.vocabulary;
        match ids.iter().find(|&&id| id as usize >= vocabulary) {
            Some(&id) => Err(Error::TokenId { id, vocabulary }),
            None => Ok(()),
        }
    }

    /// The client's first step: embeddings of `ids`, plain and normalised.
    ///
    /// # Errors
    ///
    /// Those of [`Llama::check_ids`].
    pub fn embed(&self, ids: &[u32]) -> Result<Embedded<Array3<f64>>> {
        embed(&self.embedding, self.config.norm_epsilon, ids)
    }

    /// The client's last step: logits from the decrypted output.
    pub fn logits(&self, raw: &[f64], mean_square: f64) -> Vec<f64> {
        logits(self.config.norm_epsilon, raw, mean_square)
    }

    /// The server's part: all layers on the pass's tokens, and the head on the last.
    ///
    /// `caches`, one for each layer, hold the positions before the pass and grow by its own.
    ///
    /// # Errors
    ///
    /// Those of the machine's operations.
    pub fn forward<M: Machine>(
        &self,
        m: &mut M,
        circuit: &Circuit,
        input: Embedded<M::Tensor>,
        caches: &mut [M::Cache],
    ) -> Result<Output<M::Tensor>, M::Error> {
        let mut x = input.hidden;
        let mut normed = Some(input.normed);
        let layers = self.layers.iter().zip(&circuit.layers).zip(caches);
        for ((layer, functions), cache) in layers {
            x = layer.forward(m, functions, x, normed.as_ref(), cache)?;
            normed = None;
        }
        self.head(m, &x)
    }

    /// [`Llama::forward`] without its output: for tokens behind which more of a prompt follows.
    ///
    /// # Errors
    ///
    /// Those of the machine's operations.
    pub fn extend<M: Machine>(
        &self,
        m: &mut M,
        circuit: &Circuit,
        input: Embedded<M::Tensor>,
        caches: &mut [M::Cache],
    ) -> Result<(), M::Error> {
        let mut x = input.hidden;
        let mut normed = Some(input.normed);
        let mut layers = self.layers.iter().zip(&circuit.layers).zip(caches);
        let last = layers.next_back();
        for ((layer, functions), cache) in layers {
            x = layer.forward(m, functions, x, normed.as_ref(), cache)?;
            normed = None;
        }
        match last {
            Some(((layer, functions), cache)) => {
                layer.extend(m, functions, x, normed.as_ref(), cache)
            }
            None => Ok(()),
        }
    }

    /// What the client decrypts, of the hidden states behind all layers.
    pub(crate) fn head<M: Machine>(
        &self,
        m: &mut M,
        x: &M::Tensor,
    ) -> Result<Output<M::Tensor>, M::Error> {
        let end = self.config.layers;
        let x = m.last(x)?;
        let [x] = m.refresh([x], [Site::new(end, Role::Hidden)])?;
        let [raw] = m.project(&x, [&self.head])?;
        let mean_square = m.mean_square(&x, Site::new(end, Role::FinalMeanSquare))?;
        Ok(Output { raw, mean_square })
    }
}

/// Embeddings of `ids`, plain and normalised, from the table `[vocabulary, hidden]`.
///
/// # Errors
///
/// Fails on no id and on ids outside the vocabulary.
pub fn embed(embedding: &Matrix, norm_epsilon: f64, ids: &[u32]) -> Result<Embedded<Array3<f64>>> {
    if ids.is_empty() {
        return Err(Error::EmptyPrompt);
    }
    let [vocabulary, channels] = [embedding.nrows(), embedding.ncols()];
    if let Some(&id) = ids.iter().find(|&&id| id as usize >= vocabulary) {
        return Err(Error::TokenId { id, vocabulary });
    }
    let mut hidden = Array3::zeros((1, ids.len(), channels));
    let mut row = vec![0.0; channels];
    for (mut token, &id) in hidden.axis_iter_mut(Axis(1)).zip(ids) {
        embedding.row(id as usize, &mut row);
        let numbers = token.iter_mut().zip(&row);
        numbers.for_each(|(x, v)| *x = f64::from(*v));
    }
    let mut normed = hidden.clone();
    for mut row in normed.lanes_mut(Axis(2)) {
        let mean = row.iter().map(|x| x * x).sum::<f64>() / channels as f64;
        row /= (mean + norm_epsilon).sqrt();
    }
    Ok(Embedded { hidden, normed })
}

/// Logits from those before the last norm's factor, and the mean square that it is made of.
pub fn logits(norm_epsilon: f64, raw: &[f64], mean_square: f64) -> Vec<f64> {
    let factor = 1.0 / (mean_square + norm_epsilon).sqrt();
    raw.iter().map(|z| z * factor).collect()
}
