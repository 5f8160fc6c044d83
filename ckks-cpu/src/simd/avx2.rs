//! AVX2 with fused multiply-add: four words a register.

use super::words::{Doubles, RUN, Words};
use std::arch::x86_64::*;

/// Proof that AVX2 and FMA exist on this machine.
#[derive(Clone, Copy)]
pub struct Avx2(());

impl Avx2 {
    pub fn detect() -> Option<Self> {
        let found = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        found.then_some(Self(()))
    }
}

/// Evaluates instructions that a value of [`Avx2`] proves to exist.
macro_rules! exists {
    ($instructions:expr) => {
        // SAFETY: `detect` found the features before it made `self`.
        unsafe { $instructions }
    };
}

#[inline(always)]
fn doubles(x: __m256i) -> __m256d {
    // SAFETY: both are 32 bytes without invalid values.
    unsafe { std::mem::transmute(x) }
}

#[inline(always)]
fn words(x: __m256d) -> __m256i {
    // SAFETY: as in `doubles`.
    unsafe { std::mem::transmute(x) }
}

impl Words for Avx2 {
    type V = __m256i;
    type Row = [__m256i; 2];
    const LANES: usize = 4;
    const LONG_SPLIT: u32 = 32;

    #[inline(always)]
    fn run<T>(self, work: impl FnOnce() -> T) -> T {
        #[target_feature(enable = "avx2,fma")]
        fn enabled<T>(work: impl FnOnce() -> T) -> T {
            work()
        }
        exists!(enabled(work))
    }

    #[inline(always)]
    fn splat(self, x: u64) -> __m256i {
        exists!(_mm256_set1_epi64x(x as i64))
    }

    #[inline(always)]
    unsafe fn read(self, x: *const u64) -> __m256i {
        // SAFETY: the instruction exists; the caller has 32 bytes to read.
        unsafe { _mm256_loadu_si256(x.cast()) }
    }

    #[inline(always)]
    unsafe fn write(self, x: *mut u64, v: __m256i) {
        // SAFETY: the instruction exists; the caller has 32 bytes to write.
        unsafe { _mm256_storeu_si256(x.cast(), v) }
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
    fn add(self, x: __m256i, y: __m256i) -> __m256i {
        exists!(_mm256_add_epi64(x, y))
    }

    #[inline(always)]
    fn sub(self, x: __m256i, y: __m256i) -> __m256i {
        exists!(_mm256_sub_epi64(x, y))
    }

    #[inline(always)]
    fn and(self, x: __m256i, y: __m256i) -> __m256i {
        exists!(_mm256_and_si256(x, y))
    }

    #[inline(always)]
    fn xor(self, x: __m256i, y: __m256i) -> __m256i {
        exists!(_mm256_xor_si256(x, y))
    }

    #[inline(always)]
    fn shl(self, x: __m256i, bits: u32) -> __m256i {
        exists!(_mm256_sll_epi64(x, _mm_cvtsi32_si128(bits as i32)))
    }

    #[inline(always)]
    fn shr(self, x: __m256i, bits: u32) -> __m256i {
        exists!(_mm256_srl_epi64(x, _mm_cvtsi32_si128(bits as i32)))
    }

    #[inline(always)]
    fn mul32(self, x: __m256i, y: __m256i) -> __m256i {
        exists!(_mm256_mul_epu32(x, y))
    }

    #[inline(always)]
    fn negative(self, x: __m256i) -> __m256i {
        exists!(_mm256_cmpgt_epi64(_mm256_setzero_si256(), x))
    }

    #[inline(always)]
    fn reverse(self, x: __m256i) -> __m256i {
        exists!(_mm256_permute4x64_epi64::<0b00_01_10_11>(x))
    }

    #[inline(always)]
    fn arrange(self, run: &[u64; RUN], pattern: u64) -> __m256i {
        self.load(&[
            run[(pattern & 7) as usize],
            run[(pattern >> 3 & 7) as usize],
            run[(pattern >> 6 & 7) as usize],
            run[(pattern >> 9 & 7) as usize],
        ])
    }

    #[inline(always)]
    fn transpose(self, rows: [[__m256i; 2]; RUN]) -> [[__m256i; 2]; RUN] {
        let mut out = rows;
        // Four blocks of four rows and four words.
        for row in 0..2 {
            for half in 0..2 {
                let a = [0, 1, 2, 3].map(
                    #[inline(always)]
                    |k| rows[4 * row + k][half],
                );
                let block = exists!({
                    let low = [
                        _mm256_unpacklo_epi64(a[0], a[1]),
                        _mm256_unpacklo_epi64(a[2], a[3]),
                    ];
                    let high = [
                        _mm256_unpackhi_epi64(a[0], a[1]),
                        _mm256_unpackhi_epi64(a[2], a[3]),
                    ];
                    [
                        _mm256_permute2x128_si256::<0x20>(low[0], low[1]),
                        _mm256_permute2x128_si256::<0x20>(high[0], high[1]),
                        _mm256_permute2x128_si256::<0x31>(low[0], low[1]),
                        _mm256_permute2x128_si256::<0x31>(high[0], high[1]),
                    ]
                });
                for (k, v) in block.into_iter().enumerate() {
                    out[4 * half + k][row] = v;
                }
            }
        }
        out
    }

    #[inline(always)]
    fn zero_row(self) -> [__m256i; 2] {
        [self.splat(0); 2]
    }
}

impl Doubles for Avx2 {
    #[inline(always)]
    fn double_add(self, x: __m256i, y: __m256i) -> __m256i {
        words(exists!(_mm256_add_pd(doubles(x), doubles(y))))
    }

    #[inline(always)]
    fn double_sub(self, x: __m256i, y: __m256i) -> __m256i {
        words(exists!(_mm256_sub_pd(doubles(x), doubles(y))))
    }

    #[inline(always)]
    fn double_mul(self, x: __m256i, y: __m256i) -> __m256i {
        words(exists!(_mm256_mul_pd(doubles(x), doubles(y))))
    }

    #[inline(always)]
    fn double_mul_sub(self, x: __m256i, y: __m256i, z: __m256i) -> __m256i {
        words(exists!(_mm256_fmsub_pd(doubles(x), doubles(y), doubles(z))))
    }

    #[inline(always)]
    fn double_sub_mul(self, z: __m256i, x: __m256i, y: __m256i) -> __m256i {
        words(exists!(_mm256_fnmadd_pd(
            doubles(x),
            doubles(y),
            doubles(z)
        )))
    }

    #[inline(always)]
    fn double_round(self, x: __m256i) -> __m256i {
        const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
        words(exists!(_mm256_round_pd::<NEAREST>(doubles(x))))
    }
}
