//! One pass of the model on any backend: by the server on ciphertexts, by a dry run on shapes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use ckks_math::backend::Backend;
use ckks_math::bootstrap::Bootstrapper;
use ckks_math::cost::Prices;
use ckks_math::{Context, Evaluator};
use he_linalg::CostModel;
use he_linalg::matrix::{Announcement, MatrixStore, Planned, StoreOptions};

use crate::encrypted::{
    Encrypted, Event, FixedParts, KeyValues, Matrices, PassKind, Refresh, Shape, Tensor,
};
use crate::error::Result;
use crate::model::{Embedded, Output};
use crate::protocol::session::Setup;

/// What all sessions of a model share on a device: the bootstrappers of a plan, one for all kinds
/// of passes that bootstrap alike; the matrices; and what the device has captured of passes.
pub struct Constants<B: Backend> {
    kinds: BTreeMap<PassKind, Arc<Bootstrapper<B>>>,
    fixed: FixedParts<B>,
    matrices: Matrices,
    store: MatrixStore<B>,
    /// The products of each kind of pass, with output and without, as the last one took them.
    orders: Mutex<BTreeMap<(PassKind, bool), Vec<Planned>>>,
}

impl<B: Backend> Constants<B> {
    /// Those that the plan of `setup` takes; `options` say which encoded matrices are kept.
    ///
    /// # Errors
    ///
    /// As [`Bootstrapper::new`].
    pub fn new(context: &Context<B>, setup: &Setup, options: StoreOptions) -> Result<Self> {
        let mut made: BTreeMap<Refresh, Arc<Bootstrapper<B>>> = BTreeMap::new();
        let mut kinds = BTreeMap::new();
        for (kind, placed) in setup.plan.kinds() {
            let refresh = placed.refresh;
            let bootstrapper = match made.get(&refresh) {
                Some(made) => Arc::clone(made),
                None => {
                    let options = refresh.options(&setup.times);
                    let new = Bootstrapper::new(context, refresh.slots, options)?;
                    Arc::clone(made.entry(refresh).or_insert(Arc::new(new)))
                }
            };
            kinds.insert(kind, bootstrapper);
        }
        // One model for all levels: equal matrices of different passes then share their keys.
        let prices = Prices::new(&setup.params, setup.times)?;
        let model = CostModel::new(&prices, setup.budget.top)?;
        Ok(Self {
            kinds,
            fixed: FixedParts::default(),
            matrices: Matrices::new(model),
            store: MatrixStore::new(context, options),
            orders: Mutex::default(),
        })
    }

    /// Announces the products of a pass, if one of its kind has run: each matrix is then encoded
    /// while the product before it runs.
    fn announce(&self, pass: (PassKind, bool)) -> Option<Announcement<B>> {
        let orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        orders.get(&pass).map(|order| self.store.announce(order))
    }

    /// Remembers the products of a pass.
    fn remember(&self, pass: (PassKind, bool), products: Vec<Planned>) {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        orders.insert(pass, products);
    }

    /// Bytes of encoded matrices that are held, and the most that were.
    pub fn matrix_bytes(&self) -> [u64; 2] {
        [self.store.bytes(), self.store.peak_bytes()]
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
    (ev, constants): (&'a Evaluator<B>, &'a Constants<B>),
    shape: Shape,
    progress: &'a mut dyn FnMut(Event) -> Result<()>,
) -> Encrypted<'a, B> {
    Encrypted {
        ev,
        bootstrapper: constants.of(shape.kind),
        config: &setup.llama.config,
        units: &setup.units,
        plan: setup.pass_plan(shape.kind),
        packing: setup.packing(shape),
        fixed: &constants.fixed,
        matrices: &constants.matrices,
        store: &constants.store,
        products: Vec::new(),
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
    runs: (&Evaluator<B>, &Constants<B>),
    shape: Shape,
    input: Embedded<Tensor<B>>,
    caches: &mut [KeyValues<B>],
    progress: &mut dyn FnMut(Event) -> Result<()>,
) -> Result<Output<Tensor<B>>> {
    let mut machine = machine(setup, runs, shape, progress);
    let circuit = &setup.calibration.circuit;
    let _order = runs.1.announce((shape.kind, true));
    let output = setup.llama.forward(&mut machine, circuit, input, caches)?;
    runs.1.remember((shape.kind, true), machine.products);
    Ok(output)
}

/// Runs a pass for the keys and values alone.
///
/// # Errors
///
/// As [`run`].
pub fn extend<B: Backend>(
    setup: &Setup,
    runs: (&Evaluator<B>, &Constants<B>),
    shape: Shape,
    input: Embedded<Tensor<B>>,
    caches: &mut [KeyValues<B>],
    progress: &mut dyn FnMut(Event) -> Result<()>,
) -> Result<()> {
    let mut machine = machine(setup, runs, shape, progress);
    let circuit = &setup.calibration.circuit;
    let _order = runs.1.announce((shape.kind, false));
    setup.llama.extend(&mut machine, circuit, input, caches)?;
    runs.1.remember((shape.kind, false), machine.products);
    Ok(())
}
