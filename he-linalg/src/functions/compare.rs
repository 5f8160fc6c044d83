//! Sign and comparison by composite minimax polynomials.
//!
//! The sign is the composition of odd polynomials, each the minimax polynomial of the sign on what
//! the one before left of the gap around zero [Lee-Lee-No-Kim 2021]:
//!
//! ```text
//! [a, 1] --p_1--> [1 - e_1, 1 + e_1] --/ (1 + e_1)--> [a_2, 1] --p_2--> ...
//! ```
//!
//! An odd polynomial `x q(x^2)` is minimax for the sign on `[a, 1]` exactly when `q` is minimax for
//! `1/sqrt(t)` on `[a^2, 1]` in relative error, so that is what is fitted.

use ckks_math::Evaluator;
use ckks_math::backend::Backend;
use ckks_math::polynomial::remez::{ErrorMeasure, minimax};
use ckks_math::polynomial::{Chebyshev, Parity};

use crate::error::{Error, Result};
use crate::packed::Packed;

/// Depths of the polynomials composed: degrees 3, 7, 15 and 31.
const DEPTHS: [usize; 4] = [2, 3, 4, 5];
/// Greatest depth of a composition.
const MAX_DEPTH: usize = 64;

/// The sign of numbers in `[-1, 1]` that are not too close to zero.
#[derive(Debug, Clone, PartialEq)]
pub struct Sign {
    stages: Vec<Chebyshev>,
    margin: f64,
    error: f64,
}

/// The best composition of some depth.
#[derive(Clone)]
struct Composition {
    /// Absolute values of the output lie in `[low, 1]`.
    low: f64,
    stages: Vec<Chebyshev>,
}

impl Sign {
    /// The composition of least depth that is within `2^-bits` of the sign for
    /// `margin <= |x| <= 1`.
    ///
    /// Between `-margin` and `margin` the result lies between -1 and 1, but for the same error.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for a margin outside `(0, 1)`, [`Error::Fit`] where no composition of
    /// the depths tried is accurate enough.
    pub fn new(margin: f64, bits: f64) -> Result<Sign> {
        if !(margin > 0.0 && margin < 1.0) {
            return Err(Error::Argument {
                what: "the margin of a comparison",
                value: margin,
                range: "above 0 and below 1",
            });
        }
        let start = Composition {
            low: margin,
            stages: Vec::new(),
        };
        // A larger low end never makes the rest harder, so the best of each depth is enough.
        let mut best: Vec<Option<Composition>> = vec![Some(start)];
        let mut reached = 0.0_f64;
        for depth in 1..=MAX_DEPTH {
            let mut winner: Option<Composition> = None;
            for last in DEPTHS.iter().filter(|&&d| d <= depth) {
                let Some(before) = &best[depth - last] else {
                    continue;
                };
                let (stage, low) = stage(before.low, *last)?;
                if winner.as_ref().is_none_or(|w| low > w.low) {
                    let stages = before.stages.iter().cloned().chain([stage]).collect();
                    winner = Some(Composition { low, stages });
                }
            }
            if let Some(winner) = &winner {
                let error = (1.0 - winner.low) / (1.0 + winner.low);
                reached = reached.max(-error.log2());
                if error <= (-bits).exp2() {
                    return Self::centred(winner.stages.clone(), margin, error);
                }
            }
            best.push(winner);
        }
        Err(Error::Fit {
            function: "sign",
            lo: margin,
            hi: 1.0,
            wanted: bits,
            reached,
            degree: 31,
        })
    }

    /// The last stage without its division, so that outputs lie around 1 and not below.
    fn centred(mut stages: Vec<Chebyshev>, margin: f64, error: f64) -> Result<Sign> {
        if let Some(last) = stages.last_mut() {
            *last = last.scaled(1.0 + error)?;
        }
        Ok(Sign {
            stages,
            margin,
            error,
        })
    }

    /// The polynomials composed, the first applied first; each on `[-1, 1]`.
    pub fn stages(&self) -> &[Chebyshev] {
        &self.stages
    }

    /// Levels taken.
    pub fn depth(&self) -> usize {
        let depth = |p: &Chebyshev| (p.degree() + 1).next_power_of_two().ilog2() as usize;
        self.stages.iter().map(depth).sum()
    }

    /// Smallest absolute value whose sign is right.
    pub fn margin(&self) -> f64 {
        self.margin
    }

    /// Greatest error from the margin up to 1.
    pub fn error(&self) -> f64 {
        self.error
    }

    /// The composition in the clear.
    pub fn eval(&self, x: f64) -> f64 {
        self.stages.iter().fold(x, |x, p| p.eval(x))
    }

    /// The sign of every slot, which lies in `[-1, 1]`: [`Sign::depth`] levels.
    ///
    /// # Errors
    ///
    /// [`Error::Scheme`] when fewer than [`Sign::depth`] levels are left.
    pub fn apply<B: Backend>(&self, ev: &Evaluator<B>, x: &Packed<B>) -> Result<Packed<B>> {
        let mut y = x.clone();
        for stage in &self.stages {
            y = y.polynomial(ev, stage)?;
        }
        // Odd polynomials keep zeros.
        y.read_as(x.layout().clone())
    }

    /// 1 where a slot is positive, 0 where it is negative, 1/2 at zero: [`Sign::depth`] levels.
    ///
    /// # Errors
    ///
    /// [`Error::Scheme`] when fewer than [`Sign::depth`] levels are left.
    pub fn step<B: Backend>(&self, ev: &Evaluator<B>, x: &Packed<B>) -> Result<Packed<B>> {
        let Some((last, before)) = self.stages.split_last() else {
            return Ok(x.clone());
        };
        let mut y = x.clone();
        for stage in before {
            y = y.polynomial(ev, stage)?;
        }
        y.polynomial(ev, &last.scaled(0.5)?)?.add_constant(ev, 0.5)
    }

    /// 1 where `x` is the larger, 0 where `y` is, given `|x - y| <= 1`: [`Sign::depth`] levels.
    ///
    /// # Errors
    ///
    /// As [`Packed::sub`] and [`Sign::step`].
    pub fn compare<B: Backend>(
        &self,
        ev: &Evaluator<B>,
        x: &Packed<B>,
        y: &Packed<B>,
    ) -> Result<Packed<B>> {
        self.step(ev, &x.sub(ev, y)?)
    }

    /// The larger of `x` and `y`, given `|x - y| <= 1`: [`Sign::depth`] levels and one.
    ///
    /// Off by at most [`Sign::error`], and where both are within the margin, by at most that.
    ///
    /// # Errors
    ///
    /// As [`Packed::sub`], and [`Error::Scheme`] when too few levels are left.
    pub fn max<B: Backend>(
        &self,
        ev: &Evaluator<B>,
        x: &Packed<B>,
        y: &Packed<B>,
    ) -> Result<Packed<B>> {
        let difference = x.sub(ev, y)?;
        let larger = self.step(ev, &difference)?;
        difference.mul(ev, &larger)?.add(ev, y)
    }
}

/// The minimax polynomial of the sign on `[low, 1]` divided by its maximum, and its minimum.
fn stage(low: f64, depth: usize) -> Result<(Chebyshev, f64)> {
    let degree = (1 << depth) - 1;
    let inverse = minimax(
        |t| 1.0 / t.sqrt(),
        (low * low, 1.0),
        (degree - 1) / 2,
        ErrorMeasure::Relative,
    )?;
    let error = inverse.error;
    let odd = |x: f64| x * inverse.polynomial.eval(x * x) / (1.0 + error);
    // A polynomial of this degree, so interpolation is exact.
    let stage = Chebyshev::interpolate(odd, (-1.0, 1.0), degree)?.project(Parity::Odd);
    Ok((stage, (1.0 - error) / (1.0 + error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::{Axis, Field};
    use crate::layout::Layout;
    use crate::testing::cipher::{Fixture, TOLERANCE};
    use crate::testing::noise;

    #[test]
    fn the_sign_is_within_its_error_outside_the_margin() {
        let mut depths = Vec::new();
        for (margin, bits) in [
            (0.5, 3.0),
            (0.1, 10.0),
            (2.0_f64.powi(-7), 7.0),
            (0.01, 20.0),
        ] {
            let sign = Sign::new(margin, bits).expect("reachable");
            assert!(sign.error() <= (-bits).exp2());
            for i in 0..=2000 {
                let x = f64::from(i) / 2000.0;
                let y = sign.eval(x);
                assert_eq!(sign.eval(-x), -y);
                if x >= margin {
                    assert!((y - 1.0).abs() <= sign.error() * 1.001 + 1e-12, "{x}: {y}");
                } else {
                    assert!(y.abs() <= 1.0 + sign.error() * 1.001 + 1e-12);
                }
            }
            depths.push(sign.depth());
        }
        // Harder comparisons are deeper; the paper's depth for 7 and 7 bits is 10 at most.
        assert!(depths.is_sorted() && depths[2] <= 10, "{depths:?}");
        assert!(matches!(Sign::new(0.0, 4.0), Err(Error::Argument { .. })));
        assert!(matches!(Sign::new(0.1, 60.0), Err(Error::Fit { .. })));
    }

    #[test]
    fn encrypted_numbers_are_compared() {
        let mut f = Fixture::new(9, 1);
        let layout = Layout::new(3, &[Field::new(Axis::DIM, 16)]).expect("valid");
        let half = |seed| -> Vec<f64> { noise(seed, 16).iter().map(|v| v / 2.0).collect() };
        let (a, b) = (half(120), half(121));
        let (x, y) = (f.encrypt(&layout, &a), f.encrypt(&layout, &b));
        let sign = Sign::new(0.1, 8.0).expect("reachable");
        let spent = f.level - sign.depth();
        let pairs = || a.iter().zip(&b);
        let exact: Vec<f64> = pairs().map(|(a, b)| sign.eval(a - b)).collect();
        let s = sign
            .apply(&f.ev, &x.sub(&f.ev, &y).expect("fits"))
            .expect("levels");
        // The steepest composition amplifies noise by at most its slope at zero.
        let slope = sign.eval(1e-6) / 1e-6;
        f.check(&s, spent, &exact, slope * TOLERANCE);
        let c = sign.compare(&f.ev, &x, &y).expect("levels");
        let larger: Vec<f64> = exact.iter().map(|s| (s + 1.0) / 2.0).collect();
        f.check(&c, spent, &larger, slope * TOLERANCE);
        let max = sign.max(&f.ev, &x, &y).expect("levels");
        let want: Vec<f64> = pairs().map(|(a, b)| a.max(*b)).collect();
        f.check(&max, spent - 1, &want, sign.error().max(sign.margin()));
    }
}
