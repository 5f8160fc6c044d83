//! Polynomials for recorded ranges.

use serde::{Deserialize, Serialize};

use crate::calibrate::record::Range;
use crate::error::Result;
use crate::model::fit::fit_within;
use crate::model::function::largest_degree_times;
use crate::model::{Function, Kind};

/// How much is asked of the polynomials, and how far ranges are widened.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Accuracy {
    /// Largest error of a polynomial: relative for factors, relative to the largest value else.
    pub error: f64,
    /// Share by which a range is widened on each side beyond what text reached.
    pub margin: f64,
}

impl Default for Accuracy {
    /// 2^-14, where calibration starts to ask for more until the logits are good enough; two bits
    /// cost about a level of each polynomial. And 15 %, so that tails of other texts stay in:
    /// polynomials explode outside their interval.
    fn default() -> Self {
        Self {
            error: (-14.0_f64).exp2(),
            margin: 0.15,
        }
    }
}

/// Most levels of one polynomial.
const LEVELS: std::ops::RangeInclusive<usize> = 3..=8;

/// The degrees worth trying for `p(x) u`, where `u` comes `late` levels after `x`: the largest of
/// each number of levels.
pub(crate) fn degrees_times(late: usize) -> Vec<usize> {
    LEVELS
        .filter_map(|levels| largest_degree_times(levels, late))
        .collect()
}

impl Accuracy {
    /// `1/sqrt(x + epsilon)` for a mean square of `range`, widened by the square of the margin.
    ///
    /// # Errors
    ///
    /// Those of [`fit_within`].
    pub fn norm(&self, range: Range, epsilon: f64) -> Result<Function> {
        let kind = Kind::InverseRoot { epsilon };
        let widen = (1.0 + self.margin).powi(2);
        let (lo, hi) = (range.0.max(0.0) / widen, range.1 * widen);
        let fit = fit_within(kind, lo, hi, self.error, &degrees_times(0))?;
        Ok(Function {
            kind,
            fit: Some(fit),
        })
    }

    /// SiLU for a gate of `range`.
    ///
    /// # Errors
    ///
    /// Those of [`fit_within`].
    pub fn silu(&self, range: Range) -> Result<Function> {
        let widen = 1.0 + self.margin;
        // Both signs, so that a gate that was one-sided on the text has a range at all.
        let (lo, hi) = (range.0.min(-1.0) * widen, range.1.max(1.0) * widen);
        let tolerance = self.error * hi;
        let fit = fit_within(Kind::Silu, lo, hi, tolerance, &degrees_times(0))?;
        Ok(Function {
            kind: Kind::Silu,
            fit: Some(fit),
        })
    }
}
