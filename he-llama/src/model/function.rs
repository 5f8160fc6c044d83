//! The non-linear functions of the model: exact, and as calibrated polynomials.

use std::fmt;

use ckks_math::polynomial::chebyshev::clenshaw;
use serde::{Deserialize, Serialize};

/// A non-linear function of one real number.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `1 / sqrt(x + epsilon)`: RMSNorm, of the mean square.
    InverseRoot {
        /// Constant of the norm.
        epsilon: f64,
    },
    /// `1 / x`: softmax, of the sum of squares.
    Reciprocal,
    /// `exp(x / divisor)`: softmax, of the shifted score.
    Exponential {
        /// `2^k` for `k` squarings.
        divisor: f64,
    },
    /// `x / (1 + exp(-x))`.
    Silu,
}

impl Kind {
    /// The exact value at `x`.
    pub fn exact(self, x: f64) -> f64 {
        match self {
            Self::InverseRoot { epsilon } => 1.0 / (x + epsilon).sqrt(),
            Self::Reciprocal => 1.0 / x,
            Self::Exponential { divisor } => (x / divisor).exp(),
            Self::Silu => x / (1.0 + (-x).exp()),
        }
    }

    /// Whether the error of a fit is measured relative to the function's value.
    ///
    /// The factors of the norms and of the softmax multiply a tensor, so a relative error is what
    /// they pass on; exp and SiLU are sums' terms, bounded by the range of the result.
    pub fn is_factor(self) -> bool {
        matches!(self, Self::InverseRoot { .. } | Self::Reciprocal)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InverseRoot { epsilon } => write!(f, "1/sqrt(x + {epsilon})"),
            Self::Reciprocal => write!(f, "1/x"),
            Self::Exponential { divisor } => write!(f, "exp(x / {divisor})"),
            Self::Silu => write!(f, "silu(x)"),
        }
    }
}

/// A polynomial for a function on `[lo, hi]`:
/// `sum_n coefficients[n] T_n(t)` with `t = (2 x - lo - hi) / (hi - lo)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// Left end of the interval.
    pub lo: f64,
    /// Right end of the interval.
    pub hi: f64,
    /// Chebyshev coefficients, lowest first; the degree is their number less one.
    pub coefficients: Vec<f64>,
    /// Largest error on the interval: relative when [`Kind::is_factor`], else absolute.
    pub error: f64,
}

impl Fit {
    /// Degree of the polynomial.
    pub fn degree(&self) -> usize {
        self.coefficients.len().saturating_sub(1)
    }

    /// Value of the polynomial at `x`, also outside the interval, where it means nothing.
    pub fn value(&self, x: f64) -> f64 {
        clenshaw(
            &self.coefficients,
            (2.0 * x - self.lo - self.hi) / (self.hi - self.lo),
        )
    }

    /// Whether `x` is in the interval.
    pub fn contains(&self, x: f64) -> bool {
        self.lo <= x && x <= self.hi
    }
}

/// A function together with its polynomial, once calibrated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Function {
    /// The function.
    pub kind: Kind,
    /// Its polynomial; `None` before calibration, then only the exact twin can run.
    pub fit: Option<Fit>,
}

impl Function {
    /// `kind` without a polynomial.
    pub fn exact(kind: Kind) -> Self {
        Self { kind, fit: None }
    }

    /// Degree of the polynomial; `None` before calibration.
    pub fn degree(&self) -> Option<usize> {
        self.fit.as_ref().map(Fit::degree)
    }
}

/// Highest degree of a polynomial: 8 levels.
pub const MAX_DEGREE: usize = 255;

/// Levels that a polynomial of `degree` costs: `ceil(log2(degree + 1))`, coefficients included.
///
/// Source: [Bossuat-Mouchet-Troncoso-Hubaux 2021, section 3].
pub fn depth(degree: usize) -> usize {
    (degree + 1).next_power_of_two().trailing_zeros() as usize
}

/// Levels from the argument to `p(x) u` for a polynomial of `degree` and a factor `u` that is
/// available `late` levels after `x`: `ceil(log2(degree + 1 + 2^late))`.
///
/// With `m = 2^(L-1)` split `p u = (q u) T_m + r u`: the factor joins at the leaves, where it
/// counts like `2^late` copies of `x`, so it is nearly free instead of costing a level of its own.
pub fn depth_times(degree: usize, late: usize) -> usize {
    (degree + 1 + (1 << late))
        .next_power_of_two()
        .trailing_zeros() as usize
}

/// The largest degree with `depth_times(degree, late) <= levels`; `None` when there is none.
pub fn largest_degree_times(levels: usize, late: usize) -> Option<usize> {
    (1usize << levels)
        .checked_sub(1 + (1 << late))
        .filter(|d| *d > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depths_of_the_usual_degrees() {
        assert_eq!([1, 3, 7, 15, 16, 31].map(depth), [1, 2, 3, 4, 5, 5]);
        assert_eq!(
            [2, 6, 7, 14, 30, 62].map(|d| depth_times(d, 0)),
            [2, 3, 4, 4, 5, 6]
        );
        assert_eq!([5, 6, 13, 29].map(|d| depth_times(d, 1)), [3, 4, 4, 5]);
        for late in 0..3 {
            for levels in 3..8 {
                let d = largest_degree_times(levels, late).expect("positive");
                assert_eq!(depth_times(d, late), levels);
                assert_eq!(depth_times(d + 1, late), levels + 1);
            }
        }
    }
}
