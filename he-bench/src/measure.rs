//! CapturedSequences runs within a time budget.

use std::time::{Duration, Instant};

/// How long to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Wall time to spend on samples.
    pub time: Duration,
    /// Samples to take even when they exceed the time.
    pub min_samples: usize,
    /// Samples to stop at.
    pub max_samples: usize,
}

impl Budget {
    /// All benchmarks in a few minutes.
    pub const QUICK: Self = Self {
        time: Duration::from_millis(700),
        min_samples: 3,
        max_samples: 50,
    };
    /// Medians to compare commits by.
    pub const FULL: Self = Self {
        time: Duration::from_secs(10),
        min_samples: 10,
        max_samples: 400,
    };
}

/// Wall times of the runs of one benchmark, ascending, in nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Samples(Vec<u64>);

impl Samples {
    /// Runs `body` once to warm up, then until the budget is used.
    ///
    /// A sample is one run; `body` must wait for its own effects.
    ///
    /// # Errors
    ///
    /// With the body's error.
    pub fn take<E>(budget: Budget, mut body: impl FnMut() -> Result<(), E>) -> Result<Self, E> {
        body()?;
        let mut times = Vec::new();
        let start = Instant::now();
        while times.len() < budget.min_samples.max(1)
            || (times.len() < budget.max_samples && start.elapsed() < budget.time)
        {
            let run = Instant::now();
            body()?;
            times.push(u64::try_from(run.elapsed().as_nanos()).unwrap_or(u64::MAX));
        }
        times.sort_unstable();
        Ok(Self(times))
    }

    /// Number of samples, at least one.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The shortest.
    pub fn min(&self) -> u64 {
        self.0[0]
    }

    /// The value that a share `p` of the samples does not exceed, by linear interpolation between
    /// ranks.
    pub fn quantile(&self, p: f64) -> u64 {
        let rank = p.clamp(0.0, 1.0) * (self.count() - 1) as f64;
        let (low, high) = (self.0[rank.floor() as usize], self.0[rank.ceil() as usize]);
        low + ((high - low) as f64 * rank.fract()).round() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    #[test]
    fn quantiles_interpolate_between_ranks() {
        let samples = Samples(vec![10, 20, 30, 50]);
        assert_eq!(
            [0.0, 0.25, 0.5, 1.0].map(|p| samples.quantile(p)),
            [10, 18, 25, 50]
        );
        assert_eq!((samples.min(), samples.count()), (10, 4));
    }

    #[test]
    fn a_budget_bounds_the_samples() {
        let none = Duration::ZERO;
        let ample = Duration::from_secs(60);
        for (time, count) in [(none, 2), (ample, 5)] {
            let budget = Budget {
                time,
                min_samples: 2,
                max_samples: 5,
            };
            let mut runs = 0;
            let samples = Samples::take(budget, || {
                runs += 1;
                Ok::<_, Infallible>(())
            });
            let Ok(samples) = samples;
            assert_eq!((samples.count(), runs), (count, count + 1));
        }
    }
}
