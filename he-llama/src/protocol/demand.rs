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
use he_linalg::matrix::StoreOptions;

use crate::encrypted::{Event, KeyValues, PassKind, Shape, Tensor};
use crate::error::Result;
use crate::length::Length;
use crate::model::Embedded;
use crate::protocol::pass::{self, Constants};
use crate::protocol::session::{Cached, Session, Setup};

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

/// A pass as far as its work is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Stage {
    /// What kind of pass it is.
    pub kind: PassKind,
    /// Whether its output is wanted.
    pub output: bool,
    /// Whether it is a step that follows a window at once.
    pub behind_window: bool,
}

/// What a session needs.
#[derive(Clone, Debug)]
pub struct Demand {
    /// The keys to make.
    pub keys: Vec<KeyRequest>,
    /// Work of each kind of pass.
    pub work: BTreeMap<Stage, Work>,
    /// log2 of the probability that a bootstrap of all slots garbles its result.
    pub failure_log2: f64,
    /// Most bytes of ciphertexts alive at a time.
    pub working_bytes: u64,
}

impl Demand {
    /// The work of a request that brings a cache to `positions` positions.
    ///
    /// # Errors
    ///
    /// Those of [`Session::passes`].
    pub fn of_request(&self, session: &Session, cached: Cached, positions: usize) -> Result<Work> {
        let (passes, _) = session.passes(cached, positions)?;
        let mut total = Work::default();
        for (at, shape) in passes.iter().enumerate() {
            let stage = Stage {
                kind: shape.kind,
                output: at + 1 == passes.len(),
                behind_window: shape.is_step() && cached.windows == cached.positions,
            };
            let work = self.work.get(&stage).copied().unwrap_or_default();
            total.events += work.events;
            total.bootstraps += work.bootstraps;
            total.key_switches += work.key_switches;
            total.seconds += work.seconds;
        }
        Ok(total)
    }

    /// Bytes of the keys as they are sent.
    ///
    /// # Errors
    ///
    /// Fails for keys that the parameters do not admit.
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

/// The passes that need all keys of a session of `capacity` positions: every kind behind every
/// other, with output and without.
fn passes(capacity: usize) -> Vec<(Shape, bool)> {
    let tokens = Shape::window_tokens(capacity);
    let windows = (0..capacity.div_ceil(tokens)).take(3).map(|window| {
        let start = window * tokens;
        Shape::window(start, tokens.min(capacity - start), capacity)
    });
    let steps = |end: usize| {
        (end..capacity)
            .take(2)
            .map(|p| (Shape::step(p, capacity), true))
    };
    let mut passes = Vec::new();
    for window in windows {
        passes.extend([(window, false), (window, true)]);
        passes.extend(steps(window.end()));
    }
    // A single window leaves no position: steps follow a part of it.
    if capacity <= tokens && capacity > 1 {
        passes.push((Shape::window(0, 1, capacity), true));
        passes.extend(steps(1));
    }
    passes
}

/// The passes that need all keys of one text: a prompt, and steps behind it up to `positions`.
fn passes_of_text(
    session: &Session,
    prompt: usize,
    positions: usize,
) -> Result<Vec<(Shape, bool)>> {
    let (mut windows, _) = session.passes(Cached::default(), prompt)?;
    // Windows behind the second need the same keys; the last one may be a part.
    if let [_, _, third, .., last] = &mut windows[..] {
        *third = Shape::window(third.start, last.used, session.capacity);
        windows.truncate(3);
    }
    let end = windows.len();
    let windows = (1..).zip(windows).map(|(n, window)| (window, n == end));
    let mut passes: Vec<_> = windows.collect();
    let steps = passes.last().map_or(0, |(window, _)| window.end());
    let steps = (steps..steps + positions.saturating_sub(prompt)).take(2);
    passes.extend(steps.map(|position| (Shape::step(position, session.capacity), true)));
    Ok(passes)
}

/// Follows every kind of pass of a session; `progress` receives how many passes are done, and of
/// how many.
///
/// # Errors
///
/// Fails with whatever `progress` returns, and when a pass does not fit the parameters.
pub fn demand(
    setup: &Setup,
    progress: &mut dyn FnMut(usize, usize) -> Result<()>,
) -> Result<Demand> {
    follow_all(setup, &passes(setup.session.capacity), progress)
}

/// As [`demand`] for a session that serves a single text of known length: the passes over its
/// prompt, and the steps behind it.
///
/// # Errors
///
/// As [`demand`] and [`Session::passes`].
pub fn demand_of_text(
    setup: &Setup,
    text: Length,
    progress: &mut dyn FnMut(usize, usize) -> Result<()>,
) -> Result<Demand> {
    let passes = passes_of_text(&setup.session, text.prompt(), text.positions())?;
    follow_all(setup, &passes, progress)
}

fn follow_all(
    setup: &Setup,
    passes: &[(Shape, bool)],
    progress: &mut dyn FnMut(usize, usize) -> Result<()>,
) -> Result<Demand> {
    let context = Context::new(setup.params.clone(), DryRun::default())?;
    let bootstrappers = Constants::new(&context, setup, StoreOptions::default())?;
    let keys = Arc::new(EvaluationKeys::recording());
    let ev = Evaluator::new(context.clone(), Arc::clone(&keys));
    let mut caches: Vec<KeyValues<DryRun>> = setup.llama.caches();
    let mut work = BTreeMap::new();
    let mut before = None;
    for (done, &(shape, output)) in passes.iter().enumerate() {
        let stage = Stage {
            kind: shape.kind,
            output,
            behind_window: shape.is_step() && before != Some(PassKind::Step),
        };
        work.insert(
            stage,
            follow(setup, (&ev, &bootstrappers), shape, output, &mut caches)?,
        );
        before = Some(shape.kind);
        progress(done + 1, passes.len())?;
    }
    Ok(Demand {
        keys: merge_demand(&setup.params, &keys.demand()),
        work,
        failure_log2: bootstrappers.failure_log2(),
        working_bytes: context.backend().peak().blocks,
    })
}

/// Runs a pass on shapes.
fn follow(
    setup: &Setup,
    runs: (&Evaluator<DryRun>, &Constants<DryRun>),
    shape: Shape,
    output: bool,
    caches: &mut [KeyValues<DryRun>],
) -> Result<Work> {
    let layout = setup.packing(shape).channels(setup.llama.config.hidden)?;
    let zeros = |unit| -> Result<Tensor<DryRun>> {
        let packed = Packed::zeros(runs.0, layout.clone(), setup.budget.top)?;
        Ok(Tensor::new(packed, unit))
    };
    let [hidden, normed] = setup.input_units()?;
    let input = Embedded {
        hidden: zeros(hidden)?,
        normed: zeros(normed)?,
    };
    let backend = runs.0.context().backend().clone();
    let before = backend.counts();
    let mut done = Work::default();
    let mut report = |event| {
        done.events += 1;
        if let Event::Refresh(_, count) = event {
            done.bootstraps += count;
        }
        Ok(())
    };
    if output {
        pass::run(setup, runs, shape, input, caches, &mut report)?;
    } else {
        pass::extend(setup, runs, shape, input, caches, &mut report)?;
    }
    let counts = backend.counts() - &before;
    done.key_switches = counts.key_switches();
    done.seconds = setup.times.seconds(&counts);
    Ok(done)
}
