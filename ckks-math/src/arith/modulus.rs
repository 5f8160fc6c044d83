//! One odd prime modulus below `2^61` with its precomputed Barrett constant.

use crate::error::{Error, Result};

/// A prime `q` with `2 < q < 2^61` and the constant of Barrett's reduction.
///
/// Every method takes residues in `[0, q)` and returns residues in `[0, q)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Modulus {
    q: u64,
    /// `floor(2^128 / q)`, low and high words [Barrett 1986].
    ratio: (u64, u64),
}

/// A constant operand `w` with its Shoup quotient `floor(w * 2^64 / q)` [Harvey 2014].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shoup {
    /// The operand, in `[0, q)`.
    pub value: u64,
    /// `floor(value * 2^64 / q)`.
    pub quotient: u64,
}

impl Modulus {
    /// Largest admitted bit length of a modulus.
    pub const MAX_BITS: u32 = 61;

    /// Wraps `q`. Primality is the caller's to check (see [`crate::arith::is_prime`]).
    ///
    /// # Errors
    /// [`Error::InvalidModulus`] unless `q` is odd, above 2 and below `2^61`.
    pub fn new(q: u64) -> Result<Self> {
        if q < 3 || q.is_multiple_of(2) || q >> Self::MAX_BITS != 0 {
            return Err(Error::InvalidModulus { q });
        }
        // floor((2^128 - 1) / q) = floor(2^128 / q), because the odd q > 1 does not divide 2^128.
        let ratio = u128::MAX / u128::from(q);
        Ok(Self {
            q,
            ratio: (ratio as u64, (ratio >> 64) as u64),
        })
    }

    /// The modulus itself.
    #[inline(always)]
    pub const fn value(self) -> u64 {
        self.q
    }

    /// Bit length of `q`.
    #[inline]
    pub const fn bits(self) -> u32 {
        64 - self.q.leading_zeros()
    }

    /// `x + y mod q`.
    #[inline(always)]
    pub const fn add(self, x: u64, y: u64) -> u64 {
        let s = x + y;
        if s >= self.q { s - self.q } else { s }
    }

    /// `x - y mod q`.
    #[inline(always)]
    pub const fn sub(self, x: u64, y: u64) -> u64 {
        if x >= y { x - y } else { x + self.q - y }
    }

    /// `-x mod q`.
    #[inline(always)]
    pub const fn neg(self, x: u64) -> u64 {
        if x == 0 { 0 } else { self.q - x }
    }

    /// `x mod q` for any 64-bit `x`.
    #[inline(always)]
    pub const fn reduce(self, x: u64) -> u64 {
        let quotient = ((x as u128 * self.ratio.1 as u128) >> 64) as u64;
        let r = x.wrapping_sub(quotient.wrapping_mul(self.q));
        if r >= self.q { r - self.q } else { r }
    }

    /// `x mod q` for any 128-bit `x`.
    #[inline(always)]
    pub const fn reduce_u128(self, x: u128) -> u64 {
        let (x0, x1) = (x as u64, (x >> 64) as u64);
        let (r0, r1) = self.ratio;
        // High word of x * ratio / 2^128, exact up to one unit, which the last step corrects.
        let low = (x0 as u128 * r0 as u128) >> 64;
        let mid0 = x0 as u128 * r1 as u128;
        let mid1 = x1 as u128 * r0 as u128 + low;
        let carry = ((mid0 as u64 as u128) + (mid1 as u64 as u128)) >> 64;
        let quotient = (x1.wrapping_mul(r1))
            .wrapping_add((mid0 >> 64) as u64)
            .wrapping_add((mid1 >> 64) as u64)
            .wrapping_add(carry as u64);
        let r = x0.wrapping_sub(quotient.wrapping_mul(self.q));
        if r >= self.q { r - self.q } else { r }
    }

    /// The residue of a signed 64-bit integer.
    #[inline(always)]
    pub const fn reduce_i64(self, x: i64) -> u64 {
        let r = self.reduce(x.unsigned_abs());
        if x < 0 { self.neg(r) } else { r }
    }

    /// The residue of a signed 128-bit integer.
    #[inline]
    pub const fn reduce_i128(self, x: i128) -> u64 {
        let r = self.reduce_u128(x.unsigned_abs());
        if x < 0 { self.neg(r) } else { r }
    }

    /// `x * y mod q`.
    #[inline(always)]
    pub const fn mul(self, x: u64, y: u64) -> u64 {
        self.reduce_u128(x as u128 * y as u128)
    }

    /// `x^e mod q`.
    pub const fn pow(self, x: u64, mut e: u64) -> u64 {
        let (mut base, mut acc) = (x, 1);
        while e > 0 {
            if e & 1 == 1 {
                acc = self.mul(acc, base);
            }
            base = self.mul(base, base);
            e >>= 1;
        }
        acc
    }

    /// The inverse of `x` modulo the prime `q` (Fermat); 0 for `x = 0`.
    pub const fn inv(self, x: u64) -> u64 {
        self.pow(x, self.q - 2)
    }

    /// Prepares the constant `w` for [`Modulus::mul_shoup`].
    #[inline]
    pub const fn shoup(self, w: u64) -> Shoup {
        Shoup {
            value: w,
            quotient: (((w as u128) << 64) / self.q as u128) as u64,
        }
    }

    /// `x * w mod q` for any 64-bit `x`, one high and two low products [Harvey 2014].
    #[inline(always)]
    pub const fn mul_shoup(self, x: u64, w: Shoup) -> u64 {
        let r = self.mul_shoup_lazy(x, w);
        if r >= self.q { r - self.q } else { r }
    }

    /// `x * w mod q`, left in `[0, 2q)`.
    #[inline(always)]
    pub const fn mul_shoup_lazy(self, x: u64, w: Shoup) -> u64 {
        let quotient = ((x as u128 * w.quotient as u128) >> 64) as u64;
        x.wrapping_mul(w.value)
            .wrapping_sub(quotient.wrapping_mul(self.q))
    }

    /// The representative of `x` in `[-(q-1)/2, (q-1)/2]`.
    #[inline]
    pub const fn centre(self, x: u64) -> i64 {
        if x > self.q / 2 {
            x as i64 - self.q as i64
        } else {
            x as i64
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIMES: [u64; 5] = [
        3,
        65537,
        (1 << 31) - 1,
        1_125_899_904_679_937,
        2_305_843_009_211_662_337,
    ];

    /// Products, sums and inverses agree with 128-bit division, at the ends of the range too.
    #[test]
    fn operations_agree_with_wide_division() {
        for q in PRIMES {
            let m = Modulus::new(q).expect("a valid modulus");
            let mut x = 0x9e37_79b9_7f4a_7c15_u64;
            let mut samples = vec![0, 1, q - 1, q / 2, q / 2 + 1];
            for _ in 0..200 {
                x = x
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                samples.push(x % q);
            }
            for &a in &samples {
                for &b in &samples[..24] {
                    let wide = |v: u128| (v % u128::from(q)) as u64;
                    assert_eq!(m.mul(a, b), wide(u128::from(a) * u128::from(b)));
                    assert_eq!(m.add(a, b), wide(u128::from(a) + u128::from(b)));
                    assert_eq!(
                        m.sub(a, b),
                        wide(u128::from(a) + u128::from(q) - u128::from(b))
                    );
                    assert_eq!(m.mul_shoup(a, m.shoup(b)), m.mul(a, b));
                }
                assert_eq!(m.reduce(a.wrapping_mul(3)), a.wrapping_mul(3) % q);
                assert_eq!(
                    m.reduce_u128(u128::MAX - u128::from(a)),
                    ((u128::MAX - u128::from(a)) % u128::from(q)) as u64
                );
                if a != 0 && crate::arith::is_prime(q) {
                    assert_eq!(m.mul(a, m.inv(a)), 1);
                }
                assert_eq!(m.reduce_i64(m.centre(a)), a);
            }
        }
    }

    #[test]
    fn bad_moduli_are_refused() {
        for q in [0, 1, 2, 4, 1 << 61, u64::MAX] {
            assert!(matches!(Modulus::new(q), Err(Error::InvalidModulus { .. })));
        }
    }
}
