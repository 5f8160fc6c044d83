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
//! step:   queries, mixed values     [dim][head][key: copies]
//!         cached keys and values    [dim][head][key]
//!         scores, weights           [head][key]
//! ```
//!
//! Sums over channels and offsets run over the slowest axis and cost no level; so do those over
//! `dim` in a step. Key and value heads are repeated for their query heads by the projection.

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

    /// Whether this is a decoding step: one token that meets a cache.
    pub fn is_step(self) -> bool {
        self.start > 0
    }
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
            Role::Query | Role::Mixed => self.per_head()?,
            Role::Key | Role::Value if self.shape.is_step() => self.cache()?,
            Role::Key | Role::Value => self.per_head()?,
            Role::Scores | Role::Powers(_) => self.scores()?,
            Role::Gate | Role::Up | Role::Product => self.channels(config.intermediate)?,
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
            self.layout(&[copies, self.head(), self.dims()])
        } else {
            self.layout(&[self.token(), self.head(), self.dims()])
        }
    }

    /// Keys or values of all positions of the session.
    pub fn cache(&self) -> Result<Layout> {
        self.layout(&[self.key(), self.head(), self.dims()])
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
            self.layout(&[self.key(), self.head()])
        } else {
            self.layout(&[self.token(), self.head(), self.offset()])
        }
    }

    /// Whether the query and the key at an index of [`Packing::scores`] see each other.
    pub fn visible(&self, index: &[usize]) -> bool {
        if self.shape.is_step() {
            index[0] <= self.shape.start
        } else {
            index[2] <= index[0]
        }
    }

    /// The head at an index of [`Packing::scores`].
    pub fn head_at(&self, index: &[usize]) -> usize {
        index[1]
    }
}
