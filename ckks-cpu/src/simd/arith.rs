//! Arithmetic on eight residues at once.
//!
//! `vpmadd52luq` and `vpmadd52huq` add the low or high 52 bits of the product of the low 52 bits
//! of two words. With the Shoup quotient `w' = floor(2^52 w / q)` of a constant, a product costs
//! three of them [Harvey 2014; Boemer-Kim-Seifu-de Souza-Gopal 2021]. Primes of more than 50 bits
//! are *wide*: constants have 64-bit quotients, whose products are put together from 32-bit ones;
//! sums of products of two unknown words still are of 52-bit products, seven each.

use super::NARROW_BITS;
use ckks_math::arith::{Modulus, Shoup};
use std::arch::x86_64::*;

/// Eight words.
pub type V = __m512i;

/// The constants of one prime.
#[derive(Clone, Copy)]
pub struct Constants {
    q: u64,
    /// Whether the prime is beyond 52-bit products.
    pub wide: bool,
    /// Products of two residues summed at most before [`Q::finish`], at least [`Q::LAZY`]: their
    /// high halves stay below `2^52` together.
    pub lazy: usize,
    /// `floor(2^52 / q)`.
    barrett: u64,
    /// `2^52 mod q`, for 52-bit products.
    carry: [u64; 2],
    /// 1, `2^52` and `2^104` modulo `q`, for 64-bit products.
    weights: [[u64; 2]; 3],
}

impl Constants {
    #[inline]
    pub fn new(m: Modulus) -> Self {
        let weight = |e: u32| m.shoup(m.reduce_u128(1 << e));
        let wide = m.bits() > NARROW_BITS;
        // Each high half is below `2^(2b - 52)`; the carries of the low halves fit what is left.
        let spare = 104_u32.saturating_sub(2 * m.bits()).min(10);
        Self {
            q: m.value(),
            wide,
            lazy: if wide {
                Q::<true>::LAZY
            } else {
                (1 << spare) - 1
            },
            barrett: (1 << 52) / m.value(),
            carry: shoup_pair::<false>(weight(52)),
            weights: [weight(0), weight(52), weight(104)].map(shoup_pair::<true>),
        }
    }
}

/// A constant and its quotient for 52-bit or 64-bit products.
#[inline]
pub const fn shoup_pair<const WIDE: bool>(w: Shoup) -> [u64; 2] {
    [w.value, if WIDE { w.quotient } else { w.quotient >> 12 }]
}

/// [`Constants`] in registers, for 52-bit products (primes below `2^50`) or for 64-bit products
/// (any prime).
#[derive(Clone, Copy)]
pub struct Q<const WIDE: bool> {
    pub q: V,
    pub q2: V,
    /// `2^52 - q`: adding its products subtracts those of `q` modulo `2^52`.
    minus_q: V,
    mask: V,
    barrett: V,
    carry: [V; 2],
    weights: [[V; 2]; 3],
}

/// A sum of products of words: its parts in units of 1 and `2^52`, and of `2^104` where words are
/// wide.
pub type Sum = [V; 3];

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn splat(x: u64) -> V {
    _mm512_set1_epi64(x as i64)
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn load(x: &[u64; 8]) -> V {
    // SAFETY: reads the 64 bytes of `x`.
    unsafe { _mm512_loadu_si512(x.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn store(x: &mut [u64; 8], v: V) {
    // SAFETY: writes the 64 bytes of `x`.
    unsafe { _mm512_storeu_si512(x.as_mut_ptr().cast(), v) }
}

/// High halves of the products of the low 52 bits, added to `acc`.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn add_high(acc: V, x: V, y: V) -> V {
    _mm512_madd52hi_epu64(acc, x, y)
}

/// Low halves of the products of the low 52 bits, added to `acc`.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn add_low(acc: V, x: V, y: V) -> V {
    _mm512_madd52lo_epu64(acc, x, y)
}

/// `x - bound` where `x >= bound`, else `x`: the difference wraps to a huge word otherwise.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn subtract_once(x: V, bound: V) -> V {
    _mm512_min_epu64(x, _mm512_sub_epi64(x, bound))
}

impl<const WIDE: bool> Q<WIDE> {
    /// Products summed at most before [`Q::finish`]: below `2^50` their high halves stay below
    /// `2^52` together, any words' middle parts below `2^64`.
    pub const LAZY: usize = if WIDE { 1024 } else { 15 };

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
    pub fn new(n: &Constants) -> Self {
        let pair = |[value, quotient]: [u64; 2]| [splat(value), splat(quotient)];
        Self {
            q: splat(n.q),
            q2: splat(2 * n.q),
            minus_q: splat((1_u64 << 52).wrapping_sub(n.q)),
            mask: splat((1 << 52) - 1),
            barrett: splat(n.barrett),
            carry: pair(n.carry),
            weights: n.weights.map(pair),
        }
    }

    /// `x w mod q`, in `[0, 2q)`, for any `x` below `2^52`, or of 64 bits where `WIDE`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
    pub fn mul_lazy(&self, x: V, w: [V; 2]) -> V {
        if WIDE {
            // At most 2 below the exact quotient, which leaves `[0, 2q)`.
            let quotient = high_half_or_less(x, w[1]);
            let product = _mm512_mullo_epi64(x, w[0]);
            let rest = _mm512_sub_epi64(product, _mm512_mullo_epi64(quotient, self.q));
            return subtract_once(rest, self.q2);
        }
        let zero = _mm512_setzero_si512();
        let quotient = add_high(zero, x, w[1]);
        let low = add_low(zero, x, w[0]);
        _mm512_and_si512(add_low(low, quotient, self.minus_q), self.mask)
    }

    /// `x w mod q` for the same `x`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
    pub fn mul(&self, x: V, w: [V; 2]) -> V {
        subtract_once(self.mul_lazy(x, w), self.q)
    }

    /// From `[0, 4q)` to `[0, q)`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
    pub fn canonical(&self, x: V) -> V {
        subtract_once(subtract_once(x, self.q2), self.q)
    }

    /// `x + y` of residues.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
    pub fn add(&self, x: V, y: V) -> V {
        subtract_once(_mm512_add_epi64(x, y), self.q)
    }

    /// `x - y` of residues.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
    pub fn sub(&self, x: V, y: V) -> V {
        let difference = _mm512_sub_epi64(x, y);
        _mm512_min_epu64(difference, _mm512_add_epi64(difference, self.q))
    }

    /// A sum of no products, and `x`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
    pub fn start(&self, x: V) -> Sum {
        let zero = _mm512_setzero_si512();
        [x, zero, zero]
    }

    /// `sum + x y`; words are below `2^52` unless `WIDE`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
    pub fn add_product(&self, sum: Sum, x: V, y: V) -> Sum {
        let [ones, mut middle, mut top] = sum;
        middle = add_high(middle, x, y);
        if WIDE {
            let (x_top, y_top) = (_mm512_srli_epi64::<52>(x), _mm512_srli_epi64::<52>(y));
            middle = add_low(add_low(middle, x, y_top), x_top, y);
            top = add_high(add_high(top, x, y_top), x_top, y);
            top = add_low(top, x_top, y_top);
        }
        [add_low(ones, x, y), middle, top]
    }

    /// A sum of at most [`Q::LAZY`] products of residues and one more residue, modulo `q`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
    pub fn finish(&self, sum: Sum) -> V {
        let [low, high, top] = sum;
        if WIDE {
            let [a, b, c] = self.weights;
            let (a, b) = (self.mul_lazy(low, a), self.mul_lazy(high, b));
            let sum = _mm512_add_epi64(_mm512_add_epi64(a, b), self.mul_lazy(top, c));
            return self.canonical(subtract_once(sum, _mm512_slli_epi64::<1>(self.q2)));
        }
        // Each half is reduced by its own quotient to `[0, 2q)`, both with one product by `q`.
        let zero = _mm512_setzero_si512();
        let high = _mm512_add_epi64(high, _mm512_srli_epi64::<52>(low));
        let quotient = add_high(add_high(zero, low, self.barrett), high, self.carry[1]);
        // Sum of words modulo 2^52: the carries above are masked away.
        let sum = add_low(add_low(low, high, self.carry[0]), quotient, self.minus_q);
        self.canonical(_mm512_and_si512(sum, self.mask))
    }

    /// `x mod q` for any word.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
    pub fn reduce(&self, x: V) -> V {
        if WIDE {
            self.mul(x, self.weights[0])
        } else {
            self.finish(self.start(x))
        }
    }

    /// `x y mod q` of residues.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
    pub fn product(&self, x: V, y: V) -> V {
        let zero = _mm512_setzero_si512();
        self.finish(self.add_product(self.start(zero), x, y))
    }
}

/// The high half of a 128-bit product, or up to 2 less: the product of the low halves and the
/// carry between the others are left out.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
fn high_half_or_less(x: V, y: V) -> V {
    let (x_high, y_high) = (_mm512_srli_epi64::<32>(x), _mm512_srli_epi64::<32>(y));
    let left = _mm512_srli_epi64::<32>(_mm512_mul_epu32(x_high, y));
    let right = _mm512_srli_epi64::<32>(_mm512_mul_epu32(x, y_high));
    _mm512_add_epi64(
        _mm512_mul_epu32(x_high, y_high),
        _mm512_add_epi64(left, right),
    )
}

/// Transposes a matrix of eight rows of eight words.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn transpose(a: [V; 8]) -> [V; 8] {
    let low = |x, y| _mm512_unpacklo_epi64(x, y);
    let high = |x, y| _mm512_unpackhi_epi64(x, y);
    // Pairs of words, then pairs of 128-bit lanes, then halves.
    let b = [
        low(a[0], a[1]),
        high(a[0], a[1]),
        low(a[2], a[3]),
        high(a[2], a[3]),
        low(a[4], a[5]),
        high(a[4], a[5]),
        low(a[6], a[7]),
        high(a[6], a[7]),
    ];
    let even = |x, y| _mm512_shuffle_i64x2::<0b10_00_10_00>(x, y);
    let odd = |x, y| _mm512_shuffle_i64x2::<0b11_01_11_01>(x, y);
    // c[0]: lanes 0 and 2 of rows 0-1 and 2-3, words 0; c[4]: the same of rows 4-5 and 6-7.
    let c = [
        even(b[0], b[2]),
        even(b[1], b[3]),
        odd(b[0], b[2]),
        odd(b[1], b[3]),
        even(b[4], b[6]),
        even(b[5], b[7]),
        odd(b[4], b[6]),
        odd(b[5], b[7]),
    ];
    [
        even(c[0], c[4]),
        even(c[1], c[5]),
        even(c[2], c[6]),
        even(c[3], c[7]),
        odd(c[0], c[4]),
        odd(c[1], c[5]),
        odd(c[2], c[6]),
        odd(c[3], c[7]),
    ]
}
