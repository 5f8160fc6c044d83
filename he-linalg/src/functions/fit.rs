//! Fitted polynomials: a series, its range, its error, and the affine map of its argument.

use ckks_math::Evaluator;
use ckks_math::backend::Backend;
use ckks_math::polyval::Chebyshev;
use ckks_math::polyval::remez::{ErrorMeasure, minimax};

use crate::error::{Error, Result};
use crate::packed::Packed;

/// Degrees tried: the largest of each depth.
const DEGREES: [usize; 6] = [3, 7, 15, 31, 63, 127];

/// A polynomial that stands for a function on a range.
///
/// The scheme evaluates series in `u` in `[-1, 1]`, where `u = unit_factor() x + unit_offset()`.
/// The factor costs a level unless it is folded into a product that comes before: see
/// [`Fit::apply_scaled`].
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    polynomial: Chebyshev,
    /// The same coefficients on [-1, 1].
    unit: Chebyshev,
    error: f64,
    measure: ErrorMeasure,
}

impl Fit {
    /// A polynomial fitted elsewhere, with the error it is known to have.
    pub fn from_polynomial(
        polynomial: Chebyshev,
        error: f64,
        measure: ErrorMeasure,
    ) -> Result<Fit> {
        let coefficients = polynomial.coefficients().to_vec();
        let unit = Chebyshev::from_coefficients((-1.0, 1.0), coefficients)?;
        Ok(Fit {
            polynomial,
            unit,
            error,
            measure,
        })
    }

    /// The minimax polynomial of least depth, of degree up to 127, whose error is at most
    /// `2^-bits`; `function` names it in errors.
    ///
    /// Fails when no degree reaches the bits, when the range is empty, or where `f` is not finite
    /// or (for relative errors) vanishes.
    pub fn least_depth(
        function: &'static str,
        f: impl Fn(f64) -> f64,
        (lo, hi): (f64, f64),
        bits: f64,
        measure: ErrorMeasure,
    ) -> Result<Fit> {
        let mut reached = f64::NEG_INFINITY;
        for degree in DEGREES {
            let fit = minimax(&f, (lo, hi), degree, measure)?;
            if fit.error <= (-bits).exp2() {
                return Self::from_polynomial(fit.polynomial, fit.error, measure);
            }
            reached = reached.max(-fit.error.log2());
        }
        let degree = DEGREES[DEGREES.len() - 1];
        let wanted = bits;
        Err(Error::Fit {
            function,
            lo,
            hi,
            wanted,
            reached,
            degree,
        })
    }

    /// The series on its range.
    pub fn polynomial(&self) -> &Chebyshev {
        &self.polynomial
    }

    /// The range `(lo, hi)` of the argument.
    pub fn interval(&self) -> (f64, f64) {
        self.polynomial.interval()
    }

    /// The degree.
    pub fn degree(&self) -> usize {
        self.polynomial.degree()
    }

    /// Levels of [`Fit::apply_scaled`]: `ceil(log2(degree + 1))`; [`Fit::apply`] takes one more
    /// unless the range is `[-1, 1]`.
    pub fn depth(&self) -> usize {
        ckks_math::polyval::Plan::new(&self.unit).depth() as usize
    }

    /// The greatest error on the range, absolute or relative as [`Fit::measure`] says.
    pub fn error(&self) -> f64 {
        self.error
    }

    /// How [`Fit::error`] is measured.
    pub fn measure(&self) -> ErrorMeasure {
        self.measure
    }

    /// The slope of the map from the range to `[-1, 1]`.
    pub fn unit_factor(&self) -> f64 {
        let (lo, hi) = self.interval();
        2.0 / (hi - lo)
    }

    /// The value of the map from the range to `[-1, 1]` at 0.
    pub fn unit_offset(&self) -> f64 {
        let (lo, hi) = self.interval();
        -(hi + lo) / (hi - lo)
    }

    /// The polynomial in the clear.
    pub fn eval(&self, x: f64) -> f64 {
        self.polynomial.eval(x)
    }

    /// `factor` times the function, at no cost when evaluated.
    pub fn scaled(&self, factor: f64) -> Result<Fit> {
        let error = match self.measure {
            ErrorMeasure::Absolute => self.error * factor.abs(),
            ErrorMeasure::Relative => self.error,
        };
        Self::from_polynomial(self.polynomial.scaled(factor)?, error, self.measure)
    }

    /// The function of every slot of `x`, which lies in the range: [`Fit::depth`] levels, and one
    /// for the affine map.
    pub fn apply<B: Backend>(&self, ev: &Evaluator<B>, x: &Packed<B>) -> Result<Packed<B>> {
        x.polynomial(ev, &self.polynomial)
    }

    /// The function of every slot of `x`, given `v = unit_factor() x + c`: [`Fit::depth`] levels.
    ///
    /// The factor belongs into the product that makes `v`, a mask, a weight or a sum's scale; what
    /// of the offset `c` does not hold is added here for free: `shift` is
    /// `unit_offset() - c`, so [`Fit::unit_offset`] if `v` is just the scaled argument.
    pub fn apply_scaled<B: Backend>(
        &self,
        ev: &Evaluator<B>,
        v: &Packed<B>,
        shift: f64,
    ) -> Result<Packed<B>> {
        let u = match shift == 0.0 {
            true => v.clone(),
            false => v.add_constant(ev, shift)?,
        };
        u.polynomial(ev, &self.unit)
    }
}

/// `1/sqrt(x)` for `x` in a window above 0, with a relative error of at most `2^-relative_bits`.
pub fn fit_inv_sqrt(window: (f64, f64), relative_bits: f64) -> Result<Fit> {
    check_positive(window.0)?;
    let f = |x: f64| 1.0 / x.sqrt();
    Fit::least_depth(
        "1/sqrt(x)",
        f,
        window,
        relative_bits,
        ErrorMeasure::Relative,
    )
}

/// `1/x` for `x` in a window above 0, with a relative error of at most `2^-relative_bits`.
pub fn fit_inv(window: (f64, f64), relative_bits: f64) -> Result<Fit> {
    check_positive(window.0)?;
    let f = |x: f64| 1.0 / x;
    Fit::least_depth("1/x", f, window, relative_bits, ErrorMeasure::Relative)
}

/// `exp(x)` for `x` in `[lo, hi]`, with an error of at most `2^-bits` times `exp(hi)`.
pub fn fit_exp(lo: f64, hi: f64, bits: f64) -> Result<Fit> {
    let absolute = bits - hi * std::f64::consts::LOG2_E;
    Fit::least_depth(
        "exp(x)",
        f64::exp,
        (lo, hi),
        absolute,
        ErrorMeasure::Absolute,
    )
}

/// `x / (1 + exp(-x))` for `x` in `[-range, range]`, with an absolute error of at most `2^-bits`.
pub fn fit_silu(range: f64, bits: f64) -> Result<Fit> {
    let f = |x: f64| x / (1.0 + (-x).exp());
    Fit::least_depth("SiLU(x)", f, (-range, range), bits, ErrorMeasure::Absolute)
}

fn check_positive(value: f64) -> Result<()> {
    if value > 0.0 {
        return Ok(());
    }
    Err(Error::Argument {
        what: "the low end of the window",
        value,
        range: "above 0",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::{Axis, Field};
    use crate::layout::Layout;
    use crate::testing::cipher::{Fixture, TOLERANCE};

    #[test]
    fn least_depth_reaches_the_bits_and_less_does_not() {
        // Errors known from the literature: 1/sqrt on [0.1, 3] at degree 15 has 1.01e-3.
        let fit = fit_inv_sqrt((0.1, 3.0), 9.9).expect("reachable");
        assert_eq!((fit.degree(), fit.depth()), (15, 4));
        assert_eq!(
            fit_inv_sqrt((0.1, 3.0), 10.0).expect("reachable").degree(),
            31
        );
        assert_eq!(fit_exp(-8.0, 0.0, 32.0).expect("reachable").degree(), 15);
        assert_eq!(fit_silu(8.0, 7.9).expect("reachable").degree(), 15);
        let samples = |fit: &Fit, f: fn(f64) -> f64| match fit.measure() {
            ErrorMeasure::Absolute => fit.polynomial().max_error(f, 4001),
            ErrorMeasure::Relative => fit.polynomial().max_relative_error(f, 4001),
        };
        type Case = (Fit, fn(f64) -> f64, f64);
        let fits: [Case; 4] = [
            (fit, |x| 1.0 / x.sqrt(), 9.9),
            (
                fit_inv((0.2, 2.0), 12.0).expect("reachable"),
                |x| 1.0 / x,
                12.0,
            ),
            (
                fit_exp(-3.0, 1.0, 20.0).expect("reachable"),
                f64::exp,
                20.0 - 1.0_f64.exp().log2(),
            ),
            (
                fit_silu(6.0, 12.0).expect("reachable"),
                |x| x / (1.0 + (-x).exp()),
                12.0,
            ),
        ];
        for (fit, f, bits) in fits {
            assert!(fit.error() <= (-bits).exp2());
            let sampled = samples(&fit, f);
            assert!(
                sampled <= fit.error() * (1.0 + 1e-6) + 1e-15,
                "{sampled} {}",
                fit.error()
            );
            let doubled = fit.scaled(2.0).expect("finite");
            assert_eq!(
                doubled.eval(fit.interval().0),
                2.0 * fit.eval(fit.interval().0)
            );
        }
    }

    #[test]
    fn what_cannot_be_fitted_is_refused() {
        let narrow = fit_inv_sqrt((1e-6, 1.0), 20.0);
        assert!(
            matches!(narrow, Err(Error::Fit { degree: 127, .. })),
            "{narrow:?}"
        );
        assert!(matches!(
            fit_inv((0.0, 1.0), 5.0),
            Err(Error::Argument { .. })
        ));
        assert!(matches!(fit_silu(-1.0, 5.0), Err(Error::Scheme(_))));
    }

    #[test]
    fn the_affine_map_is_free_when_folded_in() {
        let mut f = Fixture::new(6, 1);
        let layout = Layout::new(4, &[Field::new(Axis::DIM, 16)]).expect("valid");
        let (lo, hi) = (0.25, 2.0);
        let values: Vec<f64> = (0..16)
            .map(|i| lo + (hi - lo) * f64::from(i) / 15.0)
            .collect();
        let x = f.encrypt(&layout, &values);
        let fit = fit_inv_sqrt((lo, hi), 9.0).expect("reachable");
        let want: Vec<f64> = values.iter().map(|&x| fit.eval(x)).collect();
        let y = fit.apply(&f.ev, &x).expect("levels");
        f.check(&y, f.level - fit.depth() - 1, &want, TOLERANCE);

        let scaled: Vec<f64> = values.iter().map(|x| x * fit.unit_factor()).collect();
        let v = f.encrypt(&layout, &scaled);
        let y = fit
            .apply_scaled(&f.ev, &v, fit.unit_offset())
            .expect("levels");
        f.check(&y, f.level - fit.depth(), &want, TOLERANCE);
    }
}
