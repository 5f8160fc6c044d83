//! Minimax polynomials by the Remez exchange, in the Chebyshev basis, on one interval or several.
//!
//! Given f and a weight w > 0 on a compact set, the polynomial p of degree n that minimises
//! max w |f - p| is the one whose weighted error takes its greatest value with alternating signs at
//! n + 2 points (Chebyshev; Achieser for unions of intervals). The exchange solves for p and the
//! levelled error E on n + 2 reference points, moves the references to the local extrema of the
//! error, and repeats [Remez 1934; Pachon-Trefethen 2009, for practice; Lee-Lee-Lee-Kim-No
//! 2021, for unions of intervals around integers]. By de la Vallee Poussin |E| bounds the minimax
//! error from below at each step, so the result carries its own certificate.
//!
//! In f64 the exchange ends where the error curve drowns in rounding, about 1e-15 times max |f|.
//! The best polynomial met on the way is returned, or the interpolant where that is better.

use super::chebyshev::{Chebyshev, Parity, check_degree, clenshaw, to_unit};
use super::domain::{Domain, leja_points};
use super::error::ApproximationError;
use super::exchange::{Extremum, alternating, greatest, solve_linear};

/// Greatest degree of a minimax fit (each exchange costs the cube of it).
pub const MAX_MINIMAX_DEGREE: usize = 511;

/// Grid points per reference point, for finding the extrema of the error.
const GRID_DENSITY: usize = 24;
/// Exchanges before giving up; convergence is quadratic and takes about ten.
const MAX_EXCHANGES: usize = 60;
/// Exchanges without a better polynomial before giving up.
const PATIENCE: usize = 12;
/// Relative distance of the error to its lower bound at which the fit counts as optimal.
const LEVELLED: f64 = 1e-6;

/// Which error a fit minimises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorMeasure {
    /// max |p - f|.
    Absolute,
    /// max |p / f - 1|; f must not vanish on the domain.
    Relative,
}

/// A fitted polynomial with the error reached.
#[derive(Clone, Debug, PartialEq)]
pub struct Minimax {
    /// The polynomial, on the hull of the domain.
    pub polynomial: Chebyshev,
    /// Greatest weighted error max w |p - f| found on a grid of the domain refined at its extrema.
    pub error: f64,
    /// Lower bound on the weighted error of every polynomial of this degree, 0 if none is known.
    pub lower_bound: f64,
}

impl Minimax {
    /// Whether the error is within one part in 10^6 of the lower bound, that is, the error
    /// equi-oscillates; false where rounding stopped the exchange.
    pub fn is_levelled(&self) -> bool {
        self.error <= self.lower_bound * (1.0 + LEVELLED)
    }
}

/// Minimax polynomial of at most the given degree on an interval, for the absolute or relative
/// error.
///
/// Never worse than the interpolant at Chebyshev nodes. Functions that are odd or even in floating
/// point on a symmetric interval give exact zeros in the other coefficients.
///
/// # Errors
/// [`ApproximationError::Interval`] unless lo < hi with finite width, and as [`minimax_weighted`];
/// the weight of a relative error is not finite where `f` vanishes.
pub fn minimax(
    f: impl Fn(f64) -> f64,
    interval: (f64, f64),
    degree: usize,
    measure: ErrorMeasure,
) -> Result<Minimax, ApproximationError> {
    let domain = Domain::new(vec![interval])?;
    match measure {
        ErrorMeasure::Absolute => minimax_weighted(&f, |_| 1.0, &domain, degree),
        ErrorMeasure::Relative => minimax_weighted(&f, |x| 1.0 / f(x).abs(), &domain, degree),
    }
}

/// Polynomial of at most the given degree that minimises max weight(x) |p(x) - f(x)| on a union of
/// intervals.
///
/// Nothing is asked of `f` or of p between the intervals, where p may grow. Never worse than the
/// interpolant at Leja points of the union (at Chebyshev nodes, for one interval).
///
/// # Errors
/// [`ApproximationError::Degree`] above `MAX_MINIMAX_DEGREE`, [`ApproximationError::FunctionValue`]
/// where `f` is not finite on the domain, [`ApproximationError::Weight`] where `weight` is not
/// positive and finite, [`ApproximationError::Coefficient`] where values are so great that a
/// coefficient is not finite.
pub fn minimax_weighted(
    f: impl Fn(f64) -> f64,
    weight: impl Fn(f64) -> f64,
    domain: &Domain,
    degree: usize,
) -> Result<Minimax, ApproximationError> {
    check_degree(degree, MAX_MINIMAX_DEGREE)?;
    let fit = Fit::new(&f, &weight, domain, degree)?;
    let mut best = fit.interpolant(domain, degree)?;
    fit.exchange(&mut best);
    Ok(best)
}

/// One fitting problem: the basis functions, the grid and the data on it.
struct Fit<'a, F, W> {
    f: &'a F,
    weight: &'a W,
    hull: (f64, f64),
    parity: Parity,
    /// Indices k of the T_k in the basis.
    basis: Vec<usize>,
    /// Ascending grid, with f and the weight on it.
    grid: Vec<f64>,
    values: Vec<f64>,
    weights: Vec<f64>,
    /// Whether grid points i and i + 1 lie in one interval.
    joined: Vec<bool>,
}

impl<'a, F: Fn(f64) -> f64, W: Fn(f64) -> f64> Fit<'a, F, W> {
    fn new(
        f: &'a F,
        weight: &'a W,
        domain: &Domain,
        degree: usize,
    ) -> Result<Self, ApproximationError> {
        let total = GRID_DENSITY * (degree + 2);
        let parity = parity_on(f, weight, domain, &domain.grid(total));
        // An odd or even problem is solved on x >= 0 with the matching half of the basis, which
        // satisfies the Haar condition there (the odd one away from 0, where its error vanishes).
        let half = match parity {
            Parity::General => domain.clone(),
            Parity::Even | Parity::Odd => domain.non_negative_half(),
        };
        let (first, step) = match parity {
            Parity::General => (0, 1),
            Parity::Even => (0, 2),
            Parity::Odd => (1, 2),
        };
        let grid = half.grid(total);
        let values: Vec<f64> = grid.iter().map(|&x| f(x)).collect();
        let weights: Vec<f64> = grid.iter().map(|&x| weight(x)).collect();
        for ((&at, &value), &weight) in grid.iter().zip(&values).zip(&weights) {
            if !value.is_finite() {
                return Err(ApproximationError::FunctionValue { at, value });
            }
            if !(weight > 0.0 && weight.is_finite()) {
                return Err(ApproximationError::Weight { at, weight });
            }
        }
        let starts_interval = |x: f64| half.intervals().iter().any(|&(lo, _)| lo == x);
        let joined = grid
            .windows(2)
            .map(|pair| !starts_interval(pair[1]))
            .collect();
        let basis = (first..=degree).step_by(step).collect();
        Ok(Self {
            f,
            weight,
            hull: domain.hull(),
            parity,
            basis,
            grid,
            values,
            weights,
            joined,
        })
    }

    /// The exchange; leaves in `best` the best polynomial met, itself included, and the lower
    /// bound.
    fn exchange(&self, best: &mut Minimax) {
        let mut reference = self.leja(self.basis.len() + 1);
        let mut patience = PATIENCE;
        for _ in 0..MAX_EXCHANGES {
            let Some((coefficients, levelled)) = self.solve(&reference, true) else {
                break;
            };
            let Ok(polynomial) = Chebyshev::from_coefficients(self.hull, coefficients) else {
                break;
            };
            let extrema = self.extrema(&polynomial);
            let error = greatest(&extrema);
            // The bound holds for exact solutions; one spoilt by rounding is cut to an error
            // reached.
            best.lower_bound = best.lower_bound.max(levelled.abs().min(error));
            patience -= 1;
            if error < best.error {
                if error < 0.999 * best.error {
                    patience = PATIENCE;
                }
                (best.error, best.polynomial) = (error, polynomial);
            }
            if best.is_levelled() || patience == 0 {
                break;
            }
            match alternating(extrema, self.basis.len() + 1) {
                Some(next) => reference = next,
                None => break,
            }
        }
        best.lower_bound = best.lower_bound.min(best.error);
    }

    /// Interpolant of the same degree and its error: the polynomial to beat.
    fn interpolant(&self, domain: &Domain, degree: usize) -> Result<Minimax, ApproximationError> {
        let polynomial = match domain.intervals() {
            [interval] => Chebyshev::interpolate(self.f, *interval, degree)?,
            _ => {
                let nodes = self.leja(self.basis.len());
                let solution = self
                    .solve(&nodes, false)
                    .map(|(coefficients, _)| coefficients);
                let zero = vec![0.0; degree + 1];
                Chebyshev::from_coefficients(self.hull, solution.unwrap_or(zero))?
            }
        }
        .project(self.parity);
        let error = greatest(&self.extrema(&polynomial));
        Ok(Minimax {
            polynomial,
            error,
            lower_bound: 0.0,
        })
    }

    /// Leja points for this basis, ascending: reference points or nodes to begin with.
    fn leja(&self, count: usize) -> Vec<f64> {
        let mut points = match self.parity {
            Parity::General => {
                let middle = 0.5 * (self.hull.0 + self.hull.1);
                leja_points(&self.grid, |x| x - middle, count)
            }
            // The basis is one of polynomials in x^2, times x if odd.
            Parity::Even | Parity::Odd => {
                let start = usize::from(self.parity == Parity::Odd && self.grid[0] == 0.0);
                leja_points(&self.grid[start..], |x| x * x, count)
            }
        };
        points.sort_by(f64::total_cmp);
        points
    }

    /// Coefficients c and levelled error E with sum_k c_k T_k(u_i) + (-1)^i E / w_i = f(x_i) at the
    /// points; without `levelled`, E = 0 and there is one point fewer. None if singular.
    fn solve(&self, points: &[f64], levelled: bool) -> Option<(Vec<f64>, f64)> {
        let n = self.basis.len() + usize::from(levelled);
        if points.len() != n {
            return None;
        }
        let rows = points.iter().enumerate().map(|(i, &x)| {
            let mut row = chebyshev_values(&self.basis, to_unit(self.hull, x));
            if levelled {
                let sign = if i % 2 == 0 { 1.0 } else { -1.0 };
                row.push(sign / (self.weight)(x));
            }
            row.push((self.f)(x));
            row
        });
        let solution = solve_linear(rows.collect())?;
        let mut coefficients = vec![0.0; self.basis.last().map_or(1, |k| k + 1)];
        for (&k, &c) in self.basis.iter().zip(&solution) {
            coefficients[k] = c;
        }
        Some((coefficients, if levelled { solution[n - 1] } else { 0.0 }))
    }

    /// The greatest error of each run of equal sign, refined between grid points, ascending.
    fn extrema(&self, polynomial: &Chebyshev) -> Vec<Extremum> {
        let c = polynomial.coefficients();
        let errors: Vec<f64> = (0..self.grid.len())
            .map(|i| {
                let p = clenshaw(c, to_unit(self.hull, self.grid[i]));
                self.weights[i] * (p - self.values[i])
            })
            .collect();
        let mut runs: Vec<usize> = Vec::new();
        for (i, &error) in errors.iter().enumerate() {
            match runs.last_mut() {
                _ if error == 0.0 => {}
                Some(last) if (errors[*last] > 0.0) == (error > 0.0) => {
                    if error.abs() > errors[*last].abs() {
                        *last = i;
                    }
                }
                _ => runs.push(i),
            }
        }
        runs.into_iter()
            .map(|i| self.refine(c, i, errors[i]))
            .collect()
    }

    /// Golden-section search for the extremum of the error between the neighbours of grid point i.
    fn refine(&self, coefficients: &[f64], i: usize, error: f64) -> Extremum {
        const GOLDEN: f64 = 0.618_033_988_749_894_9;
        let size = |x: f64| {
            let p = clenshaw(coefficients, to_unit(self.hull, x));
            error.signum() * (self.weight)(x) * (p - (self.f)(x))
        };
        let mut lo = if i > 0 && self.joined[i - 1] {
            self.grid[i - 1]
        } else {
            self.grid[i]
        };
        let mut hi = match self.joined.get(i) {
            Some(true) => self.grid[i + 1],
            _ => self.grid[i],
        };
        let mut best = Extremum {
            x: self.grid[i],
            error,
        };
        let mut inner = (hi - GOLDEN * (hi - lo), lo + GOLDEN * (hi - lo));
        let mut sizes = (size(inner.0), size(inner.1));
        for _ in 0..20 {
            if sizes.0 > sizes.1 {
                hi = inner.1;
                inner = (hi - GOLDEN * (hi - lo), inner.0);
                sizes = (size(inner.0), sizes.0);
            } else {
                lo = inner.0;
                inner = (inner.1, lo + GOLDEN * (hi - lo));
                sizes = (sizes.1, size(inner.1));
            }
        }
        for (x, size) in [(inner.0, sizes.0), (inner.1, sizes.1)] {
            if size > best.error.abs() {
                best = Extremum {
                    x,
                    error: error.signum() * size,
                };
            }
        }
        best
    }
}

/// Parity of f in floating point, under an even weight on a symmetric domain.
fn parity_on(
    f: impl Fn(f64) -> f64,
    weight: impl Fn(f64) -> f64,
    domain: &Domain,
    grid: &[f64],
) -> Parity {
    let all = |sign: f64| {
        grid.iter()
            .all(|&x| f(-x) == sign * f(x) && weight(-x) == weight(x))
    };
    match domain.is_symmetric() {
        true if all(1.0) => Parity::Even,
        true if all(-1.0) => Parity::Odd,
        _ => Parity::General,
    }
}

/// T_k(u) for ascending indices k.
fn chebyshev_values(indices: &[usize], u: f64) -> Vec<f64> {
    let (mut k, mut current, mut next) = (0, 1.0, u);
    let mut values = Vec::with_capacity(indices.len() + 2);
    for &index in indices {
        while k < index {
            (current, next) = (next, 2.0 * u * next - current);
            k += 1;
        }
        values.push(current);
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use ErrorMeasure::{Absolute, Relative};

    fn silu(x: f64) -> f64 {
        x / (1.0 + (-x).exp())
    }

    fn inverse_sqrt(x: f64) -> f64 {
        1.0 / x.sqrt()
    }

    /// Fits, checks the reported error on an independent grid and the certificate, returns the fit.
    fn check(
        f: impl Fn(f64) -> f64,
        interval: (f64, f64),
        degree: usize,
        measure: ErrorMeasure,
        expected: f64,
    ) -> Minimax {
        let fit = minimax(&f, interval, degree, measure).unwrap();
        let sampled = match measure {
            Absolute => fit.polynomial.max_error(&f, 20_011),
            Relative => fit.polynomial.max_relative_error(&f, 20_011),
        };
        println!(
            "degree {degree} on {interval:?}: {:e} >= {:e}",
            fit.error, fit.lower_bound
        );
        assert!(
            sampled <= fit.error * (1.0 + 1e-6) + 1e-15,
            "{sampled} above {}",
            fit.error
        );
        assert!(
            (fit.error / expected - 1.0).abs() < 0.06,
            "{} not {expected}",
            fit.error
        );
        assert!(
            fit.error <= fit.lower_bound * 1.001,
            "{} above {}",
            fit.error,
            fit.lower_bound
        );
        fit
    }

    #[test]
    fn inverse_square_root_relative() {
        check(inverse_sqrt, (0.1, 3.0), 15, Relative, 1.01e-3);
        check(inverse_sqrt, (0.005, 1.19), 15, Relative, 6.5e-2);
        check(inverse_sqrt, (0.004, 1.49), 31, Relative, 1.53e-2);
    }

    #[test]
    fn exponential_absolute() {
        check(f64::exp, (-8.0, 0.0), 15, Absolute, 1.5e-10);
        check(f64::exp, (-4.0, 0.0), 10, Absolute, 7.4e-9);
    }

    #[test]
    fn silu_absolute() {
        check(silu, (-8.0, 8.0), 15, Absolute, 4.1e-3);
        check(silu, (-8.0, 8.0), 31, Absolute, 8.8e-6);
        check(silu, (-16.0, 16.0), 63, Absolute, 5.4e-6);
    }

    #[test]
    fn absolute_value_follows_bernstein() {
        // n E_n(|x|) tends to 0.28017 [Varga-Carpenter 1985].
        let fit = check(f64::abs, (-1.0, 1.0), 126, Absolute, 0.28017 / 126.0);
        assert_eq!(fit.polynomial.parity(), Parity::Even);
    }

    #[test]
    fn monic_chebyshev_is_the_worst_monomial() {
        // The minimax error of x^n by degree n - 1 is 2^(1-n), and the fit of lower parity is
        // exact.
        for n in [1_usize, 2, 5, 12, 19] {
            let fit = minimax(|x: f64| x.powi(n as i32), (-1.0, 1.0), n - 1, Absolute).unwrap();
            let expected = 2.0_f64.powi(1 - n as i32);
            assert!(
                (fit.error / expected - 1.0).abs() < 1e-6,
                "n = {n}: {}",
                fit.error
            );
        }
    }

    #[test]
    fn odd_functions_keep_exact_zeros() {
        let fit = minimax(f64::tanh, (-6.0, 6.0), 31, Absolute).unwrap();
        assert_eq!(fit.polynomial.parity(), Parity::Odd);
        let interpolant = Chebyshev::interpolate(f64::tanh, (-6.0, 6.0), 31).unwrap();
        assert!(fit.is_levelled());
        assert!(fit.error < interpolant.max_error(f64::tanh, 4001));
    }

    #[test]
    fn at_the_rounding_floor_the_fit_is_no_worse_than_interpolation() {
        for degree in [20, 40, 90, 127] {
            let fit = minimax(f64::exp, (-1.0, 1.0), degree, Absolute).unwrap();
            assert!(fit.error < 2e-15, "degree {degree}: {}", fit.error);
            assert!(fit.lower_bound <= fit.error);
        }
    }

    #[test]
    fn constants_and_zero() {
        let fit = minimax(|_| 0.0, (-1.0, 1.0), 5, Absolute).unwrap();
        assert_eq!((fit.error, fit.polynomial.degree()), (0.0, 0));
        let fit = minimax(|x| x, (1.0, 3.0), 0, Absolute).unwrap();
        assert!((fit.polynomial.eval(2.0) - 2.0).abs() < 1e-12 && (fit.error - 1.0).abs() < 1e-12);
        // Relative: the constant c with c/1 - 1 = 1 - c/3 is 3/2, of error 1/2.
        let fit = minimax(|x| x, (1.0, 3.0), 0, Relative).unwrap();
        assert!((fit.error - 0.5).abs() < 1e-6);
    }

    #[test]
    fn union_of_intervals_beats_the_hull() {
        // |x| on [-2, -1] and [1, 2] is as smooth as the square root on [1, 4].
        let domain = Domain::new(vec![(-2.0, -1.0), (1.0, 2.0)]).unwrap();
        let fit = minimax_weighted(f64::abs, |_| 1.0, &domain, 16).unwrap();
        let sqrt = minimax(f64::sqrt, (1.0, 4.0), 8, Absolute).unwrap();
        assert!(
            (fit.error / sqrt.error - 1.0).abs() < 1e-4,
            "{} {}",
            fit.error,
            sqrt.error
        );
        // An unsymmetric union, where no parity helps: better than on the hull with its kink.
        let domain = Domain::new(vec![(-2.0, -1.0), (0.5, 0.75), (1.0, 3.0)]).unwrap();
        let fit = minimax_weighted(f64::abs, |_| 1.0, &domain, 20).unwrap();
        let hull = minimax(f64::abs, domain.hull(), 20, Absolute).unwrap();
        assert!(fit.is_levelled(), "{} {}", fit.error, fit.lower_bound);
        assert!(
            fit.error < 0.01 * hull.error,
            "{} {}",
            fit.error,
            hull.error
        );
    }

    #[test]
    fn errors_are_typed() {
        use ApproximationError as E;
        let result = minimax(f64::sin, (-1.0, 1.0), 5, Relative);
        assert!(matches!(result, Err(E::Weight { .. })));
        let result = minimax(f64::ln, (-1.0, 1.0), 5, Absolute);
        assert!(matches!(result, Err(E::FunctionValue { .. })));
        let result = minimax(f64::exp, (0.0, 1.0), MAX_MINIMAX_DEGREE + 1, Absolute);
        assert!(matches!(result, Err(E::Degree { .. })));
        assert!(matches!(
            minimax(f64::exp, (1.0, 0.0), 5, Absolute),
            Err(E::Interval { .. })
        ));
    }
}
