//! One decoder layer.

use serde::{Deserialize, Serialize};

use crate::checkpoint::LayerWeights;
use crate::config::Config;
use crate::model::attention::{Softmax, mix, weigh};
use crate::model::function::{Function, Kind};
use crate::model::machine::Machine;
use crate::model::mlp::gated;
use crate::model::norm::{apply_norm, norm_project};
use crate::model::projection::{Projection, Rope};
use crate::model::site::{Role, Site};

/// The projections of a decoder layer; the norms' weights and `1 / sqrt(head_dim)` are folded in.
#[derive(Clone, Debug)]
pub struct Layer {
    /// To queries, rotated.
    pub query: Projection,
    /// To keys, rotated.
    pub key: Projection,
    /// To values.
    pub value: Projection,
    /// From the mixed values.
    pub output: Projection,
    /// To the argument of SiLU.
    pub gate: Projection,
    /// To its factor.
    pub up: Projection,
    /// Back to the residual stream.
    pub down: Projection,
}

/// The non-linear functions of a decoder layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerFunctions {
    /// Of the mean square before attention.
    pub attention_norm: Function,
    /// Of the scores.
    pub softmax: Softmax,
    /// Of the mean square before the feed-forward block.
    pub mlp_norm: Function,
    /// Of the gate.
    pub silu: Function,
}

impl LayerFunctions {
    /// The exact functions, before calibration.
    pub fn exact(config: &Config) -> Self {
        let norm = Function::exact(Kind::InverseRoot {
            epsilon: config.norm_epsilon,
        });
        Self {
            attention_norm: norm.clone(),
            softmax: Softmax::exact(config.heads),
            mlp_norm: norm,
            silu: Function::exact(Kind::Silu),
        }
    }
}

/// Hidden states with their queries, keys and values.
type Attended<T> = (T, [T; 3]);

impl Layer {
    /// Layer `index` of a checkpoint.
    pub fn new(index: usize, weights: LayerWeights, config: &Config) -> Self {
        let plain = |role, weight| Projection::new(Site::new(index, role), weight);
        // The first layer's input comes normalised, so nothing is left to apply afterwards.
        let attention = |raw, normed| if index == 0 { normed } else { raw };
        let normed = |role, weight, gain: &Vec<f32>| Projection {
            gain: Some(gain.clone()),
            ..plain(role, weight)
        };
        let rope = Some(Rope {
            frequencies: config.rope_frequencies(),
        });
        let w = weights;
        Self {
            query: Projection {
                heads: config.heads,
                rope: rope.clone(),
                scale: 1.0 / (config.head_dim as f64).sqrt(),
                ..normed(
                    attention(Role::QueryRaw, Role::Query),
                    w.query,
                    &w.attention_norm,
                )
            },
            key: Projection {
                heads: config.kv_heads,
                rope,
                ..normed(attention(Role::KeyRaw, Role::Key), w.key, &w.attention_norm)
            },
            value: Projection {
                heads: config.kv_heads,
                ..normed(
                    attention(Role::ValueRaw, Role::Value),
                    w.value,
                    &w.attention_norm,
                )
            },
            output: plain(Role::Attended, w.output),
            gate: normed(Role::GateRaw, w.gate, &w.mlp_norm),
            up: normed(Role::UpRaw, w.up, &w.mlp_norm),
            down: plain(Role::Down, w.down),
        }
    }

    /// All projections, in the order of the computation.
    pub fn projections(&self) -> [&Projection; 7] {
        let Self {
            query,
            key,
            value,
            output,
            gate,
            up,
            down,
        } = self;
        [query, key, value, output, gate, up, down]
    }

    /// The hidden states after this layer, of the hidden states `x` of the pass's tokens.
    ///
    /// `normed` are the same states already normalised (without the norm's weights), where the
    /// client could do that: for the first layer.
    ///
    /// # Errors
    ///
    /// Those of the machine's operations.
    pub fn forward<M: Machine>(
        &self,
        m: &mut M,
        functions: &LayerFunctions,
        x: M::Tensor,
        normed: Option<&M::Tensor>,
        cache: &mut M::Cache,
    ) -> Result<M::Tensor, M::Error> {
        let layer = self.query.site.layer;
        let at = |role| Site::new(layer, role);
        let (x, qkv) = self.queries_keys_values(m, functions, x, normed)?;
        let (softmax, rope) = (&functions.softmax, self.query.rope.as_ref());
        let [y, values] = weigh(m, qkv, cache, softmax, rope, layer)?;
        let [x] = m.fixed(at(Role::Mixed), [x, y, values], |m, [x, y, values]| {
            let mixed = mix(m, y, &values, softmax, layer)?;
            Ok([self.behind_attention(m, functions, &x, mixed)?])
        })?;
        Ok(x)
    }

    /// Adds the keys and values of the pass's tokens to `cache`, and computes no more: all that a
    /// later pass needs of the last layer.
    ///
    /// # Errors
    ///
    /// Those of the machine's operations.
    pub fn extend<M: Machine>(
        &self,
        m: &mut M,
        functions: &LayerFunctions,
        x: M::Tensor,
        normed: Option<&M::Tensor>,
        cache: &mut M::Cache,
    ) -> Result<(), M::Error> {
        let (_, [_, keys, values]) = self.queries_keys_values(m, functions, x, normed)?;
        let sites = [Role::Key, Role::Value].map(|role| Site::new(self.query.site.layer, role));
        m.append(cache, &keys, &values, sites)?;
        Ok(())
    }

    /// The hidden states, refreshed where the machine does that, and their queries, keys and
    /// values.
    fn queries_keys_values<M: Machine>(
        &self,
        m: &mut M,
        functions: &LayerFunctions,
        x: M::Tensor,
        normed: Option<&M::Tensor>,
    ) -> Result<Attended<M::Tensor>, M::Error> {
        let layer = self.query.site.layer;
        let at = |role| Site::new(layer, role);
        let sites = [Role::Query, Role::Key, Role::Value].map(at);
        let projections = [&self.query, &self.key, &self.value];
        if let Some(normed) = normed {
            let raw = m.project(normed, projections)?;
            return Ok((x, m.refresh(raw, sites)?));
        }
        let [x] = m.refresh([x], [at(Role::Hidden)])?;
        let [q, k, v] = m.project(&x, projections)?;
        let norm = &functions.attention_norm;
        let qkv = m.fixed(at(Role::Query), [x.clone(), q, k, v], |m, [x, q, k, v]| {
            let square = at(Role::AttentionMeanSquare);
            let qkv = apply_norm(m, &x, norm, [&q, &k, &v], sites, square)?;
            m.refresh(qkv, sites)
        })?;
        Ok((x, qkv))
    }

    /// The second half of the layer: the hidden states after it, of those before it and of the
    /// mixed values of attention. The same work at every position.
    fn behind_attention<M: Machine>(
        &self,
        m: &mut M,
        functions: &LayerFunctions,
        x: &M::Tensor,
        mixed: M::Tensor,
    ) -> Result<M::Tensor, M::Error> {
        let layer = self.query.site.layer;
        let at = |role| Site::new(layer, role);
        let [mixed] = m.refresh([mixed], [at(Role::Mixed)])?;
        let [attended] = m.project(&mixed, [&self.output])?;
        let x = m.add(x, &attended, at(Role::HiddenMiddle))?;
        let [x] = m.refresh([x], [at(Role::HiddenMiddle)])?;

        let [gate, up] = norm_project(
            m,
            &x,
            &functions.mlp_norm,
            [(&self.gate, at(Role::Gate)), (&self.up, at(Role::Up))],
            at(Role::MlpMeanSquare),
        )?;
        let product = gated(m, gate, up, &functions.silu, layer)?;
        let [down] = m.project(&product, [&self.down])?;
        m.add(&x, &down, Site::new(layer + 1, Role::Hidden))
    }
}
