//! AVX-512: eight words a register, with or without 52-bit products.

use super::words::{Doubles, RUN, Sum, Words};
use std::arch::x86_64::*;

/// Proof that AVX-512 F, DQ and VL exist on this machine, and IFMA where `IFMA`.
#[derive(Clone, Copy)]
pub struct Avx512<const IFMA: bool>(());

impl<const IFMA: bool> Avx512<IFMA> {
    pub fn detect() -> Option<Self> {
        let found = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && (!IFMA || is_x86_feature_detected!("avx512ifma"));
        found.then_some(Self(()))
    }
}

/// Evaluates instructions that a value of [`Avx512`] proves to exist.
macro_rules! exists {
    ($instructions:expr) => {
        // SAFETY: `detect` found the features before it made `self`.
        unsafe { $instructions }
    };
}

#[inline(always)]
fn doubles(x: __m512i) -> __m512d {
    // SAFETY: both are 64 bytes without invalid values.
    unsafe { std::mem::transmute(x) }
}

#[inline(always)]
fn words(x: __m512d) -> __m512i {
    // SAFETY: as in `doubles`.
    unsafe { std::mem::transmute(x) }
}

impl<const IFMA: bool> Words for Avx512<IFMA> {
    type V = __m512i;
    type Row = [__m512i; 1];
    const LANES: usize = 8;
    const LONG_SPLIT: u32 = if IFMA { 52 } else { 32 };

    #[inline(always)]
    fn run<T>(self, work: impl FnOnce() -> T) -> T {
        #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
        fn with_ifma<T>(work: impl FnOnce() -> T) -> T {
            work()
        }
        #[target_feature(enable = "avx512f,avx512dq,avx512vl")]
        fn without<T>(work: impl FnOnce() -> T) -> T {
            work()
        }
        if IFMA {
            exists!(with_ifma(work))
        } else {
            exists!(without(work))
        }
    }

    #[inline(always)]
    fn splat(self, x: u64) -> __m512i {
        exists!(_mm512_set1_epi64(x as i64))
    }

    #[inline(always)]
    unsafe fn read(self, x: *const u64) -> __m512i {
        // SAFETY: the instruction exists; the caller has 64 bytes to read.
        unsafe { _mm512_loadu_si512(x.cast()) }
    }

    #[inline(always)]
    unsafe fn write(self, x: *mut u64, v: __m512i) {
        // SAFETY: the instruction exists; the caller has 64 bytes to write.
        unsafe { _mm512_storeu_si512(x.cast(), v) }
    }

    #[inline(always)]
    fn fetch(self, x: *const u64) {
        exists!(_mm_prefetch::<_MM_HINT_T0>(x.cast()));
    }

    #[inline(always)]
    fn fetch_far(self, x: *const u64) {
        exists!(_mm_prefetch::<_MM_HINT_T1>(x.cast()));
    }

    #[inline(always)]
    fn add(self, x: __m512i, y: __m512i) -> __m512i {
        exists!(_mm512_add_epi64(x, y))
    }

    #[inline(always)]
    fn sub(self, x: __m512i, y: __m512i) -> __m512i {
        exists!(_mm512_sub_epi64(x, y))
    }

    #[inline(always)]
    fn and(self, x: __m512i, y: __m512i) -> __m512i {
        exists!(_mm512_and_si512(x, y))
    }

    #[inline(always)]
    fn xor(self, x: __m512i, y: __m512i) -> __m512i {
        exists!(_mm512_xor_si512(x, y))
    }

    #[inline(always)]
    fn shl(self, x: __m512i, bits: u32) -> __m512i {
        exists!(_mm512_sll_epi64(x, _mm_cvtsi32_si128(bits as i32)))
    }

    #[inline(always)]
    fn shr(self, x: __m512i, bits: u32) -> __m512i {
        exists!(_mm512_srl_epi64(x, _mm_cvtsi32_si128(bits as i32)))
    }

    #[inline(always)]
    fn mul32(self, x: __m512i, y: __m512i) -> __m512i {
        exists!(_mm512_mul_epu32(x, y))
    }

    #[inline(always)]
    fn mul_low(self, x: __m512i, y: __m512i) -> __m512i {
        exists!(_mm512_mullo_epi64(x, y))
    }

    #[inline(always)]
    fn negative(self, x: __m512i) -> __m512i {
        exists!(_mm512_srai_epi64::<63>(x))
    }

    /// The difference wraps to a huge word where `x < bound`.
    #[inline(always)]
    fn subtract_once(self, x: __m512i, bound: __m512i) -> __m512i {
        exists!(_mm512_min_epu64(x, _mm512_sub_epi64(x, bound)))
    }

    #[inline(always)]
    fn lift(self, x: __m512i, bound: __m512i) -> __m512i {
        exists!(_mm512_min_epu64(x, _mm512_add_epi64(x, bound)))
    }

    #[inline(always)]
    fn reverse(self, x: __m512i) -> __m512i {
        exists!(_mm512_permutexvar_epi64(
            _mm512_set_epi64(0, 1, 2, 3, 4, 5, 6, 7),
            x
        ))
    }

    #[inline(always)]
    fn arrange(self, run: &[u64; RUN], pattern: u64) -> __m512i {
        let words = self.load(run);
        exists!({
            let shifts = _mm512_set_epi64(21, 18, 15, 12, 9, 6, 3, 0);
            let lanes = _mm512_srlv_epi64(_mm512_set1_epi64(pattern as i64), shifts);
            _mm512_permutexvar_epi64(lanes, words)
        })
    }

    #[inline(always)]
    fn transpose(self, rows: [[__m512i; 1]; RUN]) -> [[__m512i; 1]; RUN] {
        let a = rows.map(
            #[inline(always)]
            |[a]| a,
        );
        exists!({
            // Pairs of words, then pairs of 128-bit lanes, then halves.
            let low = _mm512_unpacklo_epi64;
            let high = _mm512_unpackhi_epi64;
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
            let even = _mm512_shuffle_i64x2::<0b10_00_10_00>;
            let odd = _mm512_shuffle_i64x2::<0b11_01_11_01>;
            // c[0]: lanes 0 and 2 of rows 0-1 and 2-3, words 0; c[4]: the same of rows 4-7.
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
                [even(c[0], c[4])],
                [even(c[1], c[5])],
                [even(c[2], c[6])],
                [even(c[3], c[7])],
                [odd(c[0], c[4])],
                [odd(c[1], c[5])],
                [odd(c[2], c[6])],
                [odd(c[3], c[7])],
            ]
        })
    }

    #[inline(always)]
    fn zero_row(self) -> [__m512i; 1] {
        [self.splat(0)]
    }

    /// With 52-bit products seven instructions do, and 1024 products fit.
    #[inline(always)]
    fn add_long_product(self, sum: Sum<__m512i>, x: __m512i, y: __m512i) -> Sum<__m512i> {
        let [low, mut middle, mut high] = sum;
        if IFMA {
            return exists!({
                let (x_top, y_top) = (_mm512_srli_epi64::<52>(x), _mm512_srli_epi64::<52>(y));
                middle = _mm512_madd52hi_epu64(middle, x, y);
                middle = _mm512_madd52lo_epu64(middle, x, y_top);
                middle = _mm512_madd52lo_epu64(middle, x_top, y);
                high = _mm512_madd52hi_epu64(high, x, y_top);
                high = _mm512_madd52hi_epu64(high, x_top, y);
                high = _mm512_madd52lo_epu64(high, x_top, y_top);
                [_mm512_madd52lo_epu64(low, x, y), middle, high]
            });
        }
        super::words::add_long_product_32(self, sum, x, y)
    }
}

impl Avx512<true> {
    /// High halves of the products of the low 52 bits, added to `acc`.
    #[inline(always)]
    pub fn add_high(self, acc: __m512i, x: __m512i, y: __m512i) -> __m512i {
        exists!(_mm512_madd52hi_epu64(acc, x, y))
    }

    /// Low halves of the products of the low 52 bits, added to `acc`.
    #[inline(always)]
    pub fn add_low(self, acc: __m512i, x: __m512i, y: __m512i) -> __m512i {
        exists!(_mm512_madd52lo_epu64(acc, x, y))
    }
}

impl Doubles for Avx512<false> {
    #[inline(always)]
    fn double_add(self, x: __m512i, y: __m512i) -> __m512i {
        words(exists!(_mm512_add_pd(doubles(x), doubles(y))))
    }

    #[inline(always)]
    fn double_sub(self, x: __m512i, y: __m512i) -> __m512i {
        words(exists!(_mm512_sub_pd(doubles(x), doubles(y))))
    }

    #[inline(always)]
    fn double_mul(self, x: __m512i, y: __m512i) -> __m512i {
        words(exists!(_mm512_mul_pd(doubles(x), doubles(y))))
    }

    #[inline(always)]
    fn double_mul_sub(self, x: __m512i, y: __m512i, z: __m512i) -> __m512i {
        words(exists!(_mm512_fmsub_pd(doubles(x), doubles(y), doubles(z))))
    }

    #[inline(always)]
    fn double_sub_mul(self, z: __m512i, x: __m512i, y: __m512i) -> __m512i {
        words(exists!(_mm512_fnmadd_pd(
            doubles(x),
            doubles(y),
            doubles(z)
        )))
    }

    #[inline(always)]
    fn double_round(self, x: __m512i) -> __m512i {
        const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
        words(exists!(_mm512_roundscale_pd::<NEAREST>(doubles(x))))
    }
}
