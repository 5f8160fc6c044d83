//! NEON: two words a register, with fused multiply-add of doubles.

use super::words::{Doubles, RUN, Words};
use std::arch::aarch64::*;

/// Proof that NEON exists on this machine.
#[derive(Clone, Copy)]
pub struct Neon(());

impl Neon {
    pub fn detect() -> Option<Self> {
        std::arch::is_aarch64_feature_detected!("neon").then_some(Self(()))
    }
}

/// Evaluates instructions that a value of [`Neon`] proves to exist.
macro_rules! exists {
    ($instructions:expr) => {
        // SAFETY: `detect` found the feature before it made `self`.
        unsafe { $instructions }
    };
}

#[inline(always)]
fn doubles(x: uint64x2_t) -> float64x2_t {
    // SAFETY: both are 16 bytes without invalid values.
    unsafe { std::mem::transmute(x) }
}

#[inline(always)]
fn words(x: float64x2_t) -> uint64x2_t {
    // SAFETY: as in `doubles`.
    unsafe { std::mem::transmute(x) }
}

impl Words for Neon {
    type V = uint64x2_t;
    type Row = [uint64x2_t; 4];
    const LANES: usize = 2;
    const LONG_SPLIT: u32 = 32;

    #[inline(always)]
    fn run<T>(self, work: impl FnOnce() -> T) -> T {
        #[target_feature(enable = "neon")]
        fn enabled<T>(work: impl FnOnce() -> T) -> T {
            work()
        }
        exists!(enabled(work))
    }

    #[inline(always)]
    fn splat(self, x: u64) -> uint64x2_t {
        exists!(vdupq_n_u64(x))
    }

    #[inline(always)]
    unsafe fn read(self, x: *const u64) -> uint64x2_t {
        // SAFETY: the instruction exists; the caller has 16 bytes to read.
        unsafe { vld1q_u64(x) }
    }

    #[inline(always)]
    unsafe fn write(self, x: *mut u64, v: uint64x2_t) {
        // SAFETY: the instruction exists; the caller has 16 bytes to write.
        unsafe { vst1q_u64(x, v) }
    }

    /// The language has no stable prefetch for this architecture.
    #[inline(always)]
    fn fetch(self, _: *const u64) {}

    #[inline(always)]
    fn fetch_far(self, _: *const u64) {}

    #[inline(always)]
    fn add(self, x: uint64x2_t, y: uint64x2_t) -> uint64x2_t {
        exists!(vaddq_u64(x, y))
    }

    #[inline(always)]
    fn sub(self, x: uint64x2_t, y: uint64x2_t) -> uint64x2_t {
        exists!(vsubq_u64(x, y))
    }

    #[inline(always)]
    fn and(self, x: uint64x2_t, y: uint64x2_t) -> uint64x2_t {
        exists!(vandq_u64(x, y))
    }

    #[inline(always)]
    fn xor(self, x: uint64x2_t, y: uint64x2_t) -> uint64x2_t {
        exists!(veorq_u64(x, y))
    }

    #[inline(always)]
    fn shl(self, x: uint64x2_t, bits: u32) -> uint64x2_t {
        exists!(vshlq_u64(x, vdupq_n_s64(i64::from(bits))))
    }

    /// A shift to the left by a negative number.
    #[inline(always)]
    fn shr(self, x: uint64x2_t, bits: u32) -> uint64x2_t {
        exists!(vshlq_u64(x, vdupq_n_s64(-i64::from(bits))))
    }

    #[inline(always)]
    fn mul32(self, x: uint64x2_t, y: uint64x2_t) -> uint64x2_t {
        exists!(vmull_u32(vmovn_u64(x), vmovn_u64(y)))
    }

    #[inline(always)]
    fn negative(self, x: uint64x2_t) -> uint64x2_t {
        exists!(vcltzq_s64(vreinterpretq_s64_u64(x)))
    }

    #[inline(always)]
    fn reverse(self, x: uint64x2_t) -> uint64x2_t {
        exists!(vextq_u64::<1>(x, x))
    }

    #[inline(always)]
    fn arrange(self, run: &[u64; RUN], pattern: u64) -> uint64x2_t {
        self.load(&[
            run[(pattern & 7) as usize],
            run[(pattern >> 3 & 7) as usize],
        ])
    }

    #[inline(always)]
    fn transpose(self, rows: [[uint64x2_t; 4]; RUN]) -> [[uint64x2_t; 4]; RUN] {
        let mut out = rows;
        // Blocks of two rows and two words.
        for row in 0..4 {
            for part in 0..4 {
                let (a, b) = (rows[2 * row][part], rows[2 * row + 1][part]);
                out[2 * part][row] = exists!(vtrn1q_u64(a, b));
                out[2 * part + 1][row] = exists!(vtrn2q_u64(a, b));
            }
        }
        out
    }

    #[inline(always)]
    fn zero_row(self) -> [uint64x2_t; 4] {
        [self.splat(0); 4]
    }
}

impl Doubles for Neon {
    #[inline(always)]
    fn double_add(self, x: uint64x2_t, y: uint64x2_t) -> uint64x2_t {
        words(exists!(vaddq_f64(doubles(x), doubles(y))))
    }

    #[inline(always)]
    fn double_sub(self, x: uint64x2_t, y: uint64x2_t) -> uint64x2_t {
        words(exists!(vsubq_f64(doubles(x), doubles(y))))
    }

    #[inline(always)]
    fn double_mul(self, x: uint64x2_t, y: uint64x2_t) -> uint64x2_t {
        words(exists!(vmulq_f64(doubles(x), doubles(y))))
    }

    #[inline(always)]
    fn double_mul_sub(self, x: uint64x2_t, y: uint64x2_t, z: uint64x2_t) -> uint64x2_t {
        words(exists!(vfmaq_f64(
            vnegq_f64(doubles(z)),
            doubles(x),
            doubles(y)
        )))
    }

    #[inline(always)]
    fn double_sub_mul(self, z: uint64x2_t, x: uint64x2_t, y: uint64x2_t) -> uint64x2_t {
        words(exists!(vfmsq_f64(doubles(z), doubles(x), doubles(y))))
    }

    #[inline(always)]
    fn double_round(self, x: uint64x2_t) -> uint64x2_t {
        words(exists!(vrndnq_f64(doubles(x))))
    }
}
