//! One pass of the model on any backend: by the server on ciphertexts, by a dry run on shapes.

use std::collections::BTreeMap;
use std::sync::Arc;

use ckks_math::backend::Backend;
use ckks_math::bootstrap::Bootstrapper;
use ckks_math::{Context, Evaluator};

use crate::encrypted::{Encrypted, Event, FixedParts, KeyValues, PassKind, Refresh, Shape, Tensor};
use crate::error::Result;
use crate::model::{Embedded, Output};
use crate::protocol::session::Setup;

/// The bootstrappers of a plan, one for all kinds of passes that bootstrap alike, and what the
/// device has captured of passes.
pub struct Bootstrappers<B: Backend> {
    kinds: BTreeMap<PassKind, Arc<Bootstrapper<B>>>,
    fixed: FixedParts<B>,
}

impl<B: Backend> Bootstrappers<B> {
    /// Those that the plan of `setup` takes.
    ///
    /// # Errors
    ///
    /// As [`Bootstrapper::new`].
    pub fn new(context: &Context<B>, setup: &Setup) -> Result<Self> {
        let mut made: BTreeMap<Refresh, Arc<Bootstrapper<B>>> = BTreeMap::new();
        let mut kinds = BTreeMap::new();
        for (kind, placed) in setup.plan.kinds() {
            let refresh = placed.refresh;
            let bootstrapper = match made.get(&refresh) {
                Some(made) => Arc::clone(made),
                None => {
                    let new = Bootstrapper::new(context, refresh.slots, refresh.options())?;
                    Arc::clone(made.entry(refresh).or_insert(Arc::new(new)))
                }
            };
            kinds.insert(kind, bootstrapper);
        }
        Ok(Self {
            kinds,
            fixed: FixedParts::default(),
        })
    }

    /// log2 of the probability that a bootstrap garbles its result, at most.
    pub fn failure_log2(&self) -> f64 {
        let each = self.kinds.values().map(|b| b.failure_log2());
        each.fold(f64::NEG_INFINITY, f64::max)
    }

    /// The one of a kind of pass.
    ///
    /// # Panics
    ///
    /// When the session has no pass of this kind.
    fn of(&self, kind: PassKind) -> &Bootstrapper<B> {
        self.kinds.get(&kind).expect("the session has such passes")
    }
}

/// The machine of a pass.
pub fn machine<'a, B: Backend>(
    setup: &'a Setup,
    (ev, bootstrappers): (&'a Evaluator<B>, &'a Bootstrappers<B>),
    shape: Shape,
    progress: &'a mut dyn FnMut(Event) -> Result<()>,
) -> Encrypted<'a, B> {
    Encrypted {
        ev,
        bootstrapper: bootstrappers.of(shape.kind),
        config: &setup.llama.config,
        units: &setup.units,
        plan: setup.pass_plan(shape.kind),
        packing: setup.packing(shape),
        fixed: &bootstrappers.fixed,
        thin: false,
        heard: Vec::new(),
        progress,
    }
}

/// Runs a pass whose output is wanted; `caches` grow by its positions.
///
/// # Errors
///
/// Fails with whatever `progress` returns, before the next operation.
pub fn run<B: Backend>(
    setup: &Setup,
    runs: (&Evaluator<B>, &Bootstrappers<B>),
    shape: Shape,
    input: Embedded<Tensor<B>>,
    caches: &mut [KeyValues<B>],
    progress: &mut dyn FnMut(Event) -> Result<()>,
) -> Result<Output<Tensor<B>>> {
    let mut machine = machine(setup, runs, shape, progress);
    let circuit = &setup.calibration.circuit;
    setup.llama.forward(&mut machine, circuit, input, caches)
}

/// Runs a pass for the keys and values alone.
///
/// # Errors
///
/// As [`run`].
pub fn extend<B: Backend>(
    setup: &Setup,
    runs: (&Evaluator<B>, &Bootstrappers<B>),
    shape: Shape,
    input: Embedded<Tensor<B>>,
    caches: &mut [KeyValues<B>],
    progress: &mut dyn FnMut(Event) -> Result<()>,
) -> Result<()> {
    let mut machine = machine(setup, runs, shape, progress);
    let circuit = &setup.calibration.circuit;
    setup.llama.extend(&mut machine, circuit, input, caches)
}
