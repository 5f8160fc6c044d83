//! What a refresh costs, by a dry run: to choose between options before a key is made.

use super::{BootstrapOptions, Bootstrapper};
use crate::backend::dry_run::{Counts, DryRun, DryRunOptions};
use crate::context::Context;
use crate::error::Result;
use crate::evaluator::Evaluator;
use crate::keys::{EvaluationKeys, KeyRequest, merge_demand};
use crate::params::Params;
use std::sync::Arc;

/// Work, keys and memory of one refresh.
#[derive(Clone, Debug)]
pub struct RefreshCost {
    /// Level of a refreshed ciphertext.
    pub output_level: usize,
    /// Switching keys, one for each purpose and number of special primes.
    pub keys: usize,
    /// Bytes of both halves of those keys.
    pub key_bytes: u64,
    /// Most bytes of diagonals and intermediate results alive at a time.
    pub working_bytes: u64,
    /// All kernels.
    pub counts: Counts,
}

/// The cost of a refresh of `slots` slots: [`Bootstrapper::refresh_complex`] if `complex`, else
/// [`Bootstrapper::refresh`].
///
/// # Errors
/// As [`Bootstrapper::new`], and as the refresh that is counted but for missing keys: the dry run
/// has them all.
pub fn refresh_cost(
    params: &Params,
    slots: usize,
    options: BootstrapOptions,
    complex: bool,
) -> Result<RefreshCost> {
    let context = Context::new(params.clone(), DryRun::new(DryRunOptions::default()))?;
    let bootstrapper = Bootstrapper::new(&context, slots, options)?;
    let ev = Evaluator::new(context.clone(), Arc::new(EvaluationKeys::recording()));
    let x = ev.zeros(slots, bootstrapper.input_level(), 1)?;
    let refresh = || {
        if complex {
            bootstrapper.refresh_complex(&ev, &x)
        } else {
            bootstrapper.refresh(&ev, &x)
        }
    };
    // The first makes the keys; the second is counted.
    let output_level = refresh()?.level();
    let before = context.backend().counts();
    let guard = context.backend().phase("refresh");
    refresh()?;
    drop(guard);
    let phases = context.backend().phases();
    let keys = merge_demand(params, &ev.keys().demand());
    Ok(RefreshCost {
        output_level,
        keys: keys.len(),
        key_bytes: keys.iter().map(|key| key_bytes(params, key)).sum(),
        working_bytes: phases.iter().map(|p| p.peak.blocks).max().unwrap_or(0),
        counts: context.backend().counts() - &before,
    })
}

/// Bytes of both halves of a key on a device that holds words of 64 bits.
fn key_bytes(params: &Params, key: &KeyRequest) -> u64 {
    let basis = key.basis(params);
    let digits = basis.q_len().div_ceil(params.digit_size());
    2 * 8 * (digits * basis.limbs() * params.degree()) as u64
}
