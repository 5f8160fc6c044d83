//! Primes below `2^50` with 52-bit multiply-add [Boemer-Kim-Seifu-de Souza-Gopal 2021].
//!
//! Multiplications read the low 52 bits of a word only, so inner forms are words modulo `2^52`
//! whose bits above are anything. With `w' = floor(2^52 w / q)`, `x w - floor(x w' / 2^52) q` is in
//! `[0, 2q)`; one more `q` subtracted puts it in `[-q, q)`, and a forward level then moves the
//! range of its words by `q` either way. Settling leaves `x - floor(x b / 2^52) q`,
//! `b = floor(2^52 / q)`, which is below `2^52 - (min(b, 8) - 1) q`, and adds the `q` for each
//! level to come: for `b >= 7` that makes room for three levels, for `b >= 4` for one.

use super::avx512::Avx512;
use super::residues::{Constants, Residues};
use super::words::{Sum, Words};
use ckks_math::arith::{Modulus, Shoup};
use std::arch::x86_64::__m512i;

/// `q < 2^50`; `q <= 2^52 / 7` where `ROOMY`.
#[derive(Clone, Copy)]
pub struct Narrow<const ROOMY: bool> {
    s: Avx512<true>,
    q: __m512i,
    q2: __m512i,
    /// `2^52 - q`: adding its products subtracts those of `q` modulo `2^52`.
    minus_q: __m512i,
    mask: __m512i,
    barrett: __m512i,
    carry: [__m512i; 2],
}

impl<const ROOMY: bool> Narrow<ROOMY> {
    /// `x - k q`, `k` = `from` more than the quotient by [`Constants::barrett`].
    #[inline(always)]
    fn step_down(&self, x: __m512i, from: i64) -> __m512i {
        let from = self.s.splat(from.cast_unsigned());
        let quotient = self.s.add_high(from, x, self.barrett);
        self.s.add_low(x, quotient, self.minus_q)
    }

    #[inline(always)]
    fn low(&self, x: __m512i) -> __m512i {
        self.s.and(x, self.mask)
    }
}

impl<const ROOMY: bool> Residues for Narrow<ROOMY> {
    type S = Avx512<true>;
    const EVERY: usize = if ROOMY { 3 } else { 1 };
    /// The sum of 16 products below `(q - 1)^2` and of a residue stays below `2^104`.
    const LAZY: usize = 16;
    /// Low halves stay below `2^64` together.
    const LONG: usize = 4000;
    const VALUES: bool = false;

    #[inline(always)]
    fn new(s: Avx512<true>, n: &Constants) -> Self {
        let q = n.modulus.value();
        Self {
            s,
            q: s.splat(q),
            q2: s.splat(2 * q),
            minus_q: s.splat((1_u64 << 52).wrapping_sub(q)),
            mask: s.splat((1 << 52) - 1),
            barrett: s.splat(n.barrett),
            carry: Self::pair(n.modulus, n.carry).map(
                #[inline(always)]
                |w| s.splat(w),
            ),
        }
    }

    #[inline(always)]
    fn s(&self) -> Avx512<true> {
        self.s
    }

    #[inline(always)]
    fn q(&self) -> __m512i {
        self.q
    }

    #[inline(always)]
    fn pair(_: Modulus, w: Shoup) -> [u64; 2] {
        [w.value, w.quotient >> 12]
    }

    /// `floor(w' q / 2^52) + 1`, as `2^52 w - w' q` is below `q` and not 0.
    #[inline(always)]
    fn value(&self, quotient: __m512i) -> __m512i {
        self.s.add_high(self.s.splat(1), quotient, self.q)
    }

    #[inline(always)]
    fn enter(&self, x: __m512i) -> __m512i {
        x
    }

    #[inline(always)]
    fn leave(&self, x: __m512i) -> __m512i {
        self.leave_product(self.step_down(x, 0))
    }

    #[inline(always)]
    fn settle(&self, x: __m512i) -> __m512i {
        self.step_down(x, if ROOMY { -3 } else { -1 })
    }

    #[inline(always)]
    fn times(&self, x: __m512i, w: [__m512i; 2]) -> __m512i {
        let zero = self.s.splat(0);
        let quotient = self.s.add_high(zero, x, w[1]);
        let low = self.s.add_low(zero, x, w[0]);
        self.s.add_low(low, quotient, self.minus_q)
    }

    #[inline(always)]
    fn leave_product(&self, x: __m512i) -> __m512i {
        self.s.subtract_once(self.low(x), self.q)
    }

    /// The product is summed onto `x`; the other result is `2x` less that.
    #[inline(always)]
    fn forward(&self, x: __m512i, y: __m512i, w: [__m512i; 2]) -> (__m512i, __m512i) {
        let quotient = self.s.add_high(self.s.splat(1), y, w[1]);
        let twice = self.s.add(x, x);
        let sum = self.s.add_low(x, y, w[0]);
        let sum = self.s.add_low(sum, quotient, self.minus_q);
        (sum, self.s.sub(twice, sum))
    }

    /// All in `[0, 2q)`.
    #[inline(always)]
    fn inverse(&self, x: __m512i, y: __m512i, w: [__m512i; 2]) -> (__m512i, __m512i) {
        let sum = self.step_down(self.s.add(x, y), 0);
        let difference = self.s.sub(self.s.add(x, self.q2), y);
        (sum, self.times(difference, w))
    }

    #[inline(always)]
    fn add_product(&self, sum: Sum<__m512i>, x: __m512i, y: __m512i) -> Sum<__m512i> {
        let [low, high, top] = sum;
        [self.s.add_low(low, x, y), self.s.add_high(high, x, y), top]
    }

    /// Each half is reduced by its own quotient to `[0, 2q)`, both with one product by `q`.
    #[inline(always)]
    fn finish(&self, sum: Sum<__m512i>) -> __m512i {
        let [low, high, _] = sum;
        let high = self.s.add(high, self.s.shr(low, 52));
        let quotient = self.s.add_high(self.s.splat(0), low, self.barrett);
        let quotient = self.s.add_high(quotient, high, self.carry[1]);
        let sum = self.s.add_low(low, high, self.carry[0]);
        let rest = self.low(self.s.add_low(sum, quotient, self.minus_q));
        self.s
            .subtract_once(self.s.subtract_once(rest, self.q2), self.q)
    }

    #[inline(always)]
    fn finish_long(&self, sum: Sum<__m512i>) -> __m512i {
        let [low, high, top] = sum;
        self.finish([low, self.reduce(high), top])
    }
}
