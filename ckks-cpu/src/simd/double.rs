//! Primes below `2^50` with fused multiply-add of doubles: where a machine has no 52-bit products.
//!
//! Inner forms are doubles, integers in `(-8q, 8q)`, within the 53 bits of a mantissa. A product by
//! a constant `|w| <= q / 2` is `x w - round(x (w / q)) q`, exact in two parts: `h - c q` and the
//! error `x w - h` of `h = x w` rounded, each an integer of few bits [Dekker 1971]. With
//! `|x| <= a q` the rounded quotient is off by at most `1/2 + a / 8`, so the result is within
//! `(1/2 + a / 8) q`. Settled values are within `q / 2`; three levels of butterflies later, started
//! from at most `3q`, they are within `2.8 q`.

use super::residues::{Constants, Residues};
use super::words::{Doubles, Sum, Words};
use ckks_math::arith::{Modulus, Shoup};

/// Where words are split for sums of products.
const SPLIT: u32 = 26;

/// `q < 2^50`.
#[derive(Clone, Copy)]
pub struct Double<S: Words> {
    s: S,
    q: S::V,
    /// `q` and `1 / q` as doubles.
    modulus: S::V,
    inverse: S::V,
    carry: [S::V; 2],
}

impl<S: Doubles> Double<S> {
    /// A double within `(-q, q)` as residue.
    #[inline(always)]
    fn residue(&self, x: S::V) -> S::V {
        let up = self.s.and(self.modulus, self.s.negative(x));
        self.s.whole_words(self.s.double_add(x, up))
    }

    /// Low, middle and high parts without excess.
    #[inline(always)]
    fn carried(&self, [low, middle, high]: Sum<S::V>) -> Sum<S::V> {
        let mask = self.s.splat((1 << SPLIT) - 1);
        let middle = self.s.add(middle, self.s.shr(low, SPLIT));
        let high = self.s.add(high, self.s.shr(middle, SPLIT));
        [self.s.and(low, mask), self.s.and(middle, mask), high]
    }
}

impl<S: Doubles> Residues for Double<S> {
    type S = S;
    const EVERY: usize = 3;
    /// The sum of 16 products below `(q - 1)^2` and of a residue stays below `2^104`.
    const LAZY: usize = 16;
    /// Low parts stay below `2^64` together.
    const LONG: usize = 4000;
    const VALUES: bool = true;

    #[inline(always)]
    fn new(s: S, n: &Constants) -> Self {
        let q = n.modulus.value();
        let [value, quotient] = Self::pair(n.modulus, n.carry);
        Self {
            s,
            q: s.splat(q),
            modulus: s.double_splat(q as f64),
            inverse: s.double_splat(1.0 / q as f64),
            carry: [s.splat(value), s.splat(quotient)],
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

    /// The constant in `[-q / 2, q / 2]`, and that over `q`.
    #[inline(always)]
    fn pair(m: Modulus, w: Shoup) -> [u64; 2] {
        let (q, w) = (m.value(), w.value);
        let centred = if w > q / 2 {
            -((q - w) as f64)
        } else {
            w as f64
        };
        [centred.to_bits(), (centred / q as f64).to_bits()]
    }

    #[inline(always)]
    fn value(&self, quotient: S::V) -> S::V {
        quotient
    }

    #[inline(always)]
    fn enter(&self, x: S::V) -> S::V {
        self.s.to_double(x)
    }

    #[inline(always)]
    fn leave(&self, x: S::V) -> S::V {
        self.residue(self.settle(x))
    }

    #[inline(always)]
    fn settle(&self, x: S::V) -> S::V {
        let quotient = self.s.double_round(self.s.double_mul(x, self.inverse));
        self.s.double_sub_mul(x, quotient, self.modulus)
    }

    #[inline(always)]
    fn times(&self, x: S::V, w: [S::V; 2]) -> S::V {
        let high = self.s.double_mul(x, w[0]);
        let quotient = self.s.double_round(self.s.double_mul(x, w[1]));
        let low = self.s.double_mul_sub(x, w[0], high);
        let rest = self.s.double_sub_mul(high, quotient, self.modulus);
        self.s.double_add(rest, low)
    }

    #[inline(always)]
    fn leave_product(&self, x: S::V) -> S::V {
        self.residue(x)
    }

    #[inline(always)]
    fn forward(&self, x: S::V, y: S::V, w: [S::V; 2]) -> (S::V, S::V) {
        let t = self.times(y, w);
        (self.s.double_add(x, t), self.s.double_sub(x, t))
    }

    /// All within `q`.
    #[inline(always)]
    fn inverse(&self, x: S::V, y: S::V, w: [S::V; 2]) -> (S::V, S::V) {
        let sum = self.settle(self.s.double_add(x, y));
        (sum, self.times(self.s.double_sub(x, y), w))
    }

    #[inline(always)]
    fn add_product(&self, sum: Sum<S::V>, x: S::V, y: S::V) -> Sum<S::V> {
        let s = self.s;
        let [low, middle, high] = sum;
        let mask = s.splat((1 << SPLIT) - 1);
        let (x_low, y_low) = (s.and(x, mask), s.and(y, mask));
        let (x_high, y_high) = (s.shr(x, SPLIT), s.shr(y, SPLIT));
        let cross = s.add(s.mul32(x_low, y_high), s.mul32(x_high, y_low));
        [
            s.add(low, s.mul32(x_low, y_low)),
            s.add(middle, cross),
            s.add(high, s.mul32(x_high, y_high)),
        ]
    }

    #[inline(always)]
    fn finish(&self, sum: Sum<S::V>) -> S::V {
        let s = self.s;
        let [low, middle, high] = self.carried(sum);
        let ones = s.to_double(s.add(low, s.shl(middle, SPLIT)));
        let rest = self.times(s.to_double(high), self.carry);
        self.leave(s.double_add(ones, rest))
    }

    #[inline(always)]
    fn finish_long(&self, sum: Sum<S::V>) -> S::V {
        let [low, middle, high] = self.carried(sum);
        self.finish([low, middle, self.reduce(high)])
    }
}
