//! Chebyshev fits of the model's functions.

use ckks_math::polynomial::Chebyshev;

use crate::error::{Error, Result};
use crate::model::function::{Fit, Kind};

/// Points on which the error of a fit is measured; eight per oscillation of the highest degree
/// used, so the largest error is missed by at most 2 %.
const GRID: usize = 2048;

/// A polynomial of `degree` for `kind` on `[lo, hi]`.
///
/// The reciprocal gets the minimax polynomial of relative error, in closed form:
/// `p(x) = (1 - T_n(t(x)) / T_n(t(0))) / x`, `n = degree + 1` [Flanders-Shortley 1950]. The others
/// are interpolated at Chebyshev nodes, within a factor `2 + (2/pi) ln(degree)` of minimax
/// [Trefethen 2013, theorem 16.1].
///
/// # Errors
///
/// [`Error::Interval`] when the interval is empty or not finite, or touches a pole.
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
    let series = |f: &dyn Fn(f64) -> f64| -> Result<Chebyshev> {
        let series = Chebyshev::interpolate(f, (lo, hi), degree);
        Ok(series.map_err(ckks_math::Error::from)?)
    };
    let (series, error) = if kind == Kind::Reciprocal {
        // t(0) < -1; T_n there is (-1)^n cosh(n acosh|t(0)|).
        let n = degree + 1;
        let at_zero = (n as f64 * ((hi + lo) / (hi - lo)).acosh()).cosh();
        let sign = if n.is_multiple_of(2) { 1.0 } else { -1.0 };
        let series = series(&|x| {
            let t = ((2.0 * x - lo - hi) / (hi - lo)).clamp(-1.0, 1.0);
            (1.0 - sign * (n as f64 * t.acos()).cos() / at_zero) / x
        })?;
        (series, 1.0 / at_zero)
    } else {
        let exact = |x| kind.exact(x);
        let series = series(&exact)?;
        let error = match kind.is_factor() {
            true => series.max_relative_error(exact, GRID),
            false => series.max_error(exact, GRID),
        };
        (series, error)
    };
    Ok(Fit {
        lo,
        hi,
        coefficients: series.coefficients().to_vec(),
        error,
    })
}

/// The fit of least degree among those of the first of `degrees`, ascending, whose error is at most
/// `tolerance`: as many levels as that one, with fewer products.
///
/// # Errors
///
/// [`Error::Fit`] with the best error when none reaches it, and those of [`fit`].
pub fn fit_within(kind: Kind, lo: f64, hi: f64, tolerance: f64, degrees: &[usize]) -> Result<Fit> {
    let mut best: Option<Fit> = None;
    let mut below = 0;
    for &degree in degrees {
        let next = fit(kind, lo, hi, degree)?;
        if next.error <= tolerance {
            return least(next, kind, tolerance, below);
        }
        below = degree;
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

/// The fit of least degree above `below` whose error is at most `tolerance`, as that of `enough`
/// is.
fn least(mut enough: Fit, kind: Kind, tolerance: f64, mut below: usize) -> Result<Fit> {
    while below + 1 < enough.degree() {
        let middle = fit(kind, enough.lo, enough.hi, (below + enough.degree()) / 2)?;
        if middle.error <= tolerance {
            enough = middle;
        } else {
            below = middle.degree();
        }
    }
    Ok(enough)
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
            let series = Chebyshev::from_coefficients((f.lo, f.hi), f.coefficients.clone());
            let found = series
                .expect("finite")
                .max_relative_error(|x| 1.0 / x, GRID);
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
