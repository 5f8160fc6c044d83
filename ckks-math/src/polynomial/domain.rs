//! Sets on which a polynomial is fitted: unions of intervals, their grids and their Leja points.

use super::chebyshev::{check_interval, cos_quarter, from_unit};
use super::error::ApproximationError;

/// Non-empty union of disjoint intervals in ascending order.
#[derive(Clone, Debug, PartialEq)]
pub struct Domain {
    intervals: Vec<(f64, f64)>,
}

impl Domain {
    /// The union of the given intervals, which must be disjoint, ascending and each lo < hi.
    ///
    /// # Errors
    /// [`ApproximationError::NoInterval`], [`ApproximationError::Interval`] for one that is not
    /// lo < hi with finite width (or for such a hull), [`ApproximationError::Overlap`] for two that
    /// touch, overlap or are not ascending.
    pub fn new(intervals: Vec<(f64, f64)>) -> Result<Self, ApproximationError> {
        let (Some(first), Some(last)) = (intervals.first(), intervals.last()) else {
            return Err(ApproximationError::NoInterval);
        };
        check_interval((first.0, last.1))?;
        intervals
            .iter()
            .try_for_each(|&interval| check_interval(interval))?;
        match intervals.windows(2).find(|pair| pair[0].1 >= pair[1].0) {
            Some(pair) => Err(ApproximationError::Overlap {
                end: pair[0].1,
                start: pair[1].0,
            }),
            None => Ok(Self { intervals }),
        }
    }

    /// The intervals [j - radius, j + radius] for the integers |j| <= k; 0 < radius < 1/2.
    ///
    /// These are the values that reach modular reduction in bootstrapping: an overflow count j plus
    /// a message small against the modulus [Han-Ki 2020, section 3].
    ///
    /// # Errors
    /// [`ApproximationError::Parameter`] for another radius, and as [`Domain::new`] where
    /// neighbouring intervals touch after rounding.
    pub fn around_integers(k: u32, radius: f64) -> Result<Self, ApproximationError> {
        if !(radius > 0.0 && radius < 0.5) {
            let range = "above 0 and below 1/2, so that the intervals are disjoint";
            return Err(ApproximationError::Parameter {
                name: "radius",
                value: radius,
                range,
            });
        }
        let k = i64::from(k);
        Self::new(
            (-k..=k)
                .map(|j| (j as f64 - radius, j as f64 + radius))
                .collect(),
        )
    }

    /// The intervals of the given radius around j + 1/4 and j - 1/4 for the integers |j| <= k,
    /// which are those around the integers moved by -1/4, together with their mirror images; 0 <
    /// radius < 1/4.
    ///
    /// # Errors
    /// [`ApproximationError::Parameter`] for another radius, and as [`Domain::new`] where
    /// neighbouring intervals touch after rounding.
    pub fn around_quarters(k: u32, radius: f64) -> Result<Self, ApproximationError> {
        if !(radius > 0.0 && radius < 0.25) {
            let range = "above 0 and below 1/4, so that the intervals are disjoint";
            return Err(ApproximationError::Parameter {
                name: "radius",
                value: radius,
                range,
            });
        }
        let k = i64::from(k);
        let centres = (-k..=k).flat_map(|j| [j as f64 - 0.25, j as f64 + 0.25]);
        Self::new(centres.map(|c| (c - radius, c + radius)).collect())
    }

    /// The intervals, in ascending order.
    pub fn intervals(&self) -> &[(f64, f64)] {
        &self.intervals
    }

    /// The smallest interval that contains the domain.
    pub fn hull(&self) -> (f64, f64) {
        (
            self.intervals[0].0,
            self.intervals[self.intervals.len() - 1].1,
        )
    }

    /// Whether x -> -x maps the domain onto itself, exactly.
    pub fn is_symmetric(&self) -> bool {
        let mirrored = self.intervals.iter().rev().map(|&(lo, hi)| (-hi, -lo));
        self.intervals.iter().copied().eq(mirrored)
    }

    /// The part of a symmetric domain with x >= 0.
    pub(super) fn non_negative_half(&self) -> Self {
        let positive = self.intervals.iter().filter(|&&(_, hi)| hi > 0.0);
        Self {
            intervals: positive.map(|&(lo, hi)| (lo.max(0.0), hi)).collect(),
        }
    }

    /// Ascending grid of about `total` points, crowded at the ends of each interval as the extrema
    /// of Chebyshev polynomials are; at least 9 points in every interval, ends included.
    pub(super) fn grid(&self, total: usize) -> Vec<f64> {
        let cells = total.div_ceil(self.intervals.len()).max(8);
        let mut grid: Vec<f64> = self
            .intervals
            .iter()
            .flat_map(|&interval| {
                (0..=cells).map(move |i| from_unit(interval, -cos_quarter(2 * i, cells)))
            })
            .collect();
        grid.dedup();
        grid
    }
}

/// `count` points of the grid for which prod |key(x) - key(x_i)| is large, in the order chosen.
///
/// Discrete Leja points: each next point maximises the product over those chosen before, which is
/// the node polynomial in Cauchy's remainder. On any compact set they are distributed like the best
/// interpolation nodes; on intervals around integers the nodes are allocated as in
/// [Han-Ki 2020, section 3.2]: the next node goes where the product is largest, one at a time.
pub(super) fn leja_points(grid: &[f64], key: impl Fn(f64) -> f64, count: usize) -> Vec<f64> {
    let mut log_product: Vec<f64> = grid.iter().map(|&x| key(x).abs()).collect();
    let mut chosen = Vec::with_capacity(count);
    let greatest = |values: &[f64]| {
        (0..values.len())
            .max_by(|&i, &j| values[i].total_cmp(&values[j]))
            .unwrap_or(0)
    };
    for round in 0..count.min(grid.len()) {
        let best = greatest(&log_product);
        if round == 0 {
            log_product.fill(0.0);
        }
        chosen.push(grid[best]);
        for (value, &x) in log_product.iter_mut().zip(grid) {
            *value += (key(x) - key(grid[best])).abs().ln();
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_unions_are_refused() {
        use ApproximationError as E;
        assert_eq!(Domain::new(vec![]), Err(E::NoInterval));
        let overlapping = Domain::new(vec![(0.0, 2.0), (1.0, 3.0)]);
        assert_eq!(
            overlapping,
            Err(E::Overlap {
                end: 2.0,
                start: 1.0
            })
        );
        assert!(matches!(
            Domain::new(vec![(1.0, 0.0)]),
            Err(E::Interval { .. })
        ));
        assert!(Domain::new(vec![(0.0, f64::NAN), (1.0, 2.0)]).is_err());
        assert!(Domain::around_integers(3, 0.5).is_err());
        assert!(Domain::around_integers(3, f64::NAN).is_err());
        assert!(Domain::around_quarters(3, 0.25).is_err());
    }

    #[test]
    fn grids_are_ascending_and_inside() {
        let domain = Domain::around_integers(4, 0.01).unwrap();
        assert!(domain.is_symmetric());
        assert_eq!(domain.hull(), (-4.01, 4.01));
        let grid = domain.grid(500);
        assert!(grid.windows(2).all(|w| w[0] < w[1]));
        assert!(grid.iter().all(|x| (x - x.round()).abs() <= 0.01 + 1e-15));
        assert_eq!(domain.non_negative_half().intervals()[0], (0.0, 0.01));
        let quarters = Domain::around_quarters(4, 0.01).unwrap();
        assert!(quarters.is_symmetric() && quarters.intervals().len() == 18);
        assert_eq!(quarters.non_negative_half().intervals().len(), 9);
    }

    #[test]
    fn leja_points_follow_the_arcsine_density() {
        let grid = Domain::new(vec![(-1.0, 1.0)]).unwrap().grid(4000);
        let points = leja_points(&grid, |x| x, 200);
        // The arcsine law puts a third of the points in |x| < 1/2.
        let inner = points.iter().filter(|x| x.abs() < 0.5).count();
        assert!(
            (60..=74).contains(&inner),
            "{inner} of 200 points in the inner half"
        );
        let mut sorted = points;
        sorted.sort_by(f64::total_cmp);
        assert!(
            sorted.windows(2).all(|w| w[0] < w[1]),
            "points are distinct"
        );
    }
}
