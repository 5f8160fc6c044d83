//! Linear maps of the encrypted machine.

use he_linalg::bsgs::CostModel;
use he_linalg::{Axis, Layout, LinearMap, PreparedMap};

use crate::config::Config;
use crate::encrypted::packing::{Packing, Shape};
use crate::error::Result;
use crate::model::{Positions, Projection, Role};

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

/// A projection as a part of a map.
pub struct Part<'a> {
    /// The projection.
    pub projection: &'a Projection,
    /// What its result is multiplied by.
    pub factor: f64,
    /// Its place along [`Axis::PART`] of the output, 0 where there is none.
    pub place: usize,
}

/// Projections of a tensor packed by `input`, which lies in the part `from` where it has parts,
/// into one `output`.
///
/// Heads of the layouts beyond the model's repeat real ones; keys and values are written only at
/// the pass's own position where the output has keys, and only `token` where it is given.
pub fn projection(
    parts: &[Part<'_>],
    config: &Config,
    positions: Positions,
    (input, from): (&Layout, usize),
    output: &Layout,
    token: Option<usize>,
) -> Result<LinearMap> {
    let matrices = |part: &Part<'_>| Matrices::new(part.projection, positions);
    let matrices: Vec<Matrices> = parts.iter().map(matrices).collect();
    let at = |layout: &Layout, axis| layout.component(axis);
    let [out_token, out_channel, out_head, out_dim, out_key, out_part] = [
        Axis::TOKEN,
        Axis::CHANNEL,
        Axis::HEAD,
        Axis::DIM,
        Axis::KEY,
        Axis::PART,
    ]
    .map(|a| at(output, a));
    let [in_token, in_channel, in_head, in_dim, in_part] = [
        Axis::TOKEN,
        Axis::CHANNEL,
        Axis::HEAD,
        Axis::DIM,
        Axis::PART,
    ]
    .map(|a| at(input, a));
    let read = |index: &[usize], at: Option<usize>| at.map_or(0, |i| index[i]);
    let mut source = vec![0; input.lens().len()];
    if let Some(part) = in_part {
        source[part] = from;
    }
    let map = LinearMap::build_folded(input, output, |index, terms| {
        let place = read(index, out_part);
        let mut found = parts.iter().zip(&matrices);
        let Some((part, matrices)) = found.find(|(part, _)| part.place == place) else {
            return;
        };
        let p = part.projection;
        let t = read(index, out_token);
        let queries = matches!(p.site.role, Role::QueryRaw | Role::Query);
        if token.is_some_and(|wanted| wanted != t)
            || out_key.is_some_and(|k| !queries && index[k] != positions.start)
        {
            return;
        }
        let dims = p.outputs() / p.heads;
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
            terms.add(&source, w * part.factor);
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

/// Keys or values of a prompt at their places in the cache; padding tokens are left out. Two maps:
/// the first exchanges heads and tokens, the second makes room for later keys. One map for both
/// would have the product of their numbers of diagonals.
pub fn into_cache(
    prompt: &Packing,
    step: &Packing,
    part: Option<usize>,
) -> Result<[PreparedMap; 2]> {
    let (input, turned, output) = (prompt.per_head()?, prompt.by_token()?, step.cache()?);
    let Shape { used, .. } = prompt.shape();
    let turn = LinearMap::build_folded(&input, &turned, |index, terms| {
        let &[head, token, dim] = index else { return };
        terms.add(&[token, head, dim], 1.0);
    })?;
    let place = LinearMap::build_folded(&turned, &output, |index, terms| {
        if index[1] < used && index.get(3) == part.as_ref() {
            terms.add(&index[..3], 1.0);
        }
    })?;
    Ok([
        prepare(&turn, &input, &turned)?,
        prepare(&place, &turned, &output)?,
    ])
}

fn prepare(map: &LinearMap, input: &Layout, output: &Layout) -> Result<PreparedMap> {
    Ok(PreparedMap::new(map, input, output, &CostModel::default())?)
}
