//! The keys of a session and the work of its passes, found by running it on shapes.

use std::collections::BTreeMap;
use std::sync::Arc;

use ckks_math::backend::dry_run::DryRun;
use ckks_math::backend::packed::packed_row_len;
use ckks_math::keys::{EvaluationKeys, KeyRequest, merge_demand};
use ckks_math::params::Params;
use ckks_math::wire::key_set_len;
use ckks_math::{Context, Evaluator};
use he_linalg::Packed;

use crate::encrypted::{Event, Tensor};
use crate::error::Result;
use crate::model::Embedded;
use crate::protocol::pass::{self, Bootstrappers};
use crate::protocol::session::Setup;

/// Work of one pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Work {
    /// Events that the machine reports.
    pub events: usize,
    /// Ciphertexts bootstrapped.
    pub bootstraps: usize,
    /// Polynomials multiplied with a switching key.
    pub key_switches: u64,
    /// Seconds by the times of kernels that the plan was made with.
    pub seconds: f64,
}

/// What a session needs.
#[derive(Clone, Debug)]
pub struct Demand {
    /// The keys to make.
    pub keys: Vec<KeyRequest>,
    /// Work of each pass that was followed.
    pub passes: Vec<Work>,
    /// log2 of the probability that a bootstrap of all slots garbles its result.
    pub failure_log2: f64,
    /// Most bytes of ciphertexts alive at a time.
    pub working_bytes: u64,
}

impl Demand {
    /// Bytes of the keys as they are sent.
    pub fn sent_bytes(&self, params: &Params) -> Result<u64> {
        Ok(key_set_len(params, &self.keys)?)
    }

    /// Bytes of the keys as a device holds them once all have been used: both halves, as many bits
    /// for each residue as its prime has.
    pub fn device_bytes(&self, params: &Params) -> u64 {
        self.keys
            .iter()
            .map(|request| device_bytes(params, request))
            .sum()
    }

    /// Number and [`Demand::device_bytes`] of the keys of each level.
    pub fn by_level(&self, params: &Params) -> BTreeMap<usize, (usize, u64)> {
        let mut levels: BTreeMap<usize, (usize, u64)> = BTreeMap::new();
        for request in &self.keys {
            let (count, bytes) = levels.entry(request.level).or_default();
            *count += 1;
            *bytes += device_bytes(params, request);
        }
        levels
    }
}

/// Bytes of a key as a device with 8-byte words holds it, both halves.
pub fn device_bytes(params: &Params, request: &KeyRequest) -> u64 {
    let basis = request.basis(params);
    let digits = basis.q_len().div_ceil(params.digit_size());
    (2 * digits * packed_row_len(params.ring(), basis)) as u64
}

/// Follows the first `passes` passes of a session; `progress` receives how many are done.
///
/// # Errors
///
/// Fails with whatever `progress` returns, and when a pass does not fit the parameters.
pub fn demand(
    setup: &Setup,
    passes: usize,
    progress: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<Demand> {
    let context = Context::new(setup.params.clone(), DryRun::default())?;
    let bootstrappers = Bootstrappers::new(&context, setup)?;
    let keys = Arc::new(EvaluationKeys::recording());
    let ev = Evaluator::new(context.clone(), Arc::clone(&keys));
    let mut caches = setup.llama.caches();
    let mut work = Vec::new();
    for index in 0..passes {
        let layout = setup.packing(index).channels(setup.llama.config.hidden)?;
        let zeros = |unit| -> Result<Tensor<DryRun>> {
            Ok(Tensor::new(
                Packed::zeros(&ev, layout.clone(), setup.budget.top)?,
                unit,
            ))
        };
        let [hidden, normed] = setup.input_units()?;
        let input = Embedded {
            hidden: zeros(hidden)?,
            normed: zeros(normed)?,
        };
        let before = context.backend().counts();
        let mut done = Work::default();
        let mut report = |event| {
            done.events += 1;
            if let Event::Refresh(_, count) = event {
                done.bootstraps += count;
            }
            Ok(())
        };
        pass::run(
            setup,
            (&ev, &bootstrappers),
            index,
            input,
            &mut caches,
            &mut report,
        )?;
        let after = context.backend().counts();
        done.key_switches = after.key_switches() - before.key_switches();
        done.seconds = setup.times.seconds(&after) - setup.times.seconds(&before);
        work.push(done);
        progress(index + 1)?;
    }
    Ok(Demand {
        keys: merge_demand(&setup.params, &keys.demand()),
        passes: work,
        failure_log2: bootstrappers.failure_log2(),
        working_bytes: context.backend().peak().blocks,
    })
}
