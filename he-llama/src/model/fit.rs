//! Chebyshev fits of the model's functions.

use std::f64::consts::PI;

use crate::error::{Error, Result};
use crate::model::function::{Fit, Kind};

/// Points on which the error of a fit is measured; eight per oscillation of the highest degree
/// used, so the largest error is missed by at most 2 %.
const GRID: usize = 2048;

/// A polynomial of `degree` for `kind` on `[lo, hi]`.
///
/// The reciprocal gets the minimax polynomial of relative error, in closed form:
/// `p(x) = (1 - T_n(t(x)) / T_n(t(0))) / x`, `n = degree + 1` (Flanders, Shortley 1950). The others
/// are interpolated at Chebyshev nodes, within a factor `2 + (2/pi) ln(degree)` of minimax
/// (Trefethen, "Approximation Theory and Approximation Practice", theorem 16.1).
///
/// Fails when the interval is empty or not finite, or touches a pole.
pub fn fit(kind: Kind, lo: f64, hi: f64, degree: usize) -> Result<Fit> {
    let wrong = |reason| Error::Interval {
        function: kind.to_string(),
        lo,
        hi,
        reason,
    };
    if !(lo.is_finite() && hi.is_finite() && lo < hi) {
        return Err(wrong("it must be finite with lo < hi"));
    }
    let pole = match kind {
        Kind::InverseRoot { epsilon } => lo + epsilon <= 0.0,
        Kind::Reciprocal => lo <= 0.0,
        Kind::Exponential { .. } | Kind::Silu => false,
    };
    if pole {
        return Err(wrong("the function has a pole in it"));
    }
    let to_x = |t: f64| 0.5 * ((hi - lo) * t + lo + hi);
    if kind == Kind::Reciprocal {
        // t(0) < -1; T_n there is (-1)^n cosh(n acosh|t(0)|).
        let n = degree + 1;
        let at_zero = (n as f64 * ((hi + lo) / (hi - lo)).acosh()).cosh();
        let sign = if n.is_multiple_of(2) { 1.0 } else { -1.0 };
        let coefficients = interpolate(degree, |t| {
            let chebyshev = (n as f64 * t.clamp(-1.0, 1.0).acos()).cos();
            (1.0 - sign * chebyshev / at_zero) / to_x(t)
        });
        return Ok(Fit {
            lo,
            hi,
            coefficients,
            error: 1.0 / at_zero,
        });
    }
    let coefficients = interpolate(degree, |t| kind.exact(to_x(t)));
    let mut fit = Fit {
        lo,
        hi,
        coefficients,
        error: 0.0,
    };
    fit.error = measured_error(kind, &fit);
    Ok(fit)
}

/// The fit of the first of `degrees` whose error is at most `tolerance`.
///
/// Fails with the best error when none reaches it.
pub fn fit_within(kind: Kind, lo: f64, hi: f64, tolerance: f64, degrees: &[usize]) -> Result<Fit> {
    let mut best: Option<Fit> = None;
    for &degree in degrees {
        let next = fit(kind, lo, hi, degree)?;
        if next.error <= tolerance {
            return Ok(next);
        }
        if best.as_ref().is_none_or(|b| next.error < b.error) {
            best = Some(next);
        }
    }
    let (degree, found) = best.map_or((0, f64::INFINITY), |b| (b.degree(), b.error));
    let function = kind.to_string();
    Err(Error::Fit {
        function,
        lo,
        hi,
        degree,
        wanted: tolerance,
        found,
    })
}

fn interpolate(degree: usize, f: impl Fn(f64) -> f64) -> Vec<f64> {
    let n = degree + 1;
    let angle = |j: usize| PI * (j as f64 + 0.5) / n as f64;
    let values: Vec<f64> = (0..n).map(|j| f(angle(j).cos())).collect();
    (0..n)
        .map(|k| {
            let sum: f64 = values
                .iter()
                .enumerate()
                .map(|(j, v)| v * (k as f64 * angle(j)).cos())
                .sum();
            sum * if k == 0 { 1.0 } else { 2.0 } / n as f64
        })
        .collect()
}

fn measured_error(kind: Kind, fit: &Fit) -> f64 {
    let mut worst = 0.0_f64;
    for i in 0..=GRID {
        // Chebyshev-spaced, dense at the ends, where the error of 1/x and 1/sqrt is largest.
        let t = (PI * i as f64 / GRID as f64).cos();
        let x = 0.5 * ((fit.hi - fit.lo) * t + fit.lo + fit.hi);
        let exact = kind.exact(x);
        let scale = if kind.is_factor() { exact.abs() } else { 1.0 };
        worst = worst.max((clenshaw(&fit.coefficients, t) - exact).abs() / scale);
    }
    worst
}

/// `sum_n coefficients[n] T_n(t)` by Clenshaw's recurrence.
pub fn clenshaw(coefficients: &[f64], t: f64) -> f64 {
    let (mut b1, mut b2) = (0.0, 0.0);
    for c in coefficients.iter().skip(1).rev() {
        (b1, b2) = (c + 2.0 * t * b1 - b2, b1);
    }
    coefficients.first().copied().unwrap_or_default() + t * b1 - b2
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Minimax relative error of 1/x on [1, r]: `1 / cosh((d + 1) acosh((r + 1) / (r - 1)))`.
    #[test]
    fn reciprocal_reaches_its_minimax_error() {
        for (ratio, degree) in [(4.0, 6), (30.0, 6), (64.0, 29), (1000.0, 14)] {
            let f = fit(Kind::Reciprocal, 1.0, ratio, degree).expect("no pole");
            let want =
                1.0 / ((degree as f64 + 1.0) * f64::acosh((ratio + 1.0) / (ratio - 1.0))).cosh();
            let found = measured_error(Kind::Reciprocal, &f);
            assert!(
                (found / want - 1.0).abs() < 0.03,
                "{ratio} {degree}: {found} {want}"
            );
            assert!(
                (f.error / want - 1.0).abs() < 1e-9,
                "{ratio} {degree}: {} {want}",
                f.error
            );
        }
    }

    /// Errors in bits (-log2) of numpy's `chebinterpolate` on 200,001 points; ours are on fewer.
    #[test]
    fn interpolation_errors_are_the_known_ones() {
        let root = Kind::InverseRoot { epsilon: 0.0 };
        let exp = Kind::Exponential { divisor: 1.0 };
        let cases = [
            (Kind::Silu, -8.0, 8.0, 31, 15.693),
            (Kind::Silu, -4.0, 4.0, 15, 14.648),
            (root, 30.0_f64.powf(-0.5), 30.0_f64.sqrt(), 31, 18.216),
            (root, 12.0_f64.powf(-0.5), 12.0_f64.sqrt(), 15, 14.729),
            (exp, -8.2, 0.0, 15, 31.898),
        ];
        for (kind, lo, hi, degree, bits) in cases {
            let found = -fit(kind, lo, hi, degree).expect("no pole").error.log2();
            assert!(
                (found - bits).abs() < 0.01,
                "{kind} degree {degree}: {found} bits, not {bits}"
            );
        }
    }

    #[test]
    fn intervals_with_poles_are_refused() {
        assert!(fit(Kind::Reciprocal, 0.0, 1.0, 7).is_err());
        assert!(fit(Kind::InverseRoot { epsilon: 1e-5 }, -1.0, 1.0, 7).is_err());
        assert!(fit(Kind::Silu, 1.0, 1.0, 7).is_err());
        assert!(fit(Kind::Silu, f64::NAN, 1.0, 7).is_err());
        assert!(matches!(
            fit_within(Kind::Silu, -32.0, 32.0, 1e-6, &[15, 31]),
            Err(Error::Fit { degree: 31, .. })
        ));
    }
}
