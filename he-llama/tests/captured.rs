//! A layer whose parts that do the same at every position are captured, in a prompt and in steps
//! behind it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use ckks_gpu_cuda::{CudaBackend, KernelSet};
use ckks_math::backend::Backend;
use ckks_math::backend::dry_run::DryRun;
use ckks_math::backend::dry_run::KernelTimes;
use ckks_math::keys::{EvaluationKeys, KeyGenerator, SecretKey, merge_demand};
use ckks_math::sampling::Seed;
use ckks_math::{Context, Encryptor, Evaluator};
use he_linalg::matrix::StoreOptions;
use he_linalg::{Layout, Packed};
use he_llama::embedded;
use he_llama::encrypted::{Event, KeyValues, Shape, Tensor};
use he_llama::model::{Role, Site};
use he_llama::protocol::{Constants, Setup, machine};

const PRESET: &str = "insecure-n10-boot";
/// A layer whose input comes from one before it.
const LAYER: usize = 1;
/// Positions of the session.
const CAPACITY: usize = 8;
/// Tokens of the prompt.
const PROMPT: usize = 2;

/// A prompt and the steps behind it: seen, captured and run from there on.
fn passes() -> [Shape; 4] {
    let step = |behind| Shape::step(PROMPT + behind, CAPACITY);
    [
        Shape::window(0, PROMPT, CAPACITY),
        step(0),
        step(1),
        step(2),
    ]
}

fn session() -> Arc<Setup> {
    let source = embedded::source().unwrap();
    let calibration = Arc::new(embedded::calibration(&source.llama).unwrap());
    let limits = ckks_math::backend::Device::limits(&DryRun::default());
    let times = KernelTimes::default();
    Setup::new(
        &source.llama,
        &calibration,
        PRESET,
        CAPACITY,
        limits,
        &times,
    )
    .unwrap()
}

/// A session on a device.
struct Side<B: Backend> {
    setup: Arc<Setup>,
    ev: Evaluator<B>,
    bootstrappers: Constants<B>,
}

impl<B: Backend> Side<B> {
    fn new(setup: &Arc<Setup>, context: &Context<B>, keys: Arc<EvaluationKeys<B>>) -> Self {
        Self {
            setup: Arc::clone(setup),
            ev: Evaluator::new(context.clone(), keys),
            bootstrappers: Constants::new(context, setup, StoreOptions::default()).unwrap(),
        }
    }

    /// Hidden states packed as those of a pass.
    fn input(&self, pass: Shape, pack: impl FnOnce(Layout, usize) -> Packed<B>) -> Tensor<B> {
        let setup = &self.setup;
        let layout = setup.packing(pass).channels(setup.llama.config.hidden);
        let unit = setup.units.of(Site::new(LAYER, Role::Hidden)).unwrap();
        Tensor::new(pack(layout.unwrap(), setup.budget.top), unit)
    }

    /// Hidden states that differ from pass to pass.
    fn encrypted(&self, secret: &SecretKey, pass: Shape) -> Tensor<B> {
        let context = self.ev.context();
        let seed = Seed::from_bytes([pass.start as u8; 32]);
        let mut encryptor = Encryptor::with_secret_key(context, secret, seed).unwrap();
        self.input(pass, |layout, level| {
            let count: usize = layout.lens().iter().product();
            let values = (0..count).map(|i| ((i + pass.start) % 7) as f64 / 10.0 - 0.3);
            let values: Vec<f64> = values.collect();
            Packed::encrypt(&self.ev, &mut encryptor, layout, &values, level).unwrap()
        })
    }

    /// The layer in a pass, and what it reports.
    fn run(&self, pass: Shape, x: Tensor<B>, cache: &mut KeyValues<B>) -> (Tensor<B>, Vec<Event>) {
        let setup = &self.setup;
        let mut events = Vec::new();
        let mut report = |event| {
            events.push(event);
            Ok(())
        };
        let runs = (&self.ev, &self.bootstrappers);
        let mut machine = machine(setup, runs, pass, &mut report);
        let functions = &setup.calibration.circuit.layers[LAYER];
        let layer = &setup.llama.layers[LAYER];
        let result = layer.forward(&mut machine, functions, x, None, cache);
        (result.unwrap(), events)
    }

    fn residues(&self, x: &Tensor<B>) -> Vec<u64> {
        let context = self.ev.context();
        let block = x.packed().batch().block();
        context.backend().download(context.tables(), block).unwrap()
    }
}

/// A session on a backend with the keys that the layer needs.
fn side<B: Backend>(setup: &Arc<Setup>, backend: B) -> (Side<B>, SecretKey) {
    let shapes = Context::new(setup.params.clone(), DryRun::default()).unwrap();
    let recorded = Arc::new(EvaluationKeys::recording());
    let dry = Side::new(setup, &shapes, Arc::clone(&recorded));
    let mut cache = KeyValues::default();
    for pass in passes() {
        let zeros = |layout, level| Packed::zeros(&dry.ev, layout, level).unwrap();
        dry.run(pass, dry.input(pass, zeros), &mut cache);
    }
    let context = Context::new(setup.params.clone(), backend).unwrap();
    let secret = SecretKey::from_seed(&setup.params, Seed::from_bytes([1; 32])).unwrap();
    let generator = KeyGenerator::new(&context, &secret).unwrap();
    let keys = generator.evaluation_keys(merge_demand(&setup.params, &recorded.demand()));
    (Side::new(setup, &context, Arc::new(keys.unwrap())), secret)
}

/// Both at once, on two threads.
fn together<X: Send, Y: Send>(
    x: impl FnOnce() -> X + Send,
    y: impl FnOnce() -> Y + Send,
) -> (X, Y) {
    std::thread::scope(|scope| {
        let x = scope.spawn(x);
        let y = y();
        (x.join().unwrap(), y)
    })
}

/// With other inputs at other positions: residues of results and caches, levels, units and reports
/// of plain runs. So the captured parts do the same at every position, bootstraps and all.
#[test]
fn a_captured_layer_gives_the_residues_of_a_plain_one() {
    let setup = session();
    let plain = CudaBackend::open_executor(KernelSet::Plain, 5).unwrap();
    let graphs = CudaBackend::open_executor(KernelSet::Plain, 6).unwrap();
    let graphs = graphs.poisoned().with_graphs();
    let ((plain, secret), (captured, _)) = together(
        || side(&setup, plain.clone()),
        || side(&setup, graphs.clone()),
    );
    let (mut expected_cache, mut cache) = (KeyValues::default(), KeyValues::default());
    let mut replays = Vec::new();
    for pass in passes() {
        let before = graphs.replays();
        let ((expected, reports), (found, received)) = together(
            || plain.run(pass, plain.encrypted(&secret, pass), &mut expected_cache),
            || captured.run(pass, captured.encrypted(&secret, pass), &mut cache),
        );
        replays.push(graphs.replays() - before);
        let same = captured.residues(&found) == plain.residues(&expected);
        assert!(same, "{pass:?}");
        let (found_at, expected_at) = (
            (found.unit(), found.level()),
            (expected.unit(), expected.level()),
        );
        assert_eq!(found_at, expected_at, "{pass:?}");
        // The capture itself reports, too.
        assert_eq!(received, reports, "{pass:?}");
        let [keys, values] = cache.entries().cloned().unwrap();
        let [expected_keys, expected_values] = expected_cache.entries().cloned().unwrap();
        for (found, expected) in [(keys, expected_keys), (values, expected_values)] {
            assert!(
                captured.residues(&found) == plain.residues(&expected),
                "{pass:?}"
            );
        }
    }
    // The first step captures key switches and bootstraps by themselves; from the second on both
    // parts are one sequence each, and what is left are key switches of attention.
    assert!(4 * replays[2] < replays[1], "{replays:?}");
    assert_eq!(replays[2], replays[3], "{replays:?}");
}
