//! One pass of the model on any backend: by the server on ciphertexts, by a dry run on shapes.

use ckks_math::Evaluator;
use ckks_math::backend::Backend;
use ckks_math::bootstrap::Bootstrapper;

use crate::encrypted::{Encrypted, Event, Tensor};
use crate::error::Result;
use crate::model::{Cache, Embedded, Output, Positions};
use crate::protocol::session::Setup;

/// Runs pass `index` of a session; `caches` grow by its positions.
pub fn run<B: Backend>(
    setup: &Setup,
    (ev, bootstrapper): (&Evaluator<B>, &Bootstrapper<B>),
    index: usize,
    input: Embedded<Tensor<B>>,
    caches: &mut [Cache<Tensor<B>>],
    report: &mut dyn FnMut(Event),
) -> Result<Output<Tensor<B>>> {
    let shape = setup.session.shape(index);
    let mut machine = Encrypted {
        ev,
        bootstrapper,
        config: &setup.llama.config,
        units: &setup.units,
        plan: setup.pass_plan(index),
        packing: setup.packing(index),
        report,
    };
    let positions = Positions {
        start: shape.start,
        len: shape.used,
    };
    let circuit = &setup.calibration.circuit;
    setup
        .llama
        .forward(&mut machine, circuit, input, caches, positions)
}
