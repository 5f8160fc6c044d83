//! Polynomials for the modular reduction of bootstrapping: cosine, double angles, arcsine.
//!
//! After ModRaise a coefficient divided by the modulus is x = j + eps, j an integer, |j| <= K,
//! |eps| <= eps_max. Wanted is eps, by eps ~ sin(2 pi x) / (2 pi). With theta = 2 pi (x - 1/4) /
//! 2^r, r double-angle steps turn cos(theta) into cos(2^r theta) = cos(2 pi x - pi/2) = sin(2 pi
//! x), so only the slow cosine is approximated [Han-Ki 2020]. The amplitude comes free: from c
//! = s cos(theta), the step c <- 2 c^2 - s^2 gives s^2 cos(2 theta), so with s_0 = A^(1 / 2^r) and
//! the subtrahends s_i^2 the result is A sin(2 pi x), A = 1 / (2 pi).
//!
//! The remaining error of replacing the sine by its argument, (2 pi)^2 eps^3 / 6, is removed where
//! needed by [`arcsine_correction`].

use super::chebyshev::{Chebyshev, MAX_DEGREE, Parity, check_degree};
use super::domain::Domain;
use super::error::ApproximationError;
use super::remez::{MAX_MINIMAX_DEGREE, minimax_weighted};
use std::f64::consts::PI;

/// Greatest supported range K of the overflow count.
pub const MAX_RANGE: u32 = 1024;
/// Greatest supported number of double-angle steps.
pub const MAX_DOUBLE_ANGLES: u32 = 10;

/// Where, and in which form, the polynomial is asked to approximate the cosine.
///
/// For K = 16, r = 3, eps_max = 2^-10 and degree 30 the sine comes out with 26.6, 29.6 and 32.1
/// bits, and the polynomial takes 9, 9 and 12 products of ciphertexts, in the order below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CosineFit {
    /// On the whole range, by interpolation on the interval [-K - eps, K + eps + 1/2].
    ///
    /// The interval is symmetric about 1/4, about which the cosine is even, so half of the
    /// coefficients are exactly zero; between the integers the value is right too.
    WholeRange,
    /// Even about 1/4 on the same interval, but only within eps_max of the integers.
    ///
    /// Weighted minimax fit, the weight being the amplification of the error by the double-angle
    /// steps, so that the error of the sine itself is levelled. As cheap as `WholeRange` at the
    /// same degree, and more precise. Without meaning away from the integers.
    EvenNearIntegers,
    /// The same fit with all coefficients, on the interval [-K - eps, K + eps].
    ///
    /// The least degree [Han-Ki 2020; Lee-Lee-Lee-Kim-No 2021], but about a third more products.
    NearIntegers,
}

/// Polynomial and double-angle constants for x -> sin(2 pi x) / (2 pi).
#[derive(Clone, Debug, PartialEq)]
pub struct ModularFit {
    /// s_0 cos(2 pi (x - 1/4) / 2^r) as a series in u, the affine image of x in [-1, 1]; the input
    /// to map is [`Chebyshev::interval`], which is not always symmetric about 0.
    pub chebyshev: Chebyshev,
    /// Number r of double-angle steps.
    pub double_angles: u32,
    /// d_1, ..., d_r: step i is c <- 2 c^2 - d_i. The last is the amplitude.
    pub constants: Vec<f64>,
    /// Amplitude A of the result A sin(2 pi x): 1 / (2 pi), unless rescaled.
    pub amplitude: f64,
    /// Greatest |result - A sin(2 pi x)| / A within eps_max of the integers |j| <= K: the error of
    /// the sine. In units of the modulus it is this times A.
    pub error: f64,
}

impl ModularFit {
    /// Levels consumed: ceil(log2(degree + 1)) + r.
    pub fn depth(&self) -> u32 {
        usize::BITS - self.chebyshev.degree().leading_zeros() + self.double_angles
    }

    /// A sin(2 pi x), approximately, by the steps an evaluator takes.
    pub fn eval(&self, x: f64) -> f64 {
        self.constants
            .iter()
            .fold(self.chebyshev.eval(x), |c, d| 2.0 * c * c - d)
    }

    /// The same function with another amplitude A > 0: the result is A sin(2 pi x).
    ///
    /// Folds into the reduction any factor that is to follow it, such as the ratio of modulus and
    /// scale.
    ///
    /// # Errors
    /// [`ApproximationError::Parameter`] unless the amplitude is above 0 and finite,
    /// [`ApproximationError::Coefficient`] where it makes a coefficient infinite.
    pub fn with_amplitude(&self, amplitude: f64) -> Result<Self, ApproximationError> {
        check(
            "amplitude",
            amplitude,
            amplitude > 0.0 && amplitude.is_finite(),
            "above 0, finite",
        )?;
        let root = |a: f64| (0..self.double_angles).fold(a, |s, _| s.sqrt());
        let chebyshev = self.chebyshev.scaled(root(amplitude / self.amplitude))?;
        let constants = (0..self.double_angles)
            .rev()
            .map(|squarings| (0..squarings).fold(amplitude, |s, _| s.sqrt()))
            .collect();
        Ok(Self {
            chebyshev,
            constants,
            amplitude,
            ..*self
        })
    }
}

/// Fit of the given degree for |x - j| <= eps_max, |j| <= k, with r = `double_angles` steps after
/// it.
///
/// Ranges: 1 <= k <= `MAX_RANGE`, 0 < eps_max <= 1/8, r <= `MAX_DOUBLE_ANGLES`, degree at most
/// `MAX_DEGREE` (whole range) or `MAX_MINIMAX_DEGREE` (near integers). The error in f64 is no less
/// than about 4^r 1e-16.
///
/// # Errors
/// [`ApproximationError::Parameter`] and [`ApproximationError::Degree`] for what is out of these
/// ranges.
pub fn fit_cosine(
    k: u32,
    eps_max: f64,
    double_angles: u32,
    degree: usize,
    kind: CosineFit,
) -> Result<ModularFit, ApproximationError> {
    check(
        "range K",
        f64::from(k),
        (1..=MAX_RANGE).contains(&k),
        "1 to 1024",
    )?;
    check(
        "eps_max",
        eps_max,
        eps_max > 0.0 && eps_max <= 0.125,
        "above 0, at most 1/8",
    )?;
    let (r, r_value) = (double_angles, f64::from(double_angles));
    check(
        "double-angle steps",
        r_value,
        r <= MAX_DOUBLE_ANGLES,
        "at most 10",
    )?;
    check_degree(degree, degree_limit(kind))?;
    let frequency = 2.0 * PI / f64::from(1 << r);
    // In y = x - 1/4 the cosine is exactly even.
    let cosine = |y: f64| (frequency * y).cos();
    // d sin / d cos = prod_i 4 cos(2^i theta) = 2^r sin(2^r theta) / sin(theta), where
    // |sin(2^r theta)| = |cos(2 pi eps)| is at most 1.
    let amplification = |y: f64| 1.0 / (frequency * y).sin().abs();
    let half = f64::from(k) + eps_max + 0.25;
    let chebyshev = match kind {
        CosineFit::WholeRange => {
            from_shifted(&Chebyshev::interpolate(cosine, (-half, half), degree)?)?
        }
        CosineFit::EvenNearIntegers => {
            let domain = Domain::around_quarters(k, eps_max)?;
            from_shifted(&minimax_weighted(cosine, amplification, &domain, degree)?.polynomial)?
        }
        CosineFit::NearIntegers => {
            let domain = Domain::around_integers(k, eps_max)?;
            let shifted = (|x: f64| cosine(x - 0.25), |x: f64| amplification(x - 0.25));
            minimax_weighted(shifted.0, shifted.1, &domain, degree)?.polynomial
        }
    };
    let constants = vec![1.0; r as usize];
    let unit = ModularFit {
        chebyshev,
        double_angles,
        constants,
        amplitude: 1.0,
        error: 0.0,
    };
    let error = sine_error(&unit, k, eps_max);
    ModularFit { error, ..unit }.with_amplitude(0.5 / PI)
}

/// The fit of least degree whose error of the sine is at most 2^-bits.
///
/// # Errors
/// [`ApproximationError::Unreachable`] if rounding in f64 or the degree limit prevents it, and as
/// [`fit_cosine`].
pub fn least_degree(
    k: u32,
    eps_max: f64,
    double_angles: u32,
    bits: f64,
    kind: CosineFit,
) -> Result<ModularFit, ApproximationError> {
    let fit = |degree: usize| fit_cosine(k, eps_max, double_angles, degree, kind);
    let good = |fit: &ModularFit| fit.error <= (-bits).exp2();
    let mut high = 4;
    let mut best = fit(high)?;
    let mut low = 0;
    while !good(&best) {
        let next = (2 * high).min(degree_limit(kind));
        let candidate = fit(next)?;
        // At the rounding floor, more degree does not help.
        let stalled = best.error < 1e-6 && candidate.error > 0.5 * best.error;
        if !good(&candidate) && (next == high || stalled) {
            let reached = -best.error.log2();
            return Err(ApproximationError::Unreachable {
                wanted: bits,
                reached,
                degree: high,
            });
        }
        (low, high, best) = (high, next, candidate);
    }
    // Invariant: `high` is good, `low` is not (or is 0).
    while high - low > 1 {
        let middle = low.midpoint(high);
        let candidate = fit(middle)?;
        if good(&candidate) {
            (high, best) = (middle, candidate);
        } else {
            low = middle;
        }
    }
    Ok(best)
}

/// Odd polynomial y -> arcsin(2 pi y) / (2 pi), which turns y = sin(2 pi eps) / (2 pi) into eps,
/// for |eps| <= eps_max <= 1/8; `degree` odd, up to 15 (3 or 5 in practice).
///
/// Interpolant on |y| <= sin(2 pi eps_max) / (2 pi); its error follows from
/// [`Chebyshev::max_error`] against [`inverse_sine`].
///
/// # Errors
/// [`ApproximationError::Parameter`] for an `eps_max` or a degree out of these ranges.
pub fn arcsine_correction(eps_max: f64, degree: usize) -> Result<Chebyshev, ApproximationError> {
    check(
        "eps_max",
        eps_max,
        eps_max > 0.0 && eps_max <= 0.125,
        "above 0, at most 1/8",
    )?;
    let degree_ok = degree % 2 == 1 && degree <= 15;
    check(
        "degree of the arcsine",
        degree as f64,
        degree_ok,
        "odd and at most 15",
    )?;
    let bound = (2.0 * PI * eps_max).sin() / (2.0 * PI);
    Ok(Chebyshev::interpolate(inverse_sine, (-bound, bound), degree)?.project(Parity::Odd))
}

/// arcsin(2 pi y) / (2 pi), the inverse of eps -> sin(2 pi eps) / (2 pi) for |eps| <= 1/4.
pub fn inverse_sine(y: f64) -> f64 {
    (2.0 * PI * y).asin() / (2.0 * PI)
}

/// The series in x of an even series in y = x - 1/4: the same coefficients, the interval moved.
fn from_shifted(series: &Chebyshev) -> Result<Chebyshev, ApproximationError> {
    let (lo, hi) = series.interval();
    let coefficients = series.clone().project(Parity::Even).coefficients().to_vec();
    Chebyshev::from_coefficients((lo + 0.25, hi + 0.25), coefficients)
}

fn degree_limit(kind: CosineFit) -> usize {
    match kind {
        CosineFit::WholeRange => MAX_DEGREE,
        CosineFit::EvenNearIntegers | CosineFit::NearIntegers => MAX_MINIMAX_DEGREE,
    }
}

fn check(
    name: &'static str,
    value: f64,
    valid: bool,
    range: &'static str,
) -> Result<(), ApproximationError> {
    if valid {
        Ok(())
    } else {
        Err(ApproximationError::Parameter { name, value, range })
    }
}

/// Greatest |fit(x) - A sin(2 pi x)| within eps_max of the integers |j| <= k.
fn sine_error(fit: &ModularFit, k: u32, eps_max: f64) -> f64 {
    const SAMPLES: i32 = 24;
    let k = i64::from(k);
    let mut worst = 0.0_f64;
    for j in -k..=k {
        for i in -SAMPLES..=SAMPLES {
            let x = j as f64 + eps_max * f64::from(i) / f64::from(SAMPLES);
            // The rounded x is exactly j + eps for this eps.
            let eps = x - j as f64;
            let error = (fit.eval(x) - fit.amplitude * (2.0 * PI * eps).sin()).abs();
            worst = if error.is_nan() {
                f64::INFINITY
            } else {
                worst.max(error)
            };
        }
    }
    worst
}

#[cfg(test)]
mod tests {
    use super::*;
    use CosineFit::{EvenNearIntegers, NearIntegers, WholeRange};

    #[test]
    fn both_fits_reduce_modulo_one() {
        for (kind, degree) in [(WholeRange, 40), (EvenNearIntegers, 38), (NearIntegers, 36)] {
            let (k, eps_max) = (16, 1.0 / 512.0);
            let fit = fit_cosine(k, eps_max, 3, degree, kind).unwrap();
            println!("{kind:?} {degree}: 2^{:.1}", fit.error.log2());
            assert_eq!((fit.constants.len(), fit.depth()), (3, 9));
            assert!(fit.error < 2e-9, "{kind:?}: {}", fit.error);
            // Independent samples of the output against eps itself: the cubic term is left.
            let bound = fit.error / (2.0 * PI) + (2.0 * PI).powi(2) * eps_max.powi(3) / 6.0;
            for j in -16..=16 {
                for i in -50..=50 {
                    let eps = eps_max * f64::from(i) / 50.0;
                    let value = fit.eval(f64::from(j) + eps);
                    assert!(
                        (value - eps).abs() < bound * 1.001 + 1e-14,
                        "{kind:?} {j} {eps}"
                    );
                }
            }
        }
    }

    #[test]
    fn whole_range_is_even_and_right_between_the_integers() {
        let fit = fit_cosine(12, 0.01, 2, 60, WholeRange).unwrap();
        assert_eq!(fit.chebyshev.parity(), Parity::Even);
        let (lo, hi) = fit.chebyshev.interval();
        assert!((lo + 12.01).abs() < 1e-14 && (hi - 12.51).abs() < 1e-14);
        for i in 0..=1000 {
            let x = lo + (hi - lo) * f64::from(i) / 1000.0;
            let expected = (2.0 * PI * x).sin() / (2.0 * PI);
            assert!((fit.eval(x) - expected).abs() < 1e-12, "x = {x}");
        }
    }

    #[test]
    fn constants_square_and_end_at_the_amplitude() {
        let fit = fit_cosine(8, 0.01, 4, 30, WholeRange).unwrap();
        assert!((fit.constants[3] - 0.5 / PI).abs() < 1e-16);
        for pair in fit.constants.windows(2) {
            assert!((pair[0] * pair[0] - pair[1]).abs() < 1e-15);
        }
        let other = fit.with_amplitude(3.0).unwrap();
        assert!((other.eval(2.005) / fit.eval(2.005) - 6.0 * PI).abs() < 1e-9);
        assert!(fit.with_amplitude(0.0).is_err() && fit.with_amplitude(f64::NAN).is_err());
        // Without double angles the amplitude sits in the coefficients.
        let direct = fit_cosine(2, 0.01, 0, 60, WholeRange).unwrap();
        assert!(direct.constants.is_empty() && (direct.eval(1.01) - 0.01).abs() < 1e-4);
    }

    #[test]
    fn least_degree_is_least_and_concentration_saves() {
        let eps_max = 1.0 / 1024.0;
        for bits in [20.0, 30.0] {
            let whole = least_degree(16, eps_max, 3, bits, WholeRange).unwrap();
            let near = least_degree(16, eps_max, 3, bits, NearIntegers).unwrap();
            let (whole_degree, near_degree) = (whole.chebyshev.degree(), near.chebyshev.degree());
            println!("{bits} bits: whole {whole_degree}, near integers {near_degree}");
            assert!(whole.error <= (-bits).exp2() && near.error <= (-bits).exp2());
            assert!(near_degree < whole_degree);
            let below = fit_cosine(16, eps_max, 3, near_degree - 1, NearIntegers).unwrap();
            assert!(below.error > (-bits).exp2());
        }
    }

    #[test]
    fn even_fit_near_integers_is_between_the_others() {
        let eps_max = 1.0 / 1024.0;
        let fit = |kind| fit_cosine(16, eps_max, 3, 30, kind).unwrap();
        let [whole, even, near] = [WholeRange, EvenNearIntegers, NearIntegers].map(fit);
        assert_eq!(
            (even.chebyshev.parity(), even.chebyshev.degree()),
            (Parity::Even, 30)
        );
        assert_eq!(even.chebyshev.interval(), whole.chebyshev.interval());
        println!("bits {:?}", [&whole, &even, &near].map(|f| -f.error.log2()));
        assert!(near.error < even.error && even.error < 0.5 * whole.error);
    }

    #[test]
    fn unreachable_precision_is_an_error() {
        let result = least_degree(16, 0.001, 3, 70.0, WholeRange);
        assert!(
            matches!(result, Err(ApproximationError::Unreachable { .. })),
            "{result:?}"
        );
    }

    #[test]
    fn arcsine_removes_the_cubic_term() {
        let eps_max: f64 = 1.0 / 64.0;
        let sine = |eps: f64| (2.0 * PI * eps).sin() / (2.0 * PI);
        let mut before = (2.0 * PI).powi(2) * eps_max.powi(3) / 6.0;
        for degree in [3, 5, 7] {
            let correction = arcsine_correction(eps_max, degree).unwrap();
            assert_eq!(
                (correction.parity(), correction.degree()),
                (Parity::Odd, degree)
            );
            let worst = (-100..=100)
                .map(|i| eps_max * f64::from(i) / 100.0)
                .map(|eps| (correction.eval(sine(eps)) - eps).abs())
                .fold(0.0, f64::max);
            // Each term of the arcsine series gains (2 pi eps)^2, and Chebyshev another factor 4.
            assert!(
                worst < before * (2.0 * PI * eps_max).powi(2),
                "degree {degree}: {worst}"
            );
            before = worst;
        }
        assert!(arcsine_correction(eps_max, 4).is_err());
        assert!(arcsine_correction(0.2, 3).is_err());
    }

    #[test]
    fn parameters_are_checked() {
        for (k, eps, r) in [
            (0, 0.01, 3),
            (2000, 0.01, 3),
            (4, 0.2, 3),
            (4, f64::NAN, 3),
            (4, 0.01, 11),
        ] {
            let result = fit_cosine(k, eps, r, 10, WholeRange);
            assert!(matches!(result, Err(ApproximationError::Parameter { .. })));
        }
        let result = fit_cosine(4, 0.01, 2, MAX_DEGREE + 1, WholeRange);
        assert!(matches!(result, Err(ApproximationError::Degree { .. })));
    }
}
