//! Which keys a refresh needs, found by running it on shapes.

use super::{BootstrapOptions, Bootstrapper};
use crate::backend::dry_run::{DryRun, DryRunOptions};
use crate::context::Context;
use crate::error::Result;
use crate::evaluator::Evaluator;
use crate::keys::{EvaluationKeys, KeyDemand};
use crate::params::Params;
use std::sync::Arc;

/// The switching keys of a refresh of `slots` slots, each at the level it is used on.
///
/// `complex` for [`Bootstrapper::refresh_complex`], else [`Bootstrapper::refresh`].
///
/// # Errors
/// As [`Bootstrapper::new`], and as the refresh that is run but for missing keys: the dry run has
/// them all.
pub fn refresh_requests(
    params: &Params,
    slots: usize,
    options: BootstrapOptions,
    complex: bool,
) -> Result<KeyDemand> {
    let context = Context::new(params.clone(), DryRun::new(DryRunOptions::default()))?;
    let bootstrapper = Bootstrapper::new(
        &context,
        slots,
        BootstrapOptions {
            resident: false,
            ..options
        },
    )?;
    let ev = Evaluator::new(context.clone(), Arc::new(EvaluationKeys::recording()));
    let level = bootstrapper.input_level();
    let x = ev.zeros(slots, level, 1)?;
    if complex {
        bootstrapper.refresh_complex(&ev, &x)?;
    } else {
        bootstrapper.refresh(&ev, &x)?;
    }
    Ok(ev.keys().demand())
}
