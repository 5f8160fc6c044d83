//! Arithmetic modulo one prime on registers of residues.

use super::words::{Sum, Words};
use ckks_math::arith::{Modulus, Shoup};

/// A register of an arithmetic.
pub type V<R> = <<R as Residues>::S as Words>::V;

/// The constants of one prime, for every arithmetic of a path.
#[derive(Clone, Copy)]
pub struct Constants {
    pub modulus: Modulus,
    /// `floor(2^52 / q)`.
    #[cfg(target_arch = "x86_64")]
    pub barrett: u64,
    /// `2^52 mod q`.
    pub carry: Shoup,
    /// 1, `2^s` and `2^2s` modulo `q`, for [`Words::LONG_SPLIT`].
    pub weights: [Shoup; 3],
}

impl Constants {
    pub fn new(m: Modulus, long_split: u32) -> Self {
        let weight = |e: u32| m.shoup(m.reduce_u128(1 << e));
        Self {
            modulus: m,
            #[cfg(target_arch = "x86_64")]
            barrett: (1 << 52) / m.value(),
            carry: weight(52),
            weights: [weight(0), weight(long_split), weight(2 * long_split)],
        }
    }
}

/// Residues modulo one prime, many at once.
///
/// In memory, residues are canonical words. Inside of a transform they have an *inner* form of any
/// bits ([`Residues::enter`], [`Residues::leave`]) with a range that lets some levels of
/// butterflies pass without reduction.
pub trait Residues: Copy {
    type S: Words;

    /// Levels of forward butterflies that [`Residues::settle`] makes room for.
    const EVERY: usize;
    /// Products of a [`Sum`] before [`Residues::finish`], at most.
    const LAZY: usize;
    /// Products of a [`Sum`] before [`Residues::finish_long`], at most.
    const LONG: usize;
    /// Whether vectors of factors are stored with their quotients, or follow from those.
    const VALUES: bool;

    fn new(s: Self::S, n: &Constants) -> Self;
    fn s(&self) -> Self::S;

    /// The modulus.
    fn q(&self) -> V<Self>;

    /// A constant and its quotient, as [`Residues::times`] reads them.
    fn pair(m: Modulus, w: Shoup) -> [u64; 2];

    /// The constants that belong to quotients, where not [`Residues::VALUES`].
    fn value(&self, quotient: V<Self>) -> V<Self>;

    /// A residue in inner form.
    fn enter(&self, x: V<Self>) -> V<Self>;

    /// A residue of any inner form that butterflies leave.
    fn leave(&self, x: V<Self>) -> V<Self>;

    /// A smaller inner form, where a forward butterfly is about to add to it.
    fn settle(&self, x: V<Self>) -> V<Self>;

    /// `x w` in inner form.
    fn times(&self, x: V<Self>, w: [V<Self>; 2]) -> V<Self>;

    /// The residue of a product just made.
    fn leave_product(&self, x: V<Self>) -> V<Self>;

    /// `(x + w y, x - w y)`, `x` settled at most [`Residues::EVERY`] levels ago.
    fn forward(&self, x: V<Self>, y: V<Self>, w: [V<Self>; 2]) -> (V<Self>, V<Self>);

    /// `(x + y, (x - y) w)` of residues just entered, or of such results.
    fn inverse(&self, x: V<Self>, y: V<Self>, w: [V<Self>; 2]) -> (V<Self>, V<Self>);

    /// `sum + x y` of words that the arithmetic takes.
    fn add_product(&self, sum: Sum<V<Self>>, x: V<Self>, y: V<Self>) -> Sum<V<Self>>;

    /// A sum of products and one more residue, modulo `q`.
    fn finish(&self, sum: Sum<V<Self>>) -> V<Self>;

    /// The same of more products.
    fn finish_long(&self, sum: Sum<V<Self>>) -> V<Self>;

    /// `x mod q` for any word.
    #[inline(always)]
    fn reduce(&self, x: V<Self>) -> V<Self> {
        self.finish(self.start(x))
    }

    /// A sum of no products, and `x`.
    #[inline(always)]
    fn start(&self, x: V<Self>) -> Sum<V<Self>> {
        let zero = self.s().splat(0);
        [x, zero, zero]
    }

    /// `x y mod q` of residues.
    #[inline(always)]
    fn product(&self, x: V<Self>, y: V<Self>) -> V<Self> {
        self.finish(self.add_product(self.start(self.s().splat(0)), x, y))
    }

    /// `x w mod q` of residues.
    #[inline(always)]
    fn mul(&self, x: V<Self>, w: [V<Self>; 2]) -> V<Self> {
        self.leave_product(self.times(self.enter(x), w))
    }

    /// `x + y` of residues.
    #[inline(always)]
    fn add(&self, x: V<Self>, y: V<Self>) -> V<Self> {
        self.s().subtract_once(self.s().add(x, y), self.q())
    }

    /// `x - y` of residues.
    #[inline(always)]
    fn sub(&self, x: V<Self>, y: V<Self>) -> V<Self> {
        self.s().lift(self.s().sub(x, y), self.q())
    }

    /// A constant in each word.
    #[inline(always)]
    fn constant(&self, m: Modulus, w: Shoup) -> [V<Self>; 2] {
        self.broadcast(Self::pair(m, w))
    }

    #[inline(always)]
    fn broadcast(&self, [value, quotient]: [u64; 2]) -> [V<Self>; 2] {
        [self.s().splat(value), self.s().splat(quotient)]
    }
}
