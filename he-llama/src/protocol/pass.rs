//! One pass of the model on any backend: by the server on ciphertexts, by a dry run on shapes.

use std::sync::Arc;

use ckks_math::backend::Backend;
use ckks_math::bootstrap::Bootstrapper;
use ckks_math::{Context, Evaluator};

use crate::encrypted::{Encrypted, Event, FixedParts, Refresh, Tensor};
use crate::error::Result;
use crate::model::{Cache, Embedded, Output, Positions};
use crate::protocol::session::Setup;

/// The bootstrappers of a session: the prompt's and the steps', one where they are alike; and what the
/// device has captured of its passes.
pub struct Bootstrappers<B: Backend> {
    prompt: Arc<Bootstrapper<B>>,
    step: Arc<Bootstrapper<B>>,
    fixed: FixedParts<B>,
}

impl<B: Backend> Bootstrappers<B> {
    /// Those that the plan of `setup` takes.
    pub fn new(context: &Context<B>, setup: &Setup) -> Result<Self> {
        let [prompt, step] = [&setup.plan.prompt, &setup.plan.step].map(|placed| placed.refresh);
        let make = |refresh: Refresh| -> Result<Arc<Bootstrapper<B>>> {
            let bootstrapper = Bootstrapper::new(context, refresh.slots, refresh.options())?;
            Ok(Arc::new(bootstrapper))
        };
        let of_prompt = make(prompt)?;
        let step = if step == prompt {
            Arc::clone(&of_prompt)
        } else {
            make(step)?
        };
        Ok(Self {
            prompt: of_prompt,
            step,
            fixed: FixedParts::default(),
        })
    }

    /// log2 of the probability that a bootstrap garbles its result, at most.
    pub fn failure_log2(&self) -> f64 {
        let [prompt, step] = [&self.prompt, &self.step].map(|b| b.failure_log2());
        prompt.max(step)
    }

    /// The one of pass `index`.
    pub fn of(&self, index: usize) -> &Bootstrapper<B> {
        if index == 0 { &self.prompt } else { &self.step }
    }

    /// What the device has captured.
    pub fn fixed(&self) -> &FixedParts<B> {
        &self.fixed
    }
}

/// The machine of pass `index` of a session, and the positions that the pass adds.
pub fn machine<'a, B: Backend>(
    setup: &'a Setup,
    (ev, bootstrappers): (&'a Evaluator<B>, &'a Bootstrappers<B>),
    index: usize,
    progress: &'a mut dyn FnMut(Event) -> Result<()>,
) -> (Encrypted<'a, B>, Positions) {
    let shape = setup.session.shape(index);
    let machine = Encrypted {
        ev,
        bootstrapper: bootstrappers.of(index),
        config: &setup.llama.config,
        units: &setup.units,
        plan: setup.pass_plan(index),
        packing: setup.packing(index),
        fixed: bootstrappers.fixed(),
        heard: Vec::new(),
        progress,
    };
    let positions = Positions {
        start: shape.start,
        len: shape.used,
    };
    (machine, positions)
}

/// Runs pass `index` of a session; `caches` grow by its positions.
///
/// # Errors
///
/// Fails with whatever `progress` returns, before the next operation.
pub fn run<B: Backend>(
    setup: &Setup,
    runs: (&Evaluator<B>, &Bootstrappers<B>),
    index: usize,
    input: Embedded<Tensor<B>>,
    caches: &mut [Cache<Tensor<B>>],
    progress: &mut dyn FnMut(Event) -> Result<()>,
) -> Result<Output<Tensor<B>>> {
    let (mut machine, positions) = machine(setup, runs, index, progress);
    let circuit = &setup.calibration.circuit;
    setup
        .llama
        .forward(&mut machine, circuit, input, caches, positions)
}
