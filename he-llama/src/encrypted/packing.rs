//! Where the tensors of one pass lie in the slots.
//!
//! A pass runs `tokens` positions (a power of two: the padded prompt, or 1 for a decoding step).
//! Slowest axis first, with `T` tokens, `H` heads, `D` channels a head, `J` keys of capacity:
//!
//! ```text
//! hidden states, gate, up, logits   [channel][token]
//! prompt: queries, keys, values     [dim][head][token]
//!         keys met by queries       [offset][dim][head][token]   key of token - offset
//!         scores, weights           [offset][head][token]
//! step:   queries, mixed values     [dim][key: copies][head]
//!         cached keys and values    [dim][key][head]
//!         scores, weights           [key][head]
//! ```
//!
//! Tensors that one projection makes of the same input lie side by side in one ciphertext where it
//! has room, as parts along the slowest axis: gate and up, and in a step queries, keys and values.
//! They share diagonals, polynomials and bootstraps. Queries, keys and values are parts 0, 1 and 3
//! of 8: turned by one part queries meet cached keys, and nothing else meets anything, so that a
//! sum over all parts is the sum over the keys' one.
//!
//! Sums over channels, offsets, and keys of a step run over the slowest axis and cost no level; so
//! do those over `dim` in a step. Key and value heads are repeated for their query heads by the projection.

use he_linalg::{Axis, Field, Layout};

use crate::config::Config;
use crate::error::Result;
use crate::model::{Role, Site};

/// The sizes of one pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shape {
    /// Tokens that run together, a power of two.
    pub tokens: usize,
    /// Real tokens among them: the first `used`; the rest pad the prompt.
    pub used: usize,
    /// Position of the first token.
    pub start: usize,
    /// Positions that the cache has room for, a power of two.
    pub keys: usize,
}

impl Shape {
    /// The pass over a prompt of `len` tokens in a session with room for `keys` positions.
    pub fn prompt(len: usize, keys: usize) -> Self {
        let tokens = len.next_power_of_two();
        Self {
            tokens,
            used: len,
            start: 0,
            keys: keys.next_power_of_two(),
        }
    }

    /// The pass over the one token at `position`.
    pub fn step(position: usize, keys: usize) -> Self {
        Self {
            tokens: 1,
            used: 1,
            start: position,
            keys: keys.next_power_of_two(),
        }
    }

    /// The tokens that the pass computes on: `ids`, then the prompt again, behind the token that
    /// opens it, up to [`Shape::tokens`]. Padding is computed like any token and must stay in the
    /// calibrated ranges.
    pub fn padded(self, ids: &[u32]) -> Vec<u32> {
        let repeated = if ids.len() > 1 { &ids[1..] } else { ids };
        let all = ids.iter().chain(repeated.iter().cycle());
        all.copied().take(self.tokens).collect()
    }

    /// Whether this is a decoding step: one token that meets a cache.
    pub fn is_step(self) -> bool {
        self.start > 0
    }
}

/// Parts of queries, keys and values in their common ciphertext.
const ATTENTION_PARTS: [usize; 3] = [0, 1, 3];
/// Places for them: `q + s`, `k + s` and `v + s` for `s = k - q` meet `q`, `k`, `v` nowhere but in
/// `k`.
const ATTENTION_PLACES: usize = 8;
/// Parts of gate and up.
const GATE_PARTS: [usize; 2] = [0, 1];

/// Tensors in one ciphertext.
#[derive(Clone, Debug)]
pub struct Joined {
    /// Their common layout, with [`Axis::PART`] on top.
    pub layout: Layout,
    /// The part of each.
    pub parts: &'static [usize],
}

/// A channel of a key that a query meets.
#[derive(Clone, Copy, Debug)]
pub struct Met {
    /// The query's token, counted from the first of the pass.
    pub token: usize,
    /// The query's head.
    pub head: usize,
    /// The channel of the head.
    pub dim: usize,
    /// Whether the query sees the key.
    pub visible: bool,
}

/// The layouts of one pass.
#[derive(Clone, Copy, Debug)]
pub struct Packing {
    log_slots: u32,
    shape: Shape,
    heads: usize,
    dim: usize,
    hidden: usize,
}

impl Packing {
    /// The layouts for a model in ciphertexts of `2^log_slots` slots.
    ///
    /// The number of heads is rounded up to a power of two; the extra ones repeat real heads.
    pub fn new(config: &Config, shape: Shape, log_slots: u32) -> Self {
        Self {
            log_slots,
            shape,
            heads: config.heads.next_power_of_two(),
            dim: config.head_dim,
            hidden: config.hidden,
        }
    }

    /// The sizes.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Width of the residual stream.
    pub fn hidden(&self) -> usize {
        self.hidden
    }

    /// The period of the tensor at a site that may be bootstrapped.
    pub fn of_site(&self, site: Site, config: &Config) -> Result<usize> {
        let layout = match site.role {
            Role::Query | Role::Mixed if self.shape.is_step() => self.cache()?,
            Role::Query | Role::Mixed => self.per_head()?,
            Role::Key | Role::Value if self.shape.is_step() => self.cache()?,
            Role::Key | Role::Value => self.per_head()?,
            Role::Scores | Role::Powers(_) => self.scores()?,
            Role::Gate | Role::Up | Role::Product => {
                match self.joined(&[Role::GateRaw, Role::UpRaw], config.intermediate)? {
                    Some(joined) => joined.layout,
                    None => self.channels(config.intermediate)?,
                }
            }
            _ => self.channels(config.hidden)?,
        };
        Ok(layout.period())
    }

    /// Number of heads in the layouts.
    pub fn heads(&self) -> usize {
        self.heads
    }

    fn layout(&self, fields: &[Field]) -> Result<Layout> {
        Ok(Layout::new(self.log_slots, fields)?)
    }

    fn token(&self) -> Field {
        Field::new(Axis::TOKEN, self.shape.tokens)
    }

    fn head(&self) -> Field {
        Field::new(Axis::HEAD, self.heads)
    }

    fn dims(&self) -> Field {
        Field::new(Axis::DIM, self.dim)
    }

    fn key(&self) -> Field {
        Field::new(Axis::KEY, self.shape.keys)
    }

    fn offset(&self) -> Field {
        Field::new(Axis::OFFSET, self.shape.tokens)
    }

    /// `[channel][token]`.
    pub fn channels(&self, channels: usize) -> Result<Layout> {
        self.layout(&[self.token(), Field::new(Axis::CHANNEL, channels)])
    }

    /// One number per token.
    pub fn per_token(&self) -> Result<Layout> {
        self.layout(&[self.token()])
    }

    /// Queries and mixed values; for a prompt keys and values too.
    pub fn per_head(&self) -> Result<Layout> {
        if self.shape.is_step() {
            let copies = Field::replica(self.key().log_size);
            self.layout(&[self.head(), copies, self.dims()])
        } else {
            self.layout(&[self.token(), self.head(), self.dims()])
        }
    }

    /// Keys or values of a prompt in the order of the cache.
    pub fn by_token(&self) -> Result<Layout> {
        self.layout(&[self.head(), self.token(), self.dims()])
    }

    /// Keys or values of all positions of the session, in the layout that they share with queries
    /// where there is room.
    pub fn cache(&self) -> Result<Layout> {
        let places = Field::new(Axis::PART, ATTENTION_PLACES);
        let joined = self.layout(&[self.head(), self.key(), self.dims(), places])?;
        if joined.ciphertexts() == 1 {
            return Ok(joined);
        }
        self.layout(&[self.head(), self.key(), self.dims()])
    }

    /// The part of cached keys and of cached values; none when they are not parts of anything.
    pub fn cache_parts(&self) -> Result<[Option<usize>; 2]> {
        let joined = self.cache()?.component(Axis::PART).is_some();
        let [_, key, value] = ATTENTION_PARTS;
        Ok([key, value].map(|part| joined.then_some(part)))
    }

    /// How the results of projections of one input share a ciphertext; `None` when they do not.
    pub fn joined(&self, roles: &[Role], outputs: usize) -> Result<Option<Joined>> {
        let (layout, parts): (_, &'static [usize]) = match roles {
            [Role::QueryRaw | Role::Query, _, _] if self.shape.is_step() => {
                (self.cache()?, &ATTENTION_PARTS)
            }
            [Role::GateRaw, Role::UpRaw] => {
                let places = Field::new(Axis::PART, GATE_PARTS.len());
                let channels = Field::new(Axis::CHANNEL, outputs);
                (self.layout(&[self.token(), channels, places])?, &GATE_PARTS)
            }
            _ => return Ok(None),
        };
        let fits = layout.ciphertexts() == 1 && layout.component(Axis::PART).is_some();
        Ok(fits.then_some(Joined { layout, parts }))
    }

    /// The keys or values that each query of a prompt meets.
    pub fn by_offset(&self) -> Result<Layout> {
        self.layout(&[self.token(), self.head(), self.dims(), self.offset()])
    }

    /// Attention weights of a prompt, copied along the channels of a head.
    pub fn weights_by_offset(&self) -> Result<Layout> {
        let copies = Field::replica(self.dims().log_size);
        self.layout(&[self.token(), self.head(), copies, self.offset()])
    }

    /// Scores and attention weights.
    pub fn scores(&self) -> Result<Layout> {
        if self.shape.is_step() {
            self.layout(&[self.head(), self.key()])
        } else {
            self.layout(&[self.token(), self.head(), self.offset()])
        }
    }

    /// Whether the query and the key at an index of [`Packing::scores`] see each other.
    pub fn visible(&self, index: &[usize]) -> bool {
        if self.shape.is_step() {
            index[1] <= self.shape.start
        } else {
            index[2] <= index[0]
        }
    }

    /// What an index of the keys that queries meet stands for: of [`Packing::cache`] in a step,
    /// of [`Packing::by_offset`] for a prompt.
    pub fn met_at(&self, index: &[usize]) -> Met {
        if self.shape.is_step() {
            Met {
                token: 0,
                head: index[0],
                dim: index[2],
                visible: index[1] <= self.shape.start
                    && index.get(3).is_none_or(|part| *part == ATTENTION_PARTS[1]),
            }
        } else {
            Met {
                token: index[0],
                head: index[1],
                dim: index[2],
                visible: index[3] <= index[0],
            }
        }
    }

    /// The head at an index of [`Packing::scores`].
    pub fn head_at(&self, index: &[usize]) -> usize {
        index[usize::from(!self.shape.is_step())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_are_padded_with_their_own_tokens_but_the_first() {
        let padded = |ids: &[u32]| Shape::prompt(ids.len(), 16).padded(ids);
        assert_eq!(padded(&[7, 8, 9, 1, 2]), [7, 8, 9, 1, 2, 8, 9, 1]);
        assert_eq!(padded(&[7, 8, 9]), [7, 8, 9, 8]);
        assert_eq!(padded(&[7, 8]), [7, 8]);
        assert_eq!(padded(&[7]), [7]);
        assert_eq!(Shape::step(5, 16).padded(&[3]), [3]);
    }
}
