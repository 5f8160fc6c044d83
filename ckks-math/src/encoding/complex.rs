//! Complex numbers in double precision: only what encoding and the homomorphic DFT need.

use std::ops::{Add, AddAssign, Mul, Neg, Sub};

/// A complex number `re + i im` in double precision.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Complex64 {
    /// Real part.
    pub re: f64,
    /// Imaginary part.
    pub im: f64,
}

impl Complex64 {
    /// Zero.
    pub const ZERO: Self = Self::new(0.0, 0.0);
    /// One.
    pub const ONE: Self = Self::new(1.0, 0.0);
    /// The imaginary unit.
    pub const I: Self = Self::new(0.0, 1.0);

    /// The number `re + i im`.
    #[must_use]
    pub const fn new(re: f64, im: f64) -> Self {
        Self { re, im }
    }

    /// The complex conjugate `re - i im`.
    #[must_use]
    pub const fn conj(self) -> Self {
        Self::new(self.re, -self.im)
    }

    /// The modulus `|z|`, without intermediate overflow.
    #[must_use]
    pub fn norm(self) -> f64 {
        self.re.hypot(self.im)
    }

    /// True when neither part is infinite or NaN.
    #[must_use]
    pub const fn is_finite(self) -> bool {
        self.re.is_finite() && self.im.is_finite()
    }

    /// The root of unity `exp(2 pi i k / order)`, each part within one unit in the last place.
    ///
    /// `order` is a power of two, `k` any integer. The angle is reduced exactly to the first octant
    /// before sine and cosine are taken, so that the usual symmetries (conjugates, negatives, the
    /// fourth roots) hold bit for bit.
    pub(crate) fn unit_root(k: u64, order: u64) -> Self {
        debug_assert!(order.is_power_of_two());
        // With `order >= 8` octants have integer length.
        let (k, order) = if order < 8 {
            (k * (8 / order), 8)
        } else {
            (k, order)
        };
        let k = k & (order - 1);
        let quarter = order / 4;
        let (quadrant, mut r) = (k / quarter, k % quarter);
        let swap = r > quarter / 2;
        if swap {
            r = quarter - r;
        }
        let (mut im, mut re) = (std::f64::consts::TAU * (r as f64 / order as f64)).sin_cos();
        // 45 degrees: sine and cosine of the rounded angle differ in the last place.
        if 2 * r == quarter {
            (re, im) = (
                std::f64::consts::FRAC_1_SQRT_2,
                std::f64::consts::FRAC_1_SQRT_2,
            );
        }
        if swap {
            (re, im) = (im, re);
        }
        match quadrant {
            0 => Self::new(re, im),
            1 => Self::new(-im, re),
            2 => Self::new(-re, -im),
            _ => Self::new(im, -re),
        }
    }
}

impl From<f64> for Complex64 {
    fn from(re: f64) -> Self {
        Self::new(re, 0.0)
    }
}

impl Add for Complex64 {
    type Output = Self;
    fn add(self, o: Self) -> Self {
        Self::new(self.re + o.re, self.im + o.im)
    }
}

impl AddAssign for Complex64 {
    fn add_assign(&mut self, o: Self) {
        *self = *self + o;
    }
}

impl Sub for Complex64 {
    type Output = Self;
    fn sub(self, o: Self) -> Self {
        Self::new(self.re - o.re, self.im - o.im)
    }
}

impl Neg for Complex64 {
    type Output = Self;
    fn neg(self) -> Self {
        Self::new(-self.re, -self.im)
    }
}

impl Mul for Complex64 {
    type Output = Self;
    fn mul(self, o: Self) -> Self {
        Self::new(
            self.re * o.re - self.im * o.im,
            self.re * o.im + self.im * o.re,
        )
    }
}

impl Mul<f64> for Complex64 {
    type Output = Self;
    fn mul(self, s: f64) -> Self {
        Self::new(self.re * s, self.im * s)
    }
}

#[cfg(test)]
mod tests {
    use super::Complex64;

    #[test]
    fn fourth_roots_are_exact_and_roots_multiply_as_their_exponents_add() {
        assert_eq!(Complex64::unit_root(1, 4), Complex64::I);
        assert_eq!(Complex64::unit_root(5, 4), Complex64::I);
        assert_eq!(Complex64::unit_root(1, 2), -Complex64::ONE);
        assert_eq!(Complex64::unit_root(7, 1), Complex64::ONE);
        for order in [8_u64, 64, 1 << 17] {
            for k in (0..order).step_by(order as usize / 8) {
                let k = k + 3;
                let root = Complex64::unit_root(k, order);
                assert_eq!(Complex64::unit_root(order - k % order, order), root.conj());
                let sum = Complex64::unit_root(k, order) * Complex64::unit_root(2 * k + 1, order);
                let direct = Complex64::unit_root(3 * k + 1, order);
                assert!((sum - direct).norm() < 4.0 * f64::EPSILON);
            }
        }
    }
}
