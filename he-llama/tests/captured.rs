//! The second half of a layer: the same work at every position, captured where the device can.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use ckks_cpu::{CpuBackend, CpuOptions};
use ckks_gpu_cuda::{CudaBackend, KernelSet};
use ckks_math::backend::Backend;
use ckks_math::backend::dry_run::DryRun;
use ckks_math::keys::{EvaluationKeys, KeyGenerator, SecretKey, merge_demand};
use ckks_math::sampling::Seed;
use ckks_math::{Context, Encryptor, Evaluator};
use he_linalg::{Layout, Packed};
use he_llama::embedded;
use he_llama::encrypted::{Event, Tensor};
use he_llama::model::{Machine, Role, Site};
use he_llama::protocol::{Bootstrappers, Setup, machine};

const PRESET: &str = "insecure-n10-boot";
const LAYER: usize = 1;
/// Passes behind the prompt.
const STEPS: std::ops::RangeInclusive<usize> = 1..=4;

fn session() -> Arc<Setup> {
    let source = embedded::source().unwrap();
    let ids = source.prompt("ROMEO:", *STEPS.end() + 1).unwrap();
    let calibration = Arc::new(embedded::calibration(&source.llama).unwrap());
    let length = (ids.len(), *STEPS.end() + 1);
    let limits = ckks_math::backend::Device::limits(&DryRun::default());
    Setup::new(&source.llama, &calibration, PRESET, length, limits).unwrap()
}

/// A session on a device.
struct Sides<B: Backend> {
    setup: Arc<Setup>,
    ev: Evaluator<B>,
    bootstrappers: Bootstrappers<B>,
}

/// Residual stream and mixed values.
type Inputs<B> = [Tensor<B>; 2];

impl<B: Backend> Sides<B> {
    fn new(setup: &Arc<Setup>, context: &Context<B>, keys: Arc<EvaluationKeys<B>>) -> Self {
        Self {
            setup: Arc::clone(setup),
            ev: Evaluator::new(context.clone(), keys),
            bootstrappers: Bootstrappers::new(context, setup).unwrap(),
        }
    }

    /// Inputs packed as those of a step.
    fn inputs(&self, mut pack: impl FnMut(Layout, usize) -> Packed<B>) -> Inputs<B> {
        let packing = self.setup.packing(*STEPS.start());
        let hidden = packing.channels(self.setup.llama.config.hidden).unwrap();
        let of_role = [
            (hidden, Role::Hidden),
            (packing.per_head().unwrap(), Role::Mixed),
        ];
        of_role.map(|(layout, role)| {
            let unit = self.setup.units.of(Site::new(LAYER, role)).unwrap();
            Tensor::new(pack(layout, self.setup.budget.top), unit)
        })
    }

    /// Inputs of a seed.
    fn encrypted(&self, secret: &SecretKey, seed: u8) -> Inputs<B> {
        let context = self.ev.context();
        let seed_bytes = Seed::from_bytes([seed; 32]);
        let mut encryptor = Encryptor::with_secret_key(context, secret, seed_bytes).unwrap();
        self.inputs(|layout, level| {
            let count: usize = layout.lens().iter().product();
            let values = (0..count).map(|i| ((i + usize::from(seed)) % 7) as f64 / 10.0 - 0.3);
            let values: Vec<f64> = values.collect();
            Packed::encrypt(&self.ev, &mut encryptor, layout, &values, level).unwrap()
        })
    }

    /// The second half in a pass, and what it reports.
    fn run(&self, pass: usize, inputs: &Inputs<B>) -> (Tensor<B>, Vec<Event>) {
        let setup = &self.setup;
        let mut events = Vec::new();
        let mut report = |event| events.push(event);
        let runs = (&self.ev, &self.bootstrappers);
        let (mut machine, positions) = machine(setup, runs, pass, &mut report);
        let layer = &setup.llama.layers[LAYER];
        let functions = &setup.calibration.circuit.layers[LAYER];
        let site = Site::new(LAYER, Role::Mixed);
        let result = machine.fixed(site, inputs.clone(), |m, [x, mixed]| {
            layer.behind_attention(m, functions, &x, mixed, positions)
        });
        (result.unwrap(), events)
    }

    fn residues(&self, x: &Tensor<B>) -> Vec<u64> {
        let context = self.ev.context();
        let block = x.packed().batch().block();
        context.backend().download(context.tables(), block).unwrap()
    }
}

/// A session on a backend with the keys that the work needs.
fn sides<B: Backend>(setup: &Arc<Setup>, backend: B) -> (Sides<B>, SecretKey) {
    let shapes = Context::new(setup.params.clone(), DryRun::default()).unwrap();
    let recorded = Arc::new(EvaluationKeys::recording());
    let dry = Sides::new(setup, &shapes, Arc::clone(&recorded));
    let zeros = dry.inputs(|layout, level| Packed::zeros(&dry.ev, layout, level).unwrap());
    dry.run(*STEPS.start(), &zeros);
    let context = Context::new(setup.params.clone(), backend).unwrap();
    let secret = SecretKey::from_seed(&setup.params, Seed::from_bytes([1; 32])).unwrap();
    let generator = KeyGenerator::new(&context, &secret).unwrap();
    let keys = generator.evaluation_keys(merge_demand(&setup.params, &recorded.demand()));
    (Sides::new(setup, &context, Arc::new(keys.unwrap())), secret)
}

/// The promise behind [`Machine::fixed`], on the whole second half: residues, units and reports of all
/// steps are those of the first.
#[test]
fn the_second_half_of_a_layer_does_the_same_at_every_position() {
    let cpu = CpuBackend::open(CpuOptions::default()).unwrap();
    let (sides, secret) = sides(&session(), cpu);
    let inputs = sides.encrypted(&secret, 3);
    let (expected, reports) = sides.run(*STEPS.start(), &inputs);
    assert!(reports.len() > 5);
    for pass in STEPS.skip(1) {
        let (found, heard) = sides.run(pass, &inputs);
        assert!(
            sides.residues(&found) == sides.residues(&expected),
            "{pass}"
        );
        assert_eq!(
            (found.unit(), &heard),
            (expected.unit(), &reports),
            "{pass}"
        );
    }
}

/// Captured at the second step and run from there on, with other inputs and at other positions: residues,
/// levels, units and reports of plain runs. The bootstraps are part of the sequence.
#[test]
fn a_captured_second_half_gives_the_residues_of_a_plain_one() {
    let setup = session();
    let plain = CudaBackend::open_executor(KernelSet::Plain, 5).unwrap();
    let graphs = CudaBackend::open_executor(KernelSet::Plain, 6).unwrap();
    let graphs = graphs.poisoned().with_graphs();
    let (plain, secret) = sides(&setup, plain);
    let (captured, _) = sides(&setup, graphs.clone());
    for pass in STEPS {
        let seed = pass as u8;
        let (expected, reports) = plain.run(pass, &plain.encrypted(&secret, seed));
        let before = graphs.replays();
        let (found, heard) = captured.run(pass, &captured.encrypted(&secret, seed));
        // From the second step on nothing else is submitted than one sequence.
        assert!(
            pass == *STEPS.start() || graphs.replays() == before + 1,
            "{pass}"
        );
        assert!(
            captured.residues(&found) == plain.residues(&expected),
            "{pass}"
        );
        assert_eq!(
            (found.unit(), found.level()),
            (expected.unit(), expected.level())
        );
        // The capture itself reports, too.
        assert_eq!(heard, reports, "{pass}");
    }
}
