//! Any prime, with 64-bit quotients whose products are put together from 32-bit ones.

use super::residues::{Constants, Residues};
use super::words::{Sum, Words};
use ckks_math::arith::{Modulus, Shoup};

/// `q < 2^61`; inner forms are in `[0, 4q)` [Harvey 2014].
#[derive(Clone, Copy)]
pub struct Wide<S: Words> {
    s: S,
    q: S::V,
    q2: S::V,
    weights: [[S::V; 2]; 3],
}

impl<S: Words> Residues for Wide<S> {
    type S = S;
    const EVERY: usize = 1;
    const LAZY: usize = 32;
    const LONG: usize = Self::LAZY;
    const VALUES: bool = true;

    #[inline(always)]
    fn new(s: S, n: &Constants) -> Self {
        let q = n.modulus.value();
        Self {
            s,
            q: s.splat(q),
            q2: s.splat(2 * q),
            weights: n.weights.map(
                #[inline(always)]
                |w| [s.splat(w.value), s.splat(w.quotient)],
            ),
        }
    }

    #[inline(always)]
    fn s(&self) -> S {
        self.s
    }

    #[inline(always)]
    fn q(&self) -> S::V {
        self.q
    }

    #[inline(always)]
    fn pair(_: Modulus, w: Shoup) -> [u64; 2] {
        [w.value, w.quotient]
    }

    #[inline(always)]
    fn value(&self, quotient: S::V) -> S::V {
        quotient
    }

    #[inline(always)]
    fn enter(&self, x: S::V) -> S::V {
        x
    }

    #[inline(always)]
    fn leave(&self, x: S::V) -> S::V {
        self.leave_product(self.settle(x))
    }

    #[inline(always)]
    fn settle(&self, x: S::V) -> S::V {
        self.s.subtract_once(x, self.q2)
    }

    /// In `[0, 2q)` for any word: the quotient is at most 2 below the exact one.
    #[inline(always)]
    fn times(&self, x: S::V, w: [S::V; 2]) -> S::V {
        let quotient = self.s.mul_high_or_less(x, w[1]);
        let product = self.s.mul_low(x, w[0]);
        let rest = self.s.sub(product, self.s.mul_low(quotient, self.q));
        self.s.subtract_once(rest, self.q2)
    }

    #[inline(always)]
    fn leave_product(&self, x: S::V) -> S::V {
        self.s.subtract_once(x, self.q)
    }

    #[inline(always)]
    fn forward(&self, x: S::V, y: S::V, w: [S::V; 2]) -> (S::V, S::V) {
        let t = self.times(y, w);
        let difference = self.s.sub(self.s.add(x, self.q2), t);
        (self.s.add(x, t), difference)
    }

    /// All in `[0, 2q)`.
    #[inline(always)]
    fn inverse(&self, x: S::V, y: S::V, w: [S::V; 2]) -> (S::V, S::V) {
        let sum = self.s.subtract_once(self.s.add(x, y), self.q2);
        let difference = self.s.sub(self.s.add(x, self.q2), y);
        (sum, self.times(difference, w))
    }

    #[inline(always)]
    fn add_product(&self, sum: Sum<S::V>, x: S::V, y: S::V) -> Sum<S::V> {
        self.s.add_long_product(sum, x, y)
    }

    #[inline(always)]
    fn finish(&self, sum: Sum<S::V>) -> S::V {
        let [a, b, c] = self.weights;
        let sum = self.s.add(
            self.s.add(self.times(sum[0], a), self.times(sum[1], b)),
            self.times(sum[2], c),
        );
        let q4 = self.s.add(self.q2, self.q2);
        self.leave(self.s.subtract_once(sum, q4))
    }

    #[inline(always)]
    fn finish_long(&self, sum: Sum<S::V>) -> S::V {
        self.finish(sum)
    }

    #[inline(always)]
    fn reduce(&self, x: S::V) -> S::V {
        self.mul(x, self.weights[0])
    }
}
