//! Arithmetic on eight residues at once.
//!
//! `vpmadd52luq` and `vpmadd52huq` add the low or high 52 bits of the product of the low 52 bits
//! of two words. With the Shoup quotient `w' = floor(2^52 w / q)` of a constant, a product costs
//! three of them [Harvey 2014; Boemer-Kim-Seifu-de Souza-Gopal 2021].

use ckks_math::arith::{Modulus, Shoup};
use std::arch::x86_64::*;

/// Eight words.
pub type V = __m512i;

/// Products of residues whose sum keeps its high half below `2^52`.
pub const LAZY: usize = 15;

/// The constants of one prime.
#[derive(Clone, Copy)]
pub struct Narrow {
    q: u64,
    /// `floor(2^52 / q)`.
    barrett: u64,
    /// `2^52 mod q`, with its quotient.
    carry: [u64; 2],
}

impl Narrow {
    pub fn new(m: Modulus) -> Self {
        let carry = m.reduce(1 << 52);
        Self {
            q: m.value(),
            barrett: (1 << 52) / m.value(),
            carry: narrow_shoup(m.shoup(carry)),
        }
    }
}

/// A constant and its quotient for 52-bit products.
pub const fn narrow_shoup(w: Shoup) -> [u64; 2] {
    [w.value, w.quotient >> 12]
}

/// [`Narrow`] in registers.
#[derive(Clone, Copy)]
pub struct Q {
    pub q: V,
    pub q2: V,
    /// `2^52 - q`: adding its products subtracts those of `q` modulo `2^52`.
    minus_q: V,
    mask: V,
    barrett: V,
    carry: [V; 2],
}

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

impl Q {
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
    pub fn new(n: &Narrow) -> Self {
        Self {
            q: splat(n.q),
            q2: splat(2 * n.q),
            minus_q: splat((1 << 52) - n.q),
            mask: splat((1 << 52) - 1),
            barrett: splat(n.barrett),
            carry: [splat(n.carry[0]), splat(n.carry[1])],
        }
    }

    /// `x w mod q`, in `[0, 2q)`, for any `x` below `2^52`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
    pub fn mul_lazy(&self, x: V, w: [V; 2]) -> V {
        let zero = _mm512_setzero_si512();
        let quotient = add_high(zero, x, w[1]);
        let low = add_low(zero, x, w[0]);
        _mm512_and_si512(add_low(low, quotient, self.minus_q), self.mask)
    }

    /// `x w mod q` for any `x` below `2^52`.
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

    /// `(high 2^52 + low) mod q` where `high + (low >> 52)` is below `2^52`.
    ///
    /// Each half is reduced by its own quotient to `[0, 2q)`, both with one product by `q`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
    pub fn reduce(&self, high: V, low: V) -> V {
        let zero = _mm512_setzero_si512();
        let high = _mm512_add_epi64(high, _mm512_srli_epi64::<52>(low));
        let quotient = add_high(add_high(zero, low, self.barrett), high, self.carry[1]);
        // Sum of words modulo 2^52: the carries above are masked away.
        let sum = add_low(add_low(low, high, self.carry[0]), quotient, self.minus_q);
        self.canonical(_mm512_and_si512(sum, self.mask))
    }

    /// `x y mod q` of residues.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
    pub fn product(&self, x: V, y: V) -> V {
        let zero = _mm512_setzero_si512();
        self.reduce(add_high(zero, x, y), add_low(zero, x, y))
    }
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
