//! Budgets, orders, errors and threads of the store.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier, Mutex};

use ckks_cpu::CpuBackend;
use ckks_math::backend::Device;
use ckks_math::backend::dry_run::DryRun;
use ckks_math::keys::EvaluationKeys;
use ckks_math::{Context, Evaluator};

use super::*;
use crate::bsgs::CostModel;
use crate::field::{Axis, Field};
use crate::layout::Layout;
use crate::matrix::Coefficients;
use crate::matrix::tests::Dense;
use crate::packed::Packed;
use crate::terms::Terms;
use crate::testing::cipher::{Fixture, TOLERANCE, literal};

/// The name of the worker's thread.
const WORKER: &str = "encode ahead";

fn vector() -> Layout {
    Layout::new(4, &[Field::new(Axis::DIM, 16)]).expect("valid")
}

/// A dense matrix of 16 channels, of the same size for each seed.
fn square(source: impl Coefficients + 'static) -> Arc<Matrix> {
    let x = vector();
    let matrix = Matrix::new(
        &x,
        vec![(Arc::new(source), x.clone())],
        &CostModel::default(),
    );
    Arc::new(matrix.expect("valid"))
}

fn dense(seed: u64) -> Dense {
    Dense::random(&vector(), &vector(), seed)
}

/// A source that does something before the rows of another are read.
struct Watched<F> {
    of: Dense,
    before: F,
}

impl<F: Fn() -> Result<()> + Send + Sync> Coefficients for Watched<F> {
    fn row(&self, index: &[usize], terms: &mut Terms<'_>) -> Result<()> {
        if index[0] == 0 {
            (self.before)()?;
        }
        self.of.row(index, terms)
    }
}

fn thread() -> String {
    std::thread::current().name().unwrap_or_default().to_owned()
}

/// A source that sends the name of each thread that reads it, but for the planning.
fn reporting(seed: u64, to: &Sender<(u64, String)>) -> Arc<Matrix> {
    let to = Mutex::new(to.clone());
    let watched = Watched {
        of: dense(seed),
        before: move || {
            let to = to.lock().expect("no panic while it is held");
            to.send((seed, thread())).map_err(Error::source_failed)
        },
    };
    square(watched)
}

fn forget_planning(from: &Receiver<(u64, String)>, count: usize) {
    for _ in 0..count {
        from.recv().expect("each matrix was planned");
    }
}

fn planned<B: Backend>(matrices: &[Arc<Matrix>], x: &Packed<B>) -> Vec<Planned> {
    let planned = |matrix: &Arc<Matrix>| Planned {
        matrix: Arc::clone(matrix),
        level: x.level(),
        scale: x.scale(),
        factor: 1.0,
    };
    matrices.iter().map(planned).collect()
}

fn store(f: &Fixture, budget: Option<u64>) -> MatrixStore<CpuBackend> {
    let options = StoreOptions {
        budget,
        ..StoreOptions::default()
    };
    MatrixStore::new(f.ev.context(), options)
}

/// Bytes of the form of [`square`]: 16 diagonals of 16 slots, two coefficients a slot.
const FORM: u64 = 16 * 16 * 2 * 8;

#[test]
fn the_next_product_is_encoded_ahead_and_nothing_else_without_a_budget() {
    let mut f = Fixture::new(1, 4);
    let (_, x) = f.random(&vector(), 160);
    let (to, from) = channel();
    let matrices: Vec<_> = (0..4).map(|seed| reporting(seed, &to)).collect();
    forget_planning(&from, 4);
    let store = store(&f, None);
    let announced = store.announce(&planned(&matrices, &x));
    for (number, matrix) in (0..).zip(&matrices) {
        // The worker is the first to read each: it has read this one before the product asks.
        let read = from.recv().expect("the worker reads");
        assert_eq!(read, (number, WORKER.to_owned()));
        matrix.apply(&f.ev, &store, &x, 1.0).expect("keys");
        assert!(store.bytes() <= FORM);
    }
    assert!(from.try_recv().is_err());
    assert!(store.peak_bytes() <= 2 * FORM, "{}", store.peak_bytes());
    assert_eq!(store.encoded_count(), 4);
    drop(announced);
    assert_eq!(store.bytes(), 0);
}

#[test]
fn passes_stay_within_the_budget_and_encode_once_what_it_holds() {
    let mut f = Fixture::new(1, 4);
    let (values, x) = f.random(&vector(), 161);
    let sources: Vec<Dense> = (0..4).map(dense).collect();
    let matrices: Vec<_> = (0..4).map(|seed| square(dense(seed))).collect();
    for forms in [0, 1, 2, 3, 4] {
        let budget = forms * FORM + FORM / 2;
        let store = store(&f, Some(budget));
        for _ in 0..3 {
            let announced = store.announce(&planned(&matrices, &x));
            for (matrix, source) in matrices.iter().zip(&sources) {
                let y = matrix.apply_one(&f.ev, &store, &x, 1.0).expect("keys");
                f.check(&y, 0, &source.times(&values), TOLERANCE);
            }
            drop(announced);
        }
        assert!(store.bytes() <= budget);
        // A product in flight is encoded whatever the budget is.
        assert!(store.peak_bytes() <= budget.max(FORM));
        if forms == 4 {
            assert_eq!((store.encoded_count(), store.bytes()), (4, 4 * FORM));
        }
    }
}

/// An evaluator of the dry run, whose stores have no worker.
fn dry() -> Evaluator<DryRun> {
    let backend = DryRun::default();
    let params = literal(1)
        .check_insecure_for_tests(backend.limits())
        .expect("valid");
    let context = Context::new(params, backend).expect("shapes");
    Evaluator::new(context, Arc::new(EvaluationKeys::recording()))
}

#[test]
fn room_is_made_by_what_is_needed_last() {
    let ev = dry();
    let x = Packed::zeros(&ev, vector(), 1).expect("level");
    let matrices: Vec<_> = (0..3).map(|seed| square(dense(seed))).collect();
    let options = StoreOptions {
        budget: Some(2 * FORM),
        ..StoreOptions::default()
    };
    let store = MatrixStore::new(ev.context(), options);
    let mut encoded = Vec::new();
    for _ in 0..3 {
        let _announced = store.announce(&planned(&matrices, &x));
        for matrix in &matrices {
            matrix.apply(&ev, &store, &x, 1.0).expect("shapes only");
            encoded.push(store.encoded_count());
        }
    }
    // Room for two of three: the form just used goes, which is needed last. By least recent use
    // each product would have to be encoded.
    assert_eq!(encoded, [1, 2, 3, 3, 4, 4, 5, 5, 6]);
    assert_eq!(store.peak_bytes(), 2 * FORM);
}

#[test]
fn forms_of_dropped_matrices_are_dropped() {
    let ev = dry();
    let x = Packed::zeros(&ev, vector(), 1).expect("level");
    let (kept, dropped) = (square(dense(1)), square(dense(2)));
    let options = StoreOptions {
        budget: Some(8 * FORM),
        ..StoreOptions::default()
    };
    let store = MatrixStore::new(ev.context(), options);
    dropped.apply(&ev, &store, &x, 1.0).expect("shapes only");
    drop(dropped);
    kept.apply(&ev, &store, &x, 1.0).expect("shapes only");
    assert_eq!(store.bytes(), FORM);
}

#[test]
fn forms_are_made_ahead_in_order_and_never_for_what_is_needed_later() {
    let ev = dry();
    let x = Packed::zeros(&ev, vector(), 1).expect("level");
    let matrices: Vec<_> = (0..4).map(|seed| square(dense(seed))).collect();
    let options = StoreOptions {
        budget: Some(2 * FORM + 1),
        ..StoreOptions::default()
    };
    let store = MatrixStore::new(ev.context(), options);
    let _announced = store.announce(&planned(&matrices, &x));
    let next = || {
        let ahead = store.shared.lock().take_ahead()?;
        let number = matrices
            .iter()
            .position(|m| m.id == ahead.planned.matrix.id);
        let encoding = Encoding::new(
            ahead.planned.matrix.diagonals(),
            ev.context(),
            ahead.planned.operand(),
        );
        let encoded = encoding.and_then(|e| e.finish(false)).expect("shapes only");
        Claim::new(&store.shared, ahead.key, ahead.bytes).ready(encoded, 0);
        number
    };
    assert_eq!((next(), next(), next()), (Some(0), Some(1), None));
    matrices[0].apply(&ev, &store, &x, 1.0).expect("shapes");
    // The first is not needed again before the third.
    assert_eq!((next(), next()), (Some(2), None));
    matrices[1].apply(&ev, &store, &x, 1.0).expect("shapes");
    assert_eq!((next(), next()), (Some(3), None));
    assert_eq!(store.peak_bytes(), 2 * FORM);
}

#[test]
fn threads_that_need_the_same_matrix_encode_it_once() {
    let mut f = Fixture::new(1, 4);
    let (values, x) = f.random(&vector(), 162);
    let source = dense(7);
    let matrix = square(dense(7));
    let store = store(&f, Some(4 * FORM));
    let start = Barrier::new(4);
    std::thread::scope(|scope| {
        let product = || {
            start.wait();
            matrix.apply_one(&f.ev, &store, &x, 1.0).expect("keys")
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(product)).collect();
        for thread in threads {
            let y = thread.join().expect("no panic");
            f.check(&y, 0, &source.times(&values), TOLERANCE);
        }
    });
    assert_eq!((store.encoded_count(), store.bytes()), (1, FORM));
}

#[test]
fn failures_of_the_worker_are_reported_by_the_product_that_needs_the_form() {
    let mut f = Fixture::new(1, 4);
    let (_, x) = f.random(&vector(), 163);
    let broken = || -> Result<()> { Err(Error::source_failed("unplugged")) };
    let failing = |failure: fn() -> Result<()>| {
        let planned = square(dense(2));
        let of = dense(2);
        let before = failure;
        let other = planned.with_coefficients(vec![Arc::new(Watched { of, before })]);
        Arc::new(other.expect("one source"))
    };
    // The second fails on every thread, the third by a panic of the worker only.
    let matrices = [
        square(dense(1)),
        failing(broken),
        failing(|| {
            assert_ne!(thread(), WORKER, "a panic that the test provokes");
            Ok(())
        }),
        square(dense(3)),
    ];
    for budget in [None, Some(8 * FORM)] {
        let store = store(&f, budget);
        for _ in 0..2 {
            let _announced = store.announce(&planned(&matrices, &x));
            for (number, matrix) in matrices.iter().enumerate() {
                let got = matrix.apply(&f.ev, &store, &x, 1.0).map(|_| ());
                let want = if number == 1 { broken() } else { Ok(()) };
                assert_eq!(got, want, "matrix {number}");
            }
        }
    }
}

#[test]
fn a_store_is_dropped_while_its_worker_is_busy() {
    let mut f = Fixture::new(1, 4);
    let (_, x) = f.random(&vector(), 164);
    let (to, from) = channel();
    let matrices: Vec<_> = (0..8).map(|seed| reporting(seed, &to)).collect();
    forget_planning(&from, 8);
    let store = store(&f, Some(u64::MAX));
    let announced = store.announce(&planned(&matrices, &x));
    from.recv().expect("the worker has begun");
    let shared = Arc::downgrade(&store.shared);
    drop(store);
    // The worker has ended, and holds nothing of the store.
    assert_eq!(shared.strong_count(), 1);
    drop(announced);
    assert_eq!(shared.strong_count(), 0);
}

#[test]
fn forms_on_the_device_are_finished_by_the_product() {
    let mut f = Fixture::new(1, 4);
    let (values, x) = f.random(&vector(), 165);
    let matrices: Vec<_> = (0..3).map(|seed| square(dense(seed))).collect();
    let options = StoreOptions {
        budget: Some(1 << 24),
        resident: true,
        threads: 2,
    };
    let store = MatrixStore::new(f.ev.context(), options);
    for _ in 0..2 {
        let _announced = store.announce(&planned(&matrices, &x));
        for (seed, matrix) in (0..).zip(&matrices) {
            let y = matrix.apply_one(&f.ev, &store, &x, 1.0).expect("keys");
            f.check(&y, 0, &dense(seed).times(&values), TOLERANCE);
        }
    }
    assert_eq!(store.encoded_count(), 3);
    // 16 diagonals of 32 words fill half a row, over the primes of the level and the special ones.
    let limbs = f.ev.switching_basis(1).limbs() as u64;
    assert_eq!(store.bytes(), 3 * 8 * 1024 * limbs);
}
