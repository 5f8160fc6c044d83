//! Linear maps of the encrypted machine.

use he_linalg::bsgs::CostModel;
use he_linalg::{Axis, Layout, LinearMap, PreparedMap};

use crate::config::Config;
use crate::encrypted::packing::{Packing, Shape};
use crate::error::Result;
use crate::model::{Positions, Projection};

/// The matrices of a projection, one for each token unless they are all the same.
struct Matrices {
    columns: usize,
    of_token: Vec<Vec<f64>>,
}

impl Matrices {
    fn new(p: &Projection, positions: Positions) -> Self {
        let count = if p.rope.is_some() { positions.len } else { 1 };
        let of_token = (0..count)
            .map(|t| p.matrix_at(positions.start + t))
            .collect();
        Self {
            columns: p.inputs(),
            of_token,
        }
    }

    fn row(&self, token: usize, output: usize) -> &[f64] {
        let matrix = &self.of_token[token.min(self.of_token.len() - 1)];
        &matrix[output * self.columns..(output + 1) * self.columns]
    }
}

/// `factor` times a projection of a tensor packed by `input`, into `output`.
///
/// Heads of the layouts beyond the model's repeat real ones; only the key at the pass's own
/// position is written where the output has keys, and only `token` where it is given.
pub fn projection(
    p: &Projection,
    config: &Config,
    positions: Positions,
    input: &Layout,
    output: &Layout,
    token: Option<usize>,
    factor: f64,
) -> Result<LinearMap> {
    let matrices = Matrices::new(p, positions);
    let at = |layout: &Layout, axis| layout.component(axis);
    let [out_token, out_channel, out_head, out_dim, out_key] =
        [Axis::TOKEN, Axis::CHANNEL, Axis::HEAD, Axis::DIM, Axis::KEY].map(|a| at(output, a));
    let [in_token, in_channel, in_head, in_dim] =
        [Axis::TOKEN, Axis::CHANNEL, Axis::HEAD, Axis::DIM].map(|a| at(input, a));
    let read = |index: &[usize], at: Option<usize>| at.map_or(0, |i| index[i]);
    let dims = p.outputs() / p.heads;
    let mut source = vec![0; input.lens().len()];
    let map = LinearMap::build_folded(input, output, |index, terms| {
        let t = read(index, out_token);
        if token.is_some_and(|wanted| wanted != t)
            || out_key.is_some_and(|k| index[k] != positions.start)
        {
            return;
        }
        let channel = match out_channel {
            Some(c) => index[c],
            None => {
                let head = read(index, out_head) % config.heads;
                head * p.heads / config.heads * dims + read(index, out_dim)
            }
        };
        if channel >= p.outputs() {
            return;
        }
        for (i, &w) in matrices.row(t, channel).iter().enumerate() {
            if let Some(at) = in_token {
                source[at] = t;
            }
            if let Some(at) = in_channel {
                source[at] = i;
            }
            if let (Some(head), Some(dim)) = (in_head, in_dim) {
                (source[head], source[dim]) = (i / config.head_dim, i % config.head_dim);
            }
            terms.add(&source, w * factor);
        }
    })?;
    Ok(map)
}

/// Keys or values of a prompt as each query meets them: `[offset][dim][head][token]`, the entry of
/// `token - offset`, zero before the first token.
pub fn by_offset(packing: &Packing) -> Result<PreparedMap> {
    let (input, output) = (packing.per_head()?, packing.by_offset()?);
    let map = LinearMap::build_folded(&input, &output, |index, terms| {
        let &[token, head, dim, offset] = index else {
            return;
        };
        if offset <= token {
            terms.add(&[token - offset, head, dim], 1.0);
        }
    })?;
    prepare(&map, &input, &output)
}

/// Drops the channels that scores were summed over, times `factor`; pairs that do not see each
/// other become zero.
pub fn compact_scores(packing: &Packing, summed: &Layout, factor: f64) -> Result<PreparedMap> {
    let output = packing.scores()?;
    let map = LinearMap::build_folded(summed, &output, |index, terms| {
        if packing.visible(index) {
            let &[token, head, offset] = index else {
                return;
            };
            terms.add(&[token, head, 0, offset], factor);
        }
    })?;
    prepare(&map, summed, &output)
}

/// Attention weights copied along the channels of a head.
pub fn spread_weights(packing: &Packing) -> Result<PreparedMap> {
    let (input, output) = (packing.scores()?, packing.weights_by_offset()?);
    let map = LinearMap::build_folded(&input, &output, |index, terms| terms.add(index, 1.0))?;
    prepare(&map, &input, &output)
}

/// Keys or values of a prompt at their places in the cache; padding tokens are left out.
pub fn into_cache(prompt: &Packing, step: &Packing) -> Result<PreparedMap> {
    let (input, output) = (prompt.per_head()?, step.cache()?);
    let Shape { used, .. } = prompt.shape();
    let map = LinearMap::build_folded(&input, &output, |index, terms| {
        if index[0] < used {
            terms.add(index, 1.0);
        }
    })?;
    prepare(&map, &input, &output)
}

fn prepare(map: &LinearMap, input: &Layout, output: &Layout) -> Result<PreparedMap> {
    Ok(PreparedMap::new(map, input, output, &CostModel::default())?)
}
