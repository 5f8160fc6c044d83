//! The operations that the description of the model is written in.

use crate::model::attention::{Anchor, Softmax};
use crate::model::function::Function;
use crate::model::projection::Projection;
use crate::model::site::Site;

/// Consecutive tokens: `len` of them, the first at position `start`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Positions {
    /// Position of the first token.
    pub start: usize,
    /// Number of tokens.
    pub len: usize,
}

impl Positions {
    /// Position after the last token: the number of keys that the last token sees.
    pub fn end(self) -> usize {
        self.start + self.len
    }
}

/// Runs the operations of the model on some kind of tensor.
///
/// Tensors are logical, `[group, token, channel]`: hidden states have one group, queries one per
/// head, keys and values one per kv head; attention weights are `[head, query, key]`. How they are
/// packed is the machine's own matter. A dimension of 1 is broadcast. `site` names the result
/// (the arguments in [`Machine::refresh`]) and with it the calibrated bound on its magnitude: a
/// machine may store `value / bound(site)`, folding the bounds into weights and constants.
///
/// A machine runs one pass: it knows the positions of the pass's tokens.
///
/// Every operation fails where a site whose range the machine needs has none, and on ciphertexts
/// also where a key is missing, where the device fails, and where whoever follows the progress of
/// the pass ends it. What may go wrong beyond that stands at the operation.
///
/// Levels are those of an encrypted run: plaintext or ciphertext product 1, polynomials as in
/// [`crate::model::function`].
pub trait Machine {
    /// A tensor.
    type Tensor: Clone;
    /// Keys and values of one layer, of the positions before the pass; empty by default.
    type Cache: Default;
    /// What can go wrong.
    type Error;

    /// The images of `x` under several projections, each `[heads, token, out / heads]`; groups of
    /// `x` are concatenated as channels. One level.
    ///
    /// # Errors
    ///
    /// As every operation, and without a level for the product.
    fn project<const N: usize>(
        &mut self,
        x: &Self::Tensor,
        projections: [&Projection; N],
    ) -> Result<[Self::Tensor; N], Self::Error>;

    /// Mean over all channels of `x^2`, `[1, token, 1]`. One level.
    ///
    /// # Errors
    ///
    /// As every operation, and without a level for the square.
    fn mean_square(&mut self, x: &Self::Tensor, site: Site) -> Result<Self::Tensor, Self::Error>;

    /// `f(x) * factor` for each of `factors`, shape of the factor, `x` broadcast. The argument of
    /// `f` is at `argument`.
    ///
    /// Levels: [`crate::model::function::depth_times`].
    ///
    /// # Errors
    ///
    /// As every operation, with too few levels for the polynomial, and where the machine needs a
    /// polynomial of `f` and there is none.
    fn apply_times<const N: usize>(
        &mut self,
        x: &Self::Tensor,
        f: &Function,
        factors: [&Self::Tensor; N],
        argument: Site,
        sites: [Site; N],
    ) -> Result<[Self::Tensor; N], Self::Error>;

    /// `x + y`, equal shapes. No level.
    ///
    /// # Errors
    ///
    /// As every operation, and where the operands cannot be brought to one level and scale.
    fn add(
        &mut self,
        x: &Self::Tensor,
        y: &Self::Tensor,
        site: Site,
    ) -> Result<Self::Tensor, Self::Error>;

    /// `x^2`. One level.
    ///
    /// # Errors
    ///
    /// As every operation, and without a level for the square.
    fn square(&mut self, x: &Self::Tensor, site: Site) -> Result<Self::Tensor, Self::Error>;

    /// Writes `keys` and `values` of the pass's tokens into `cache`, in place of all that it holds
    /// from the first of their positions on. Returns the keys and values of all positions up to
    /// the last token's, in the form that [`Machine::scores`] and [`Machine::mix`] take; `sites`
    /// are those of the keys and of the values.
    ///
    /// # Errors
    ///
    /// As every operation, with too few levels for bringing what windows wrote into the form of
    /// this pass, and where the pass does not begin where the cache ends.
    fn append(
        &mut self,
        cache: &mut Self::Cache,
        keys: &Self::Tensor,
        values: &Self::Tensor,
        sites: [Site; 2],
    ) -> Result<[Self::Tensor; 2], Self::Error>;

    /// `s[head, query, key] = sum_channel q[head, query, channel] *
    /// (k[kv(head), key, channel] - a)` where `key <= position(query)`, else 0;
    /// `kv(head) = head * kv_heads / heads`, and `a` is the anchor of the head at the query's
    /// position. One level.
    ///
    /// # Errors
    ///
    /// As every operation, and with too few levels for the products.
    fn scores(
        &mut self,
        queries: &Self::Tensor,
        keys: &Self::Tensor,
        anchor: Option<&Anchor<'_>>,
        site: Site,
    ) -> Result<Self::Tensor, Self::Error>;

    /// `exp((score - shift[head]) / 2^k)` where `key <= position(query)`, else 0. The argument of
    /// the exponential is at `argument`.
    ///
    /// Levels: those of the polynomial; the mask belongs to its coefficients.
    ///
    /// # Errors
    ///
    /// As every operation, with too few levels for the polynomial, and where the machine needs a
    /// polynomial of the exponential and there is none.
    fn exponential(
        &mut self,
        scores: &Self::Tensor,
        softmax: &Softmax,
        argument: Site,
        site: Site,
    ) -> Result<Self::Tensor, Self::Error>;

    /// Sum over the keys, `[head, query, 1]`. No level.
    ///
    /// # Errors
    ///
    /// As every operation.
    fn sum_keys(&mut self, x: &Self::Tensor, site: Site) -> Result<Self::Tensor, Self::Error>;

    /// `m[head, query, channel] = sum_key w[head, query, key] * v[kv(head), key, channel]`.
    /// One level.
    ///
    /// # Errors
    ///
    /// As every operation, and with too few levels for the products.
    fn mix(
        &mut self,
        weights: &Self::Tensor,
        values: &Self::Tensor,
        site: Site,
    ) -> Result<Self::Tensor, Self::Error>;

    /// The last token of `x` alone. No level: the others are ignored from here on.
    ///
    /// # Errors
    ///
    /// None of the machines here fails.
    fn last(&mut self, x: &Self::Tensor) -> Result<Self::Tensor, Self::Error>;

    /// A place where tensors, each with `|x| <= bound(site)`, may be bootstrapped; the machine
    /// decides, and may do so for those of one projection together.
    ///
    /// # Errors
    ///
    /// As every operation, and where a tensor has no level left to bootstrap from.
    fn refresh<const N: usize>(
        &mut self,
        tensors: [Self::Tensor; N],
        sites: [Site; N],
    ) -> Result<[Self::Tensor; N], Self::Error>;

    /// `work(tensors)`, which does the same at every position: a machine may run it in another
    /// form. `site` names the work.
    ///
    /// # Errors
    ///
    /// Those of `work`, and those of the machine where it captures and repeats that.
    fn fixed<const N: usize, const K: usize>(
        &mut self,
        _site: Site,
        tensors: [Self::Tensor; N],
        mut work: impl FnMut(&mut Self, [Self::Tensor; N]) -> Result<[Self::Tensor; K], Self::Error>,
    ) -> Result<[Self::Tensor; K], Self::Error> {
        work(self, tensors)
    }
}
