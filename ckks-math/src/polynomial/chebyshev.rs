//! Polynomials as finite Chebyshev series on an interval: interpolation, evaluation, error.
//!
//! A polynomial is p(x) = sum_k c_k T_k(u), where u = (2x - lo - hi) / (hi - lo) maps the interval
//! onto [-1, 1]. The basis is the one in which a polynomial of high degree keeps its precision in
//! fixed-point arithmetic: |T_k| <= 1 on the interval, so every partial result stays bounded by the
//! sum of the |c_k|. Facts used here: [Trefethen 2013, chapters 2 to 8].

use super::error::ApproximationError;
use std::f64::consts::PI;

/// Greatest degree of a Chebyshev series (interpolation costs the square of it).
pub const MAX_DEGREE: usize = 4095;

/// Which powers a polynomial in u has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parity {
    /// Every coefficient of odd index is exactly zero (the zero polynomial counts as even).
    Even,
    /// Every coefficient of even index is exactly zero.
    Odd,
    /// Both kinds of coefficients occur.
    General,
}

/// Polynomial sum_k c_k T_k(u), u the affine image in [-1, 1] of x in the interval.
///
/// Always holds at least one coefficient, all finite, and an interval of positive finite width.
#[derive(Clone, Debug, PartialEq)]
pub struct Chebyshev {
    interval: (f64, f64),
    coefficients: Vec<f64>,
}

impl Chebyshev {
    /// Series with the given coefficients c_0, c_1, ... on the interval (lo, hi).
    ///
    /// Trailing zeros are kept.
    ///
    /// # Errors
    /// [`ApproximationError::Interval`] unless lo < hi with finite width,
    /// [`ApproximationError::NoCoefficients`], [`ApproximationError::Degree`] for more than
    /// `MAX_DEGREE` + 1 of them, [`ApproximationError::Coefficient`] for one that is not finite.
    pub fn from_coefficients(
        interval: (f64, f64),
        coefficients: Vec<f64>,
    ) -> Result<Self, ApproximationError> {
        check_interval(interval)?;
        if coefficients.is_empty() {
            return Err(ApproximationError::NoCoefficients);
        }
        check_degree(coefficients.len() - 1, MAX_DEGREE)?;
        match coefficients.iter().position(|c| !c.is_finite()) {
            Some(index) => Err(ApproximationError::Coefficient {
                index,
                value: coefficients[index],
            }),
            None => Ok(Self {
                interval,
                coefficients,
            }),
        }
    }

    /// Interpolant of `f` of the given degree at the Chebyshev nodes cos(pi (j + 1/2) / n) of the
    /// interval, n = degree + 1.
    ///
    /// Its error is at most 2 + (2/pi) ln(n) times the minimax error [Trefethen 2013, theorem
    /// 15.2], and the coefficients are accurate to about 1e-15 times max |f|. On an interval
    /// symmetric about zero, a function that is odd or even in floating point gives exact zeros in
    /// the coefficients of the other parity.
    ///
    /// # Errors
    /// [`ApproximationError::Interval`] unless lo < hi with finite width,
    /// [`ApproximationError::Degree`] above `MAX_DEGREE`, [`ApproximationError::FunctionValue`]
    /// where `f` is not finite at a node, [`ApproximationError::Coefficient`] where values of `f`
    /// are so great that a sum of them is not finite.
    pub fn interpolate(
        f: impl Fn(f64) -> f64,
        interval: (f64, f64),
        degree: usize,
    ) -> Result<Self, ApproximationError> {
        check_interval(interval)?;
        check_degree(degree, MAX_DEGREE)?;
        let n = degree + 1;
        // cosines[i] = cos(pi i / (2n)), built from the first octant pair so that mirrored nodes
        // and mirrored matrix entries are exact negatives of each other.
        let cosines: Vec<f64> = (0..4 * n).map(|i| cos_quarter(i, n)).collect();
        let mut values = Vec::with_capacity(n);
        for j in 0..n {
            let at = from_unit(interval, cosines[2 * j + 1]);
            let value = f(at);
            if !value.is_finite() {
                return Err(ApproximationError::FunctionValue { at, value });
            }
            values.push(value);
        }
        // Folding node j with its mirror n-1-j halves the work and makes parity exact, because
        // cos(pi k (j + 1/2) / n) changes by (-1)^k under the mirror.
        let coefficients = (0..n)
            .map(|k| {
                let mut sum = CompensatedSum::default();
                for j in 0..n / 2 {
                    let mirror = values[n - 1 - j];
                    let folded = if k % 2 == 0 {
                        values[j] + mirror
                    } else {
                        values[j] - mirror
                    };
                    sum.add(folded * cosines[(k * (2 * j + 1)) % (4 * n)]);
                }
                if n % 2 == 1 {
                    sum.add(values[n / 2] * cosines[(k * n) % (4 * n)]);
                }
                sum.value() * if k == 0 { 1.0 } else { 2.0 } / n as f64
            })
            .collect();
        Self::from_coefficients(interval, coefficients)
    }

    /// The interval (lo, hi) that u in [-1, 1] covers.
    pub fn interval(&self) -> (f64, f64) {
        self.interval
    }

    /// The coefficients c_0, c_1, ...; at least one.
    pub fn coefficients(&self) -> &[f64] {
        &self.coefficients
    }

    /// Degree: the greatest index of a nonzero coefficient, 0 for the zero polynomial.
    pub fn degree(&self) -> usize {
        self.coefficients
            .iter()
            .rposition(|&c| c != 0.0)
            .unwrap_or(0)
    }

    /// Which coefficients are exactly zero, by the parity of their index.
    pub fn parity(&self) -> Parity {
        let vanishes = |first: usize| {
            self.coefficients
                .iter()
                .skip(first)
                .step_by(2)
                .all(|&c| c == 0.0)
        };
        match (vanishes(1), vanishes(0)) {
            (true, _) => Parity::Even,
            (false, true) => Parity::Odd,
            (false, false) => Parity::General,
        }
    }

    /// The even or odd part of the polynomial in u: coefficients of the other parity set to zero.
    ///
    /// For a function known to be even or odd about the middle of the interval, this removes the
    /// rounding errors that would cost ciphertext multiplications. `General` changes nothing.
    #[must_use]
    pub fn project(mut self, parity: Parity) -> Self {
        let first = match parity {
            Parity::Even => 1,
            Parity::Odd => 0,
            Parity::General => return self,
        };
        for c in self.coefficients.iter_mut().skip(first).step_by(2) {
            *c = 0.0;
        }
        self
    }

    /// The polynomial times a constant.
    ///
    /// # Errors
    /// [`ApproximationError::Coefficient`] where a coefficient leaves the finite numbers.
    pub fn scaled(&self, factor: f64) -> Result<Self, ApproximationError> {
        let coefficients = self.coefficients.iter().map(|c| c * factor).collect();
        Self::from_coefficients(self.interval, coefficients)
    }

    /// u = (2x - lo - hi) / (hi - lo), the image of x in [-1, 1].
    pub fn to_unit(&self, x: f64) -> f64 {
        to_unit(self.interval, x)
    }

    /// p(x) by Clenshaw's recurrence; outside the interval the polynomial is extrapolated.
    pub fn eval(&self, x: f64) -> f64 {
        clenshaw(&self.coefficients, self.to_unit(x))
    }

    /// sum_k c_k T_k(u), for an argument already mapped to [-1, 1].
    pub fn eval_unit(&self, u: f64) -> f64 {
        clenshaw(&self.coefficients, u)
    }

    /// Greatest |p(x) - f(x)| over `samples` + 1 points of the interval, both ends included.
    ///
    /// The points are the extrema of T_samples, which crowd where polynomials oscillate. NaN if a
    /// value of `f` is NaN.
    pub fn max_error(&self, f: impl Fn(f64) -> f64, samples: usize) -> f64 {
        self.worst(samples, |x| (self.eval(x) - f(x)).abs())
    }

    /// Greatest |p(x) / f(x) - 1| over the points of [`Self::max_error`].
    ///
    /// Infinite or NaN where `f` vanishes.
    pub fn max_relative_error(&self, f: impl Fn(f64) -> f64, samples: usize) -> f64 {
        self.worst(samples, |x| {
            let value = f(x);
            ((self.eval(x) - value) / value).abs()
        })
    }

    fn worst(&self, samples: usize, error: impl Fn(f64) -> f64) -> f64 {
        let samples = samples.max(1);
        (0..=samples)
            .map(|i| error(from_unit(self.interval, cos_quarter(2 * i, samples))))
            .fold(
                0.0,
                |worst: f64, e| if e.is_nan() || e > worst { e } else { worst },
            )
    }
}

/// sum_k c_k T_k(u) by Clenshaw's recurrence; 0 for no coefficients.
pub fn clenshaw(coefficients: &[f64], u: f64) -> f64 {
    let Some((&first, rest)) = coefficients.split_first() else {
        return 0.0;
    };
    let (mut b1, mut b2) = (0.0, 0.0);
    for &c in rest.iter().rev() {
        (b1, b2) = ((2.0 * u).mul_add(b1, c - b2), b1);
    }
    u.mul_add(b1, first - b2)
}

/// cos(pi i / (2n)) for any i >= 0, with the symmetries of the cosine exact.
pub(super) fn cos_quarter(i: usize, n: usize) -> f64 {
    let i = i % (4 * n);
    let i = if i > 2 * n { 4 * n - i } else { i };
    if i > n {
        return -cos_quarter(2 * n - i, n);
    }
    let step = PI / (2 * n) as f64;
    // Near the zero of the cosine the sine of the complement has the smaller rounding error.
    if 2 * i > n {
        (step * (n - i) as f64).sin()
    } else {
        (step * i as f64).cos()
    }
}

/// Point of the interval at u in [-1, 1]; exactly the ends at u = -1 and u = 1.
pub(super) fn from_unit((lo, hi): (f64, f64), u: f64) -> f64 {
    let x = (0.5 * (hi - lo)).mul_add(u, 0.5 * (lo + hi));
    x.clamp(lo, hi)
}

/// Image of x under the affine map of (lo, hi) onto (-1, 1).
pub(super) fn to_unit((lo, hi): (f64, f64), x: f64) -> f64 {
    // The difference of the two distances is exact in more cases than 2x - (lo + hi).
    ((x - lo) - (hi - x)) / (hi - lo)
}

/// Refuses intervals that are empty, reversed, not finite or of infinite width.
pub(super) fn check_interval((lo, hi): (f64, f64)) -> Result<(), ApproximationError> {
    if lo < hi && (hi - lo).is_finite() && (lo + hi).is_finite() {
        Ok(())
    } else {
        Err(ApproximationError::Interval { lo, hi })
    }
}

/// Refuses degrees above the limit.
pub(super) fn check_degree(degree: usize, limit: usize) -> Result<(), ApproximationError> {
    if degree <= limit {
        Ok(())
    } else {
        Err(ApproximationError::Degree { degree, limit })
    }
}

/// Sum with a running correction of the rounding errors [Neumaier 1974].
#[derive(Default)]
struct CompensatedSum {
    sum: f64,
    correction: f64,
}

impl CompensatedSum {
    fn add(&mut self, term: f64) {
        let total = self.sum + term;
        self.correction += if self.sum.abs() >= term.abs() {
            (self.sum - total) + term
        } else {
            (term - total) + self.sum
        };
        self.sum = total;
    }

    fn value(&self) -> f64 {
        self.sum + self.correction
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpolation_reproduces_a_polynomial_of_its_degree() {
        let p =
            Chebyshev::from_coefficients((-3.0, 7.5), vec![0.5, -1.25, 0.0, 2.0, 0.125]).unwrap();
        for degree in 4..40 {
            let q = Chebyshev::interpolate(|x| p.eval(x), (-3.0, 7.5), degree).unwrap();
            for (k, c) in q.coefficients().iter().enumerate() {
                let expected = p.coefficients().get(k).copied().unwrap_or(0.0);
                assert!((c - expected).abs() < 4e-15, "degree {degree}, c_{k} = {c}");
            }
        }
    }

    #[test]
    fn coefficients_of_the_exponential_are_modified_bessel_values() {
        // exp(u) = I_0(1) + 2 sum I_k(1) T_k(u), with I_k(1) by its power series.
        let p = Chebyshev::interpolate(f64::exp, (-1.0, 1.0), 30).unwrap();
        for (k, c) in p.coefficients().iter().enumerate() {
            let mut term = (1..=k).fold(1.0, |t, i| t / (2.0 * i as f64));
            let mut bessel = 0.0;
            for i in 0..40 {
                bessel += term;
                term *= 0.25 / ((i + 1) as f64 * (i + 1 + k) as f64);
            }
            let expected = if k == 0 { bessel } else { 2.0 * bessel };
            assert!(
                (c - expected).abs() < 1e-15,
                "c_{k} = {c}, expected {expected}"
            );
        }
    }

    #[test]
    fn interpolation_of_entire_functions_reaches_rounding() {
        let p = Chebyshev::interpolate(f64::exp, (-4.0, 1.0), 30).unwrap();
        assert!(p.max_error(f64::exp, 1000) < 4e-15);
        let p = Chebyshev::interpolate(|x| (50.0 * x).cos(), (-1.0, 1.0), 255).unwrap();
        assert!(p.max_error(|x| (50.0 * x).cos(), 5000) < 2e-14);
    }

    #[test]
    fn parity_is_exact_for_odd_and_even_functions() {
        for degree in 1..70 {
            let odd = Chebyshev::interpolate(|x| x * x.abs(), (-5.3, 5.3), degree).unwrap();
            assert_eq!(odd.parity(), Parity::Odd, "degree {degree}");
            let even =
                Chebyshev::interpolate(|x| 1.0 / (1.0 + x * x), (-5.3, 5.3), degree).unwrap();
            assert_eq!(even.parity(), Parity::Even, "degree {degree}");
        }
        let exp = Chebyshev::interpolate(f64::exp, (-1.0, 1.0), 9).unwrap();
        assert_eq!(exp.parity(), Parity::General);
        let sinh = exp.clone().project(Parity::Odd);
        assert_eq!(sinh.parity(), Parity::Odd);
        assert!(sinh.max_error(f64::sinh, 200) < exp.max_error(f64::exp, 200) + 1e-15);
    }

    #[test]
    fn degree_ignores_trailing_zeros() {
        let p = |c: Vec<f64>| Chebyshev::from_coefficients((0.0, 1.0), c).unwrap();
        assert_eq!(p(vec![0.0, 3.0, 0.0]).degree(), 1);
        assert_eq!(p(vec![0.0]).degree(), 0);
        assert_eq!(p(vec![0.0]).eval(0.3), 0.0);
        assert_eq!(p(vec![1.0, 2.0]).eval(1.0), 3.0);
        assert_eq!(p(vec![1.0, 2.0]).scaled(2.0).unwrap().eval(0.0), -2.0);
    }

    #[test]
    fn errors_are_typed() {
        use ApproximationError as E;
        let nan = f64::NAN;
        for (lo, hi) in [
            (1.0, 1.0),
            (2.0, 1.0),
            (nan, 1.0),
            (0.0, f64::INFINITY),
            (-1e308, 1e308),
        ] {
            let result = Chebyshev::interpolate(f64::exp, (lo, hi), 3);
            assert!(matches!(result, Err(E::Interval { .. })), "[{lo}, {hi}]");
        }
        let unit = (-1.0, 1.0);
        let result = Chebyshev::interpolate(|x| 1.0 / x, unit, 2);
        assert!(matches!(result, Err(E::FunctionValue { at, .. }) if at == 0.0));
        let result = Chebyshev::interpolate(f64::exp, unit, MAX_DEGREE + 1);
        assert_eq!(
            result,
            Err(E::Degree {
                degree: MAX_DEGREE + 1,
                limit: MAX_DEGREE
            })
        );
        assert_eq!(
            Chebyshev::from_coefficients(unit, vec![]),
            Err(E::NoCoefficients)
        );
        let result = Chebyshev::from_coefficients(unit, vec![0.0, nan]);
        assert!(matches!(result, Err(E::Coefficient { index: 1, .. })));
        let one = Chebyshev::from_coefficients(unit, vec![1.0]).unwrap();
        assert!(one.max_error(|_| nan, 10).is_nan(), "a NaN is never hidden");
        assert!(one.scaled(f64::INFINITY).is_err());
    }
}
