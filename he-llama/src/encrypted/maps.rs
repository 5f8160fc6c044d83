//! Linear maps of the encrypted machine.

use he_linalg::bsgs::CostModel;
use he_linalg::{Axis, Layout, LinearMap, PreparedMap};

use crate::config::Config;
use crate::encrypted::packing::{Packing, PassKind, Shape, WINDOWS};
use crate::error::Result;
use crate::model::{Projection, Role};

/// The matrices of a projection, one for each token unless they are all the same.
struct Matrices {
    columns: usize,
    of_token: Vec<Vec<f64>>,
}

impl Matrices {
    fn new(p: &Projection, start: usize, tokens: usize) -> Self {
        let count = if p.rope.is_some() { tokens } else { 1 };
        let of_token = (0..count).map(|t| p.matrix_at(start + t)).collect();
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
    /// Its index along [`Axis::PART`] of the output, 0 where there is none.
    pub part: usize,
}

/// Projections of a tensor packed by `input`, which lies in the part `from` where it has parts,
/// into one `output`.
///
/// Heads of the layouts beyond the model's repeat real ones; keys and values are written only at
/// the pass's own position or window where the output has several, and only `token` where it is
/// given.
///
/// # Errors
///
/// As [`LinearMap::build`].
pub fn projection(
    parts: &[Part<'_>],
    config: &Config,
    packing: &Packing,
    (input, from): (&Layout, usize),
    output: &Layout,
    token: Option<usize>,
) -> Result<LinearMap> {
    let shape = packing.shape();
    let matrices = |part: &Part<'_>| Matrices::new(part.projection, shape.start, shape.tokens);
    let matrices: Vec<Matrices> = parts.iter().map(matrices).collect();
    let at = |layout: &Layout, axis| layout.component(axis);
    let [
        out_token,
        out_channel,
        out_head,
        out_dim,
        out_key,
        out_window,
        out_part,
    ] = [
        Axis::TOKEN,
        Axis::CHANNEL,
        Axis::HEAD,
        Axis::DIM,
        Axis::KEY,
        WINDOWS,
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
        let Some((part, matrices)) = found.find(|(part, _)| part.part == place) else {
            return;
        };
        let p = part.projection;
        let t = read(index, out_token);
        let queries = matches!(p.site.role, Role::QueryRaw | Role::Query);
        if token.is_some_and(|wanted| wanted != t)
            || out_key.is_some_and(|k| !queries && index[k] != shape.start)
            || out_window.is_some_and(|w| index[w] != shape.start / shape.tokens)
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

/// A map that reads, where it can, the slot that it writes: it has few diagonals and takes the levels
/// of any other.
///
/// # Errors
///
/// As [`LinearMap::build`].
pub fn thin(input: &Layout, output: &Layout) -> Result<LinearMap> {
    let (mut source, period) = (vec![0; input.lens().len()], input.period());
    Ok(LinearMap::build_folded(input, output, |index, terms| {
        if let Ok((_, slot)) = output.position(index)
            && input.index_at(0, slot % period, &mut source)
        {
            terms.add(&source, 1.0);
        }
    })?)
}

/// Keys or values by offset from the queries of a window; where it is the first one, without those
/// behind the query.
///
/// # Errors
///
/// As [`LinearMap::build`].
pub fn by_offset(packing: &Packing) -> Result<PreparedMap> {
    let (input, output) = (packing.windows()?, packing.by_offset()?);
    let Shape { tokens, kind, .. } = packing.shape();
    let map = LinearMap::build_folded(&input, &output, |index, terms| {
        let &[token, head, dim, ref window @ .., offset] = index else {
            return;
        };
        if kind == PassKind::Later || offset <= token {
            let mut source = [(token + tokens - offset) % tokens, head, dim, 0];
            source[3..3 + window.len()].copy_from_slice(window);
            terms.add(&source[..3 + window.len()], 1.0);
        }
    })?;
    prepare(&map, &input, &output)
}

/// Drops the channels that scores were summed over, times `factor`; pairs that do not see each
/// other become zero.
///
/// # Errors
///
/// As [`LinearMap::build`].
pub fn compact_scores(packing: &Packing, summed: &Layout, factor: f64) -> Result<PreparedMap> {
    let output = packing.scores()?;
    let map = LinearMap::build_folded(summed, &output, |index, terms| {
        if packing.visible(index) {
            let &[token, head, ref rest @ ..] = index else {
                return;
            };
            let mut source = [token, head, 0, 0, 0];
            source[3..3 + rest.len()].copy_from_slice(rest);
            terms.add(&source[..3 + rest.len()], factor);
        }
    })?;
    prepare(&map, summed, &output)
}

/// Attention weights copied along the channels of a head.
///
/// # Errors
///
/// As [`LinearMap::build`].
pub fn spread_weights(packing: &Packing) -> Result<PreparedMap> {
    let (input, output) = (packing.scores()?, packing.weights_by_offset()?);
    let map = LinearMap::build_folded(&input, &output, |index, terms| terms.add(index, 1.0))?;
    prepare(&map, &input, &output)
}

/// Keys or values of the first window among those of all windows.
///
/// # Errors
///
/// As [`LinearMap::build`].
pub fn first_of_windows(first: &Packing, later: &Packing) -> Result<PreparedMap> {
    let (input, output) = (first.windows()?, later.windows()?);
    let map = LinearMap::build(&input, &output, |index, terms| {
        if index[3] == 0 {
            terms.add(&index[..3], 1.0);
        }
    })?;
    prepare(&map, &input, &output)
}

/// Keys or values of windows as a step has them, those of the first `len` positions: two maps, of
/// which the first exchanges heads and tokens, the second makes room for later keys. One map for
/// both would have the product of their numbers of diagonals.
///
/// # Errors
///
/// As [`LinearMap::build`].
pub fn into_cache(
    windows: &Packing,
    step: &Packing,
    part: Option<usize>,
    len: usize,
) -> Result<[PreparedMap; 2]> {
    let input = windows.windows()?;
    let (by_token, output) = (windows.windows_by_token()?, step.cache()?);
    let tokens = windows.shape().tokens;
    let exchange = LinearMap::build_folded(&input, &by_token, |index, terms| {
        let mut source = [0; 4];
        source[..index.len()].copy_from_slice(index);
        source.swap(0, 1);
        terms.add(&source[..index.len()], 1.0);
    })?;
    let several = by_token.lens().len() > 3;
    let place = LinearMap::build_folded(&by_token, &output, |index, terms| {
        let &[head, key, dim, ..] = index else { return };
        let held = key < len && (several || key < tokens);
        if held && index.get(3) == part.as_ref() {
            let source = [head, key % tokens, dim, key / tokens];
            terms.add(&source[..if several { 4 } else { 3 }], 1.0);
        }
    })?;
    Ok([
        prepare(&exchange, &input, &by_token)?,
        prepare(&place, &by_token, &output)?,
    ])
}

fn prepare(map: &LinearMap, input: &Layout, output: &Layout) -> Result<PreparedMap> {
    Ok(PreparedMap::new(map, input, output, &CostModel::default())?)
}
