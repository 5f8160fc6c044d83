//! Where the tensors of one pass lie in the slots.
//!
//! A pass runs a window of `T` positions that starts at a multiple of `T`, or a single position.
//! Slowest axis first, with `H` heads, `D` channels a head, `J` positions of capacity in
//! `C = J / T` windows:
//!
//! ```text
//! hidden states, gate, up, logits    [channel][token]
//! window: queries                    [dim][head][token]
//!         keys, values               [window][dim][head][token]
//!         the same, by offset        [offset][window][dim][head][token]
//!         scores, weights            [offset][window][head][token]
//! step:   queries, mixed values      [dim][key: copies][head]
//!         keys, values               [dim][key][head]
//!         scores, weights            [key][head]
//! ```
//!
//! By offset means: the key at `offset` and `window` of the query `token` is the key number
//! `token - offset mod T` of that window, so that each query is aligned with every key once. The
//! first window of a session sees no other; its tensors have no axis `window`.
//!
//! Tensors that one projection makes of the same input lie side by side in one ciphertext where it
//! has room, as parts along the slowest axis: gate and up, and in a step queries, keys and values.
//! They share diagonals, polynomials and bootstraps. Queries, keys and values are parts 0, 1 and 3
//! of 8: the differences of 0, 1 and 3 modulo 8 are distinct, so that rotating by one part aligns
//! queries with keys and every other product is one with zeros. A sum over all parts is therefore
//! the sum over the keys' part.
//!
//! Sums over channels, offsets, windows, and keys of a step run over the slowest axes and cost no
//! level; so do those over `dim` in a step. Key and value heads are repeated for their query heads
//! by the projection.

use he_linalg::{Axis, Field, Layout};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::error::Result;
use crate::model::{Role, Site};

/// Tokens of a window, where the capacity of the session is not smaller.
pub const WINDOW: usize = 16;

/// Axis of the windows of a session.
pub(super) const WINDOWS: Axis = Axis::new("window");

/// What kinds of passes there are: all passes of a kind have the same layouts, plan and keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PassKind {
    /// The first window of a session, which attends to itself.
    First,
    /// A later window, which attends to all windows up to itself.
    Later,
    /// A single token behind the windows.
    Step,
}

impl PassKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::First, Self::Later, Self::Step];
}

/// The sizes of one pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shape {
    /// What kind of pass this is.
    pub kind: PassKind,
    /// Tokens that run together, a power of two.
    pub tokens: usize,
    /// Real tokens among them: the first `used`; the rest pad the window.
    pub used: usize,
    /// Position of the first token.
    pub start: usize,
    /// Positions of the session, a power of two.
    pub capacity: usize,
}

impl Shape {
    /// Tokens of a window in a session of `capacity` positions.
    pub fn window_tokens(capacity: usize) -> usize {
        WINDOW.min(capacity.next_power_of_two())
    }

    /// The pass over the window that starts at position `start`, a multiple of
    /// [`Shape::window_tokens`], with `used` real tokens.
    pub fn window(start: usize, used: usize, capacity: usize) -> Self {
        Self {
            kind: if start == 0 {
                PassKind::First
            } else {
                PassKind::Later
            },
            tokens: Self::window_tokens(capacity),
            used,
            start,
            capacity: capacity.next_power_of_two(),
        }
    }

    /// The pass over the one token at `position`.
    pub fn step(position: usize, capacity: usize) -> Self {
        Self {
            kind: PassKind::Step,
            tokens: 1,
            used: 1,
            start: position,
            capacity: capacity.next_power_of_two(),
        }
    }

    /// A pass of a kind, in sizes that all of them have in common: `None` where a session of
    /// `capacity` positions has none of that kind.
    pub fn of_kind(kind: PassKind, capacity: usize) -> Option<Self> {
        let tokens = Self::window_tokens(capacity);
        match kind {
            PassKind::First => Some(Self::window(0, tokens.min(capacity), capacity)),
            PassKind::Later if capacity <= tokens => None,
            PassKind::Later => Some(Self::window(
                tokens,
                tokens.min(capacity - tokens),
                capacity,
            )),
            PassKind::Step if capacity < 2 => None,
            PassKind::Step => Some(Self::step(1, capacity)),
        }
    }

    /// Position behind the last real token.
    pub fn end(self) -> usize {
        self.start + self.used
    }

    /// The tokens that the pass computes on, of a text that holds its positions. Padding is
    /// computed like any token and must stay in the calibrated ranges: it repeats the text, behind
    /// the token that opens it.
    ///
    /// # Panics
    ///
    /// When the text has no tokens at the positions of the pass.
    pub fn padded(self, text: &[u32]) -> Vec<u32> {
        let repeated = if text.len() > 1 { &text[1..] } else { text };
        let own = text[self.start..self.end()].iter();
        let all = own.chain(repeated.iter().cycle());
        all.copied().take(self.tokens).collect()
    }

    /// Whether this is a decoding step.
    pub fn is_step(self) -> bool {
        self.kind == PassKind::Step
    }

    /// The same without what differs among passes of one kind.
    pub fn common(self) -> Self {
        Self {
            start: 0,
            used: 0,
            ..self
        }
    }

    /// Number of windows that the pass attends to.
    fn windows(self) -> usize {
        match self.kind {
            PassKind::Later => self.capacity / self.tokens,
            PassKind::First | PassKind::Step => 1,
        }
    }
}

/// Parts of queries, keys and values in their common ciphertext.
const ATTENTION_PARTS: [usize; 3] = [0, 1, 3];
/// Number of parts that their ciphertext has room for.
const ATTENTION_ROOM: usize = 8;
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

/// A channel of a key that is aligned with a query.
#[derive(Clone, Copy, Debug)]
pub struct Aligned {
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

    /// The same model in a pass of another shape.
    pub fn with_shape(self, shape: Shape) -> Self {
        Self { shape, ..self }
    }

    /// Width of the residual stream.
    pub fn hidden(&self) -> usize {
        self.hidden
    }

    /// The period of the tensor at a site that may be bootstrapped.
    ///
    /// # Errors
    ///
    /// When the tensor has more places than an address has bits for.
    pub fn of_site(&self, site: Site, config: &Config) -> Result<usize> {
        let layout = match site.role {
            Role::Query | Role::Mixed if self.shape.is_step() => self.cache()?,
            Role::Query | Role::Mixed => self.per_head()?,
            Role::Key | Role::Value if self.shape.is_step() => self.cache()?,
            Role::Key | Role::Value => self.windows()?,
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

    /// Periods of the tensors that may be bootstrapped, ascending.
    ///
    /// # Errors
    ///
    /// As [`Packing::of_site`].
    pub fn bootstrapped_periods(&self, config: &Config) -> Result<Vec<usize>> {
        let roles = [
            Role::Hidden,
            Role::Query,
            Role::Key,
            Role::Value,
            Role::Scores,
            Role::Mixed,
            Role::HiddenMiddle,
            Role::Gate,
            Role::Product,
        ];
        let periods = roles.map(|role| self.of_site(Site::new(0, role), config));
        let mut periods = periods.into_iter().collect::<Result<Vec<_>>>()?;
        periods.sort_unstable();
        periods.dedup();
        Ok(periods)
    }

    /// Number of heads in the layouts.
    pub fn heads(&self) -> usize {
        self.heads
    }

    fn layout(&self, fields: &[Field]) -> Result<Layout> {
        Ok(Layout::new(self.log_slots, fields)?)
    }

    /// A layout of `fields`, with the axis of windows before the first `above` of them, counted
    /// from the slowest, where the pass attends to several.
    fn over_windows(&self, mut fields: Vec<Field>, above: usize) -> Result<Layout> {
        let windows = self.shape.windows();
        if windows > 1 {
            fields.insert(fields.len() - above, Field::new(WINDOWS, windows));
        }
        self.layout(&fields)
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
        Field::new(Axis::KEY, self.shape.capacity)
    }

    fn offset(&self) -> Field {
        Field::new(Axis::OFFSET, self.shape.tokens)
    }

    /// `[channel][token]`.
    ///
    /// # Errors
    ///
    /// As [`Layout::new`].
    pub fn channels(&self, channels: usize) -> Result<Layout> {
        self.layout(&[self.token(), Field::new(Axis::CHANNEL, channels)])
    }

    /// One number per token.
    ///
    /// # Errors
    ///
    /// As [`Layout::new`].
    pub fn per_token(&self) -> Result<Layout> {
        self.layout(&[self.token()])
    }

    /// Queries and mixed values.
    ///
    /// # Errors
    ///
    /// As [`Layout::new`].
    pub fn per_head(&self) -> Result<Layout> {
        if self.shape.is_step() {
            let copies = Field::replica(self.key().log_size);
            self.layout(&[self.head(), copies, self.dims()])
        } else {
            self.layout(&[self.token(), self.head(), self.dims()])
        }
    }

    /// Keys or values of all windows that a window attends to.
    ///
    /// # Errors
    ///
    /// As [`Layout::new`].
    pub fn windows(&self) -> Result<Layout> {
        self.over_windows(vec![self.token(), self.head(), self.dims()], 0)
    }

    /// [`Packing::windows`] with heads and tokens exchanged: the order of a step's cache.
    ///
    /// # Errors
    ///
    /// As [`Layout::new`].
    pub fn windows_by_token(&self) -> Result<Layout> {
        self.over_windows(vec![self.head(), self.token(), self.dims()], 0)
    }

    /// Keys or values of all positions of the session as a step has them, in the layout that they
    /// share with queries where there is room.
    ///
    /// # Errors
    ///
    /// As [`Layout::new`].
    pub fn cache(&self) -> Result<Layout> {
        let parts = Field::new(Axis::PART, ATTENTION_ROOM);
        let joined = self.layout(&[self.head(), self.key(), self.dims(), parts])?;
        if joined.ciphertexts() == 1 {
            return Ok(joined);
        }
        self.layout(&[self.head(), self.key(), self.dims()])
    }

    /// The part of cached keys and of cached values; none when they are not parts of anything.
    ///
    /// # Errors
    ///
    /// As [`Layout::new`].
    pub fn cache_parts(&self) -> Result<[Option<usize>; 2]> {
        let joined = self.cache()?.component(Axis::PART).is_some();
        let [_, key, value] = ATTENTION_PARTS;
        Ok([key, value].map(|part| joined.then_some(part)))
    }

    /// How the results of projections of one input share a ciphertext; `None` when they do not.
    ///
    /// # Errors
    ///
    /// As [`Layout::new`].
    pub fn joined(&self, roles: &[Role], outputs: usize) -> Result<Option<Joined>> {
        let (layout, parts): (_, &'static [usize]) = match roles {
            [Role::QueryRaw | Role::Query, _, _] if self.shape.is_step() => {
                (self.cache()?, &ATTENTION_PARTS)
            }
            [Role::GateRaw, Role::UpRaw] => {
                let parts = Field::new(Axis::PART, GATE_PARTS.len());
                let channels = Field::new(Axis::CHANNEL, outputs);
                (self.layout(&[self.token(), channels, parts])?, &GATE_PARTS)
            }
            _ => return Ok(None),
        };
        let fits = layout.ciphertexts() == 1 && layout.component(Axis::PART).is_some();
        Ok(fits.then_some(Joined { layout, parts }))
    }

    /// Keys or values of the windows, by offset.
    ///
    /// # Errors
    ///
    /// As [`Layout::new`].
    pub fn by_offset(&self) -> Result<Layout> {
        let fields = vec![self.token(), self.head(), self.dims(), self.offset()];
        self.over_windows(fields, 1)
    }

    /// Attention weights of a window, copied along the channels of a head.
    ///
    /// # Errors
    ///
    /// As [`Layout::new`].
    pub fn weights_by_offset(&self) -> Result<Layout> {
        let copies = Field::replica(self.dims().log_size);
        let fields = vec![self.token(), self.head(), copies, self.offset()];
        self.over_windows(fields, 1)
    }

    /// Scores and attention weights.
    ///
    /// # Errors
    ///
    /// As [`Layout::new`].
    pub fn scores(&self) -> Result<Layout> {
        if self.shape.is_step() {
            self.layout(&[self.head(), self.key()])
        } else {
            self.over_windows(vec![self.token(), self.head(), self.offset()], 1)
        }
    }

    /// The axes along which [`Packing::scores`] lists the keys of a query.
    pub fn key_axes(&self) -> &'static [Axis] {
        match self.shape.kind {
            PassKind::Step => &[Axis::KEY],
            PassKind::First => &[Axis::OFFSET],
            PassKind::Later => &[WINDOWS, Axis::OFFSET],
        }
    }

    /// The position of the key at `offset` of `window` from the query at `token`.
    fn key_position(&self, token: usize, window: usize, offset: usize) -> usize {
        let tokens = self.shape.tokens;
        window * tokens + (token + tokens - offset) % tokens
    }

    /// Whether the query at `token` sees the key at a position: one not behind it, and not of a
    /// token that pads the window.
    fn sees(&self, token: usize, key: usize) -> bool {
        key <= self.shape.start + token && key < self.shape.end()
    }

    /// Whether the query and the key at an index of [`Packing::scores`] see each other.
    pub fn visible(&self, index: &[usize]) -> bool {
        match *index {
            [_, key] => self.sees(0, key),
            [token, _, offset] => self.sees(token, self.key_position(token, 0, offset)),
            [token, _, window, offset] => {
                self.sees(token, self.key_position(token, window, offset))
            }
            _ => false,
        }
    }

    /// What an index of the keys that are aligned with queries stands for: of [`Packing::cache`]
    /// in a step, of [`Packing::by_offset`] in a window.
    pub fn aligned_at(&self, index: &[usize]) -> Aligned {
        let aligned = |token, head, dim, visible| Aligned {
            token,
            head,
            dim,
            visible,
        };
        let offset_at =
            |token, window, offset| self.sees(token, self.key_position(token, window, offset));
        match (index, self.shape.is_step()) {
            (&[head, key, dim, ref part @ ..], true) => {
                let keys = part.first().is_none_or(|part| *part == ATTENTION_PARTS[1]);
                aligned(0, head, dim, keys && self.sees(0, key))
            }
            (&[token, head, dim, offset], false) => {
                aligned(token, head, dim, offset_at(token, 0, offset))
            }
            (&[token, head, dim, window, offset], false) => {
                aligned(token, head, dim, offset_at(token, window, offset))
            }
            _ => aligned(0, 0, 0, false),
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
    fn padding_repeats_the_text_behind_the_token_that_opens_it() {
        let text: Vec<u32> = (100..120).collect();
        let whole = Shape::window(0, 16, 32).padded(&text);
        assert_eq!(whole, text[..16]);
        let part = Shape::window(16, 4, 32).padded(&text);
        assert_eq!(part[..4], text[16..]);
        assert_eq!(part[4..], text[1..13]);
        assert_eq!(Shape::window(0, 1, 4).padded(&[7]), [7; 4]);
        assert_eq!(Shape::step(18, 32).padded(&text), [118]);
    }

    #[test]
    fn a_query_sees_the_keys_up_to_its_own_and_none_of_padding() {
        let tokens = 4;
        let shape = Shape {
            kind: PassKind::Later,
            tokens,
            used: 3,
            start: 8,
            capacity: 16,
        };
        let packing = Packing {
            log_slots: 12,
            shape,
            heads: 1,
            dim: 2,
            hidden: 2,
        };
        for token in 0..tokens {
            let mut seen = Vec::new();
            for (window, offset) in (0..16).map(|i| (i / tokens, i % tokens)) {
                if packing.visible(&[token, 0, window, offset]) {
                    seen.push(packing.key_position(token, window, offset));
                }
            }
            seen.sort_unstable();
            let end = (8 + token + 1).min(11);
            assert_eq!(seen, (0..end).collect::<Vec<_>>(), "{token}");
        }
    }
}
