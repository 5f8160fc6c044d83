//! What a pass reports as it goes, and that a report stops it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use ckks_math::backend::dry_run::DryRun;
use ckks_math::backend::dry_run::KernelTimes;
use ckks_math::keys::EvaluationKeys;
use ckks_math::{Context, Evaluator};
use he_linalg::Packed;
use he_linalg::matrix::StoreOptions;
use he_llama::encrypted::{Event, KeyValues, Shape, Tensor};
use he_llama::model::{Embedded, Role, Site};
use he_llama::protocol::{Constants, Setup, machine};
use he_llama::{Error, Result, embedded};

/// Positions of the session.
const CAPACITY: usize = 5;

/// The embedded model on shapes.
struct Shapes {
    setup: Arc<Setup>,
    ev: Evaluator<DryRun>,
    bootstrappers: Constants<DryRun>,
}

impl Shapes {
    fn new() -> Self {
        let llama = embedded::source().unwrap().llama;
        let calibration = Arc::new(embedded::calibration(&llama).unwrap());
        let limits = ckks_math::backend::Device::limits(&DryRun::default());
        let preset = "insecure-n10-boot";
        let setup = Setup::new(
            &llama,
            &calibration,
            preset,
            CAPACITY,
            limits,
            &KernelTimes::default(),
        )
        .unwrap();
        let context = Context::new(setup.params.clone(), DryRun::default()).unwrap();
        let bootstrappers = Constants::new(&context, &setup, StoreOptions::default()).unwrap();
        let ev = Evaluator::new(context, Arc::new(EvaluationKeys::recording()));
        Self {
            setup,
            ev,
            bootstrappers,
        }
    }

    fn run(
        &self,
        pass: Shape,
        caches: &mut [KeyValues<DryRun>],
        progress: &mut dyn FnMut(Event) -> Result<()>,
    ) -> Result<()> {
        let setup = &self.setup;
        let layout = setup
            .packing(pass)
            .channels(setup.llama.config.hidden)
            .unwrap();
        let input = |role| {
            let zeros = Packed::zeros(&self.ev, layout.clone(), setup.budget.top).unwrap();
            Tensor::new(zeros, setup.units.of(Site::new(0, role)).unwrap())
        };
        let input = Embedded {
            hidden: input(Role::Hidden),
            normed: input(Role::Normed),
        };
        let runs = (&self.ev, &self.bootstrappers);
        let mut machine = machine(setup, runs, pass, progress);
        let circuit = &setup.calibration.circuit;
        let output = (setup.llama).forward(&mut machine, circuit, input, caches);
        output.map(drop)
    }
}

/// A step's new keys and values are reported under the layer that they belong to.
#[test]
fn cached_keys_and_values_are_reported_under_their_layer() {
    let shapes = Shapes::new();
    let mut caches = shapes.setup.llama.caches();
    shapes
        .run(Shape::window(0, 4, CAPACITY), &mut caches, &mut |_| Ok(()))
        .unwrap();
    let mut reached = Vec::new();
    let mut note = |event| {
        if let Event::Reached(site) = event {
            reached.push(site);
        }
        Ok(())
    };
    shapes
        .run(Shape::step(4, CAPACITY), &mut caches, &mut note)
        .unwrap();
    let count = |site| reached.iter().filter(|found| **found == site).count();
    for role in [Role::Key, Role::Value] {
        let [first, second] = [0, 1].map(|layer| count(Site::new(layer, role)));
        assert!(first > 0, "{role}");
        assert_eq!(first, second, "{role}: both layers do the same");
    }
}

/// Whatever a report returns ends the pass there: no further operation is reported.
#[test]
fn a_pass_stops_at_every_report() {
    let shapes = Shapes::new();
    let mut total = 0;
    let mut count = |_| {
        total += 1;
        Ok(())
    };
    let mut caches = shapes.setup.llama.caches();
    shapes
        .run(Shape::window(0, 4, CAPACITY), &mut caches, &mut count)
        .unwrap();
    assert!(total > 50, "{total} reports in two layers");
    for stop in 1..=total {
        let mut seen = 0;
        let mut progress = |_| {
            seen += 1;
            match seen == stop {
                true => Err(Error::Cancelled),
                false => Ok(()),
            }
        };
        let mut caches = shapes.setup.llama.caches();
        let refused = shapes.run(Shape::window(0, 4, CAPACITY), &mut caches, &mut progress);
        assert!(matches!(refused, Err(Error::Cancelled)), "{stop}");
        assert_eq!(seen, stop);
    }
}
