//! What operations cost on a device: seconds that follow from the times of its kernels.
//!
//! [`KernelTimes`] are the only prices that are set; all others are counted. An operation is run on
//! shapes by [`DryRun`], and its counts times the kernels' times are its price. A part of an
//! operation (one baby step of a linear transform, say) is priced by the difference of two
//! operations that differ in this part, so that a change of the evaluator changes the prices.
//!
//! ```text
//! KernelTimes --+-- LevelPrices at each level --+-- splits of linear maps into baby and giant
//! steps
//!               |                               +-- splits of the matrices of a bootstrap
//!               +-- Prices::refresh ------------+-- where bootstraps go
//! ```

mod batched;
mod level;
mod measure;
mod transform;

#[cfg(test)]
mod tests;

pub use crate::backend::dry_run::KernelTimes;
pub use batched::Batched;
pub use level::LevelPrices;
pub use measure::MeasureOptions;
pub use transform::{LiftPrices, LinearTransformPrices};

use crate::backend::dry_run::DryRun;
use crate::bootstrap::{BootstrapOptions, refresh_cost};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::evaluator::Evaluator;
use crate::keys::EvaluationKeys;
use crate::params::Params;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Prices of operations under one parameter set on one device, worked out when they are asked for
/// and kept.
pub struct Prices {
    times: KernelTimes,
    context: Context<DryRun>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    levels: BTreeMap<usize, Arc<LevelPrices>>,
    refreshes: Vec<((usize, BootstrapOptions, bool), f64)>,
}

impl Prices {
    /// Prices for a parameter set by the times of a device's kernels.
    ///
    /// # Errors
    /// [`Error::KernelTimes`] for times that no device has; errors of [`Context::new`].
    pub fn new(params: &Params, times: KernelTimes) -> Result<Self> {
        times.check()?;
        Ok(Self {
            times,
            context: Context::new(params.clone(), DryRun::default())?,
            known: Mutex::default(),
        })
    }

    /// The times that all prices follow from.
    pub fn times(&self) -> &KernelTimes {
        &self.times
    }

    /// The parameter set.
    pub fn params(&self) -> &Params {
        self.context.params()
    }

    /// Prices of operations on ciphertexts at `level`.
    ///
    /// # Errors
    /// [`Error::LevelMismatch`] when the parameters have no such level.
    pub fn at(&self, level: usize) -> Result<Arc<LevelPrices>> {
        let max = self.params().max_level();
        if level > max {
            return Err(Error::LevelMismatch {
                op: "prices",
                found: level,
                expected: max,
            });
        }
        if let Some(known) = self.known().levels.get(&level) {
            return Ok(Arc::clone(known));
        }
        let prices = Arc::new(LevelPrices::new(&self.scales(), level)?);
        self.known().levels.insert(level, Arc::clone(&prices));
        Ok(prices)
    }

    /// Seconds of a bootstrap of `slots` slots, see [`refresh_cost`].
    ///
    /// # Errors
    /// As [`refresh_cost`].
    pub fn refresh(&self, slots: usize, options: BootstrapOptions, complex: bool) -> Result<f64> {
        let key = (slots, options, complex);
        let of_key = |known: &[(_, f64)]| {
            let found = known.iter().find(|(k, _)| *k == key);
            found.map(|&(_, seconds)| seconds)
        };
        if let Some(seconds) = of_key(&self.known().refreshes) {
            return Ok(seconds);
        }
        let cost = refresh_cost(self.params(), slots, options, complex)?;
        let seconds = self.times.seconds(&cost.counts);
        self.known().refreshes.push((key, seconds));
        Ok(seconds)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn scales(&self) -> Scales<'_> {
        let keys = Arc::new(EvaluationKeys::recording());
        Scales {
            times: &self.times,
            ev: Evaluator::new(self.context.clone(), keys),
        }
    }
}

/// Runs operations on shapes and weighs what they count.
struct Scales<'p> {
    times: &'p KernelTimes,
    ev: Evaluator<DryRun>,
}

impl Scales<'_> {
    /// Seconds of an operation whose keys are on the device.
    fn seconds<T>(&self, operation: impl Fn(&Evaluator<DryRun>) -> Result<T>) -> Result<f64> {
        // The first run loads the keys; the second is counted.
        operation(&self.ev)?;
        let backend = self.ev.context().backend();
        let before = backend.counts();
        operation(&self.ev)?;
        Ok(self.times.seconds(&(backend.counts() - &before)))
    }
}
