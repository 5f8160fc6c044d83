//! The coefficients of projections, read from the weights when they are encoded.

use he_linalg::{Axis, Coefficients, Layout, Terms};

use crate::config::Config;
use crate::encrypted::packing::{Shape, WINDOWS};
use crate::model::{Projection, Role};

/// A projection as a part of an output.
#[derive(Clone)]
pub struct Part {
    /// The projection.
    pub projection: Projection,
    /// What its result is multiplied by.
    pub factor: f64,
    /// Its index along [`Axis::PART`] of the output, 0 where there is none.
    pub part: usize,
}

impl Part {
    /// Whether it differs from position to position.
    fn rotates(&self) -> bool {
        self.projection.rope.is_some()
    }

    fn is_query(&self) -> bool {
        matches!(self.projection.site.role, Role::QueryRaw | Role::Query)
    }
}

/// Which keys and values a projection writes, where its output has room for those of several
/// positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// All that some pass writes: for the structure that all passes share.
    Any,
    /// Those of one pass.
    Of(Shape),
}

/// Projections of one input into one output.
///
/// Heads of the layouts beyond the model's repeat real ones; keys and values are written only at
/// the pass's own position or window.
pub struct Weights {
    parts: Vec<Part>,
    heads: usize,
    written: Written,
    /// Entry 0 of the input, in the part that it lies in.
    corner: Vec<usize>,
    /// Components of an input index: the token's, and the channel's, fastest first.
    token_in: Option<usize>,
    channel_in: Vec<usize>,
    /// Lengths of the axes of the output.
    lens: Vec<usize>,
    output: Components,
}

/// The components of an output index.
struct Components {
    token: Option<usize>,
    channel: Option<usize>,
    head: Option<usize>,
    dim: Option<usize>,
    key: Option<usize>,
    window: Option<usize>,
    part: Option<usize>,
}

impl Weights {
    /// `parts` of a tensor packed by `input`, which lies in the part `from` where it has parts.
    pub fn new(
        parts: Vec<Part>,
        config: &Config,
        written: Written,
        (input, from): (&Layout, usize),
        output: &Layout,
    ) -> Self {
        let mut corner = vec![0; input.lens().len()];
        if let Some(part) = input.component(Axis::PART) {
            corner[part] = from;
        }
        let channel_in = match input.component(Axis::CHANNEL) {
            Some(channel) => vec![channel],
            None => [Axis::DIM, Axis::HEAD]
                .into_iter()
                .filter_map(|axis| input.component(axis))
                .collect(),
        };
        let at = |axis| output.component(axis);
        Self {
            parts,
            heads: config.heads,
            written,
            corner,
            token_in: input.component(Axis::TOKEN),
            channel_in,
            lens: output.lens(),
            output: Components {
                token: at(Axis::TOKEN),
                channel: at(Axis::CHANNEL),
                head: at(Axis::HEAD),
                dim: at(Axis::DIM),
                key: at(Axis::KEY),
                window: at(WINDOWS),
                part: at(Axis::PART),
            },
        }
    }

    /// Whether coefficients differ among passes of one kind.
    pub fn vary(&self) -> bool {
        let places = self.output.key.is_some() || self.output.window.is_some();
        let mut parts = self.parts.iter();
        parts.any(|part| part.rotates() || (places && !part.is_query()))
    }

    /// Whether the pass writes an entry of the output.
    fn writes(&self, part: &Part, index: &[usize]) -> bool {
        let Written::Of(shape) = self.written else {
            return true;
        };
        part.is_query()
            || (self.output.key.is_none_or(|k| index[k] == shape.start)
                && (self.output.window).is_none_or(|w| index[w] == shape.start / shape.tokens))
    }

    /// The number of an output entry.
    fn flat(&self, index: &[usize]) -> usize {
        let pairs = index.iter().zip(&self.lens).rev();
        pairs.fold(0, |flat, (i, len)| flat * len + i)
    }

    /// The position of a token of the pass.
    fn position(&self, token: usize) -> usize {
        match self.written {
            Written::Any => token,
            Written::Of(shape) => shape.start + token,
        }
    }
}

impl Coefficients for Weights {
    fn row(&self, index: &[usize], terms: &mut Terms<'_>) -> he_linalg::Result<()> {
        let read = |at: Option<usize>| at.map_or(0, |i| index[i]);
        let wanted = read(self.output.part);
        let mut parts = self.parts.iter().enumerate();
        let Some((number, part)) = parts.find(|(_, part)| part.part == wanted) else {
            return Ok(());
        };
        let p = &part.projection;
        let outputs = p.outputs();
        let channel = match self.output.channel {
            Some(channel) => index[channel],
            None => {
                let head = read(self.output.head) % self.heads;
                head * p.heads / self.heads * (outputs / p.heads) + read(self.output.dim)
            }
        };
        if channel >= outputs || !self.writes(part, index) {
            return Ok(());
        }
        let token = read(self.output.token);
        let mut corner = self.corner.clone();
        if let Some(at) = self.token_in {
            corner[at] = token;
        }
        let key = match self.written {
            // Where passes write different entries no two rows are the same in all of them.
            Written::Any if self.vary() => self.flat(index),
            _ => {
                let token = if part.rotates() { token } else { 0 };
                (token * self.parts.len() + number) * outputs + channel
            }
        };
        let key = key as u64;
        terms.add_row(key, &corner, &self.channel_in, p.inputs(), |row| {
            p.row_at(self.position(token), channel, row);
            row.iter_mut().for_each(|w| *w *= part.factor);
            Ok(())
        });
        Ok(())
    }
}
