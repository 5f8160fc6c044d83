//! Matrices against the dense product, against plans with all values, and on the dry run.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ckks_cpu::CpuBackend;
use ckks_math::backend::Device;
use ckks_math::backend::dry_run::DryRun;
use ckks_math::keys::EvaluationKeys;
use ckks_math::{Context, Evaluator};

use super::*;
use crate::apply::PreparedMap;
use crate::field::{Axis, Field};
use crate::linear_map::LinearMap;
use crate::terms::Terms;
use crate::testing::cipher::{Fixture, TOLERANCE, literal};
use crate::testing::{distance, noise};

fn layout(log_slots: u32, fields: &[Field]) -> Layout {
    Layout::new(log_slots, fields).expect("valid")
}

/// A dense matrix between all entries of two layouts, with entries of about 1/inputs.
pub(super) struct Dense {
    outputs: Vec<usize>,
    along: Vec<usize>,
    inputs: usize,
    weights: Vec<f64>,
    /// How many rows were read.
    pub reads: AtomicUsize,
}

impl Dense {
    pub fn random(input: &Layout, output: &Layout, seed: u64) -> Dense {
        let inputs = input.len();
        let weights = noise(seed, inputs * output.len());
        Dense {
            outputs: output.lens(),
            along: (0..input.lens().len()).collect(),
            inputs,
            weights: weights.iter().map(|v| v / inputs as f64).collect(),
            reads: AtomicUsize::new(0),
        }
    }

    fn number_of(&self, index: &[usize]) -> usize {
        let pairs = index.iter().zip(&self.outputs).rev();
        pairs.fold(0, |flat, (i, len)| flat * len + i)
    }

    /// The product with a C array.
    pub fn times(&self, x: &[f64]) -> Vec<f64> {
        let rows = self.weights.chunks(self.inputs);
        rows.map(|row| row.iter().zip(x).map(|(w, x)| w * x).sum())
            .collect()
    }
}

impl Coefficients for Dense {
    fn row(&self, index: &[usize], terms: &mut Terms<'_>) -> Result<()> {
        let row = self.number_of(index);
        let zeros = vec![0; self.along.len()];
        terms.add_row(row as u64, &zeros, &self.along, self.inputs, |weights| {
            self.reads.fetch_add(1, Ordering::Relaxed);
            weights.copy_from_slice(&self.weights[row * self.inputs..][..self.inputs]);
            Ok(())
        });
        Ok(())
    }
}

/// The same coefficients entry by entry.
struct Entries<'a>(&'a Dense, Layout);

impl Coefficients for Entries<'_> {
    fn row(&self, index: &[usize], terms: &mut Terms<'_>) -> Result<()> {
        let row = &self.0.weights[self.0.number_of(index) * self.0.inputs..];
        let mut weights = row.iter();
        self.1.for_each_index(|entry| {
            terms.add(entry, *weights.next().expect("one for each entry"));
        });
        Ok(())
    }
}

/// Input and output layouts in which one or both have several ciphertexts, copies and padding.
fn shapes() -> Vec<(Layout, Layout)> {
    let (token, dim) = (Field::new(Axis::TOKEN, 3), Field::new(Axis::DIM, 5));
    let (head, part) = (Field::new(Axis::HEAD, 4), Field::new(Axis::PART, 2));
    vec![
        (layout(5, &[token, dim]), layout(5, &[head, part])),
        (layout(5, &[Field::replica(2), dim]), layout(5, &[head])),
        (
            layout(5, &[token, Field::replica(1), part]),
            layout(5, &[part]),
        ),
        (layout(5, &[head]), layout(5, &[Field::replica(1), dim])),
        (layout(3, &[token, dim]), layout(3, &[head])),
        (layout(3, &[head]), layout(3, &[dim, token])),
        (layout(2, &[head, part]), layout(2, &[token, dim])),
    ]
}

pub(super) fn linear_map(source: &dyn Coefficients, input: &Layout, output: &Layout) -> LinearMap {
    LinearMap::build_folded(input, output, |index, terms| {
        source.row(index, terms).expect("the source never fails");
    })
    .expect("valid")
}

fn matrix(input: &Layout, maps: Vec<(Arc<dyn Coefficients>, Layout)>) -> Matrix {
    Matrix::new(input, maps, &CostModel::default()).expect("valid")
}

fn residues(f: &Fixture, x: &Packed<CpuBackend>) -> Vec<u64> {
    let context = f.ev.context();
    let downloaded = context
        .backend()
        .download(context.tables(), x.batch().block());
    downloaded.expect("a block of the context")
}

#[test]
fn products_are_those_of_plans_with_all_values_bit_for_bit() {
    let mut f = Fixture::new(2, 5);
    for (seed, (input, output)) in (100..).zip(shapes()) {
        let dense = Arc::new(Dense::random(&input, &output, seed));
        let map = linear_map(&*dense, &input, &output);
        let prepared =
            PreparedMap::new(&map, &input, &output, &CostModel::default()).expect("valid");
        let matrix = matrix(&input, vec![(dense.clone(), output.clone())]);
        assert_eq!(matrix.diagonal_count(), map.diagonal_count());
        let (values, x) = f.random(&input, seed);
        let clear = input.pack_array(&values).expect("length");
        for (x, factor) in [
            (&x, 1.0),
            (&x.drop_to(&f.ev, 1).expect("below the top"), -0.7),
        ] {
            let old = prepared.apply_scaled(&f.ev, x, factor).expect("keys");
            for resident in [false, true] {
                let options = StoreOptions {
                    resident,
                    threads: 2,
                    ..StoreOptions::default()
                };
                let store = MatrixStore::new(f.ev.context(), options);
                let new = matrix.apply(&f.ev, &store, x, factor).expect("keys");
                assert_eq!(new.len(), 1);
                assert_eq!(residues(&f, &new[0]), residues(&f, &old[0]), "{output}");
                let scaled = |x: f64| factor * x;
                let want: Vec<f64> = dense.times(&values).into_iter().map(scaled).collect();
                f.check(&new[0], x.level() - 1, &want, TOLERANCE);
                assert_eq!(store.bytes(), 0);
            }
            let with = matrix.apply_with(&f.ev, x, &[&*dense], factor);
            assert_eq!(residues(&f, &with.expect("keys")[0]), residues(&f, &old[0]));
        }
        let got = matrix.apply_clear(&clear).expect("shape");
        let want = map.apply_clear(&clear).expect("shape");
        assert!(distance(&got[0], &want) < 1e-12);
    }
}

#[test]
fn rows_and_single_entries_have_the_same_structure() {
    for (seed, (input, output)) in (120..).zip(shapes()) {
        let dense = Dense::random(&input, &output, seed);
        let steps = |source: &dyn Coefficients| {
            let (maps, model) = ([(source, &output)], CostModel::default());
            let of = Diagonals::new(&input, &maps, Values::Fixed, &model).expect("valid");
            let inputs = 0..input.ciphertexts();
            inputs.map(|i| of.transforms(i)).collect::<Vec<_>>()
        };
        let by_row = steps(&dense);
        assert_eq!(dense.reads.load(Ordering::Relaxed), 0);
        assert_eq!(by_row, steps(&Entries(&dense, input.clone())));
    }
}

#[test]
fn fused_matrices_share_their_input_and_layers_their_structure() {
    let mut f = Fixture::new(1, 5);
    let token = Field::new(Axis::TOKEN, 2);
    for log_slots in [5, 3] {
        let input = layout(log_slots, &[token, Field::new(Axis::DIM, 8)]);
        let outputs = [Field::new(Axis::HEAD, 8), Field::new(Axis::PART, 3)]
            .map(|field| layout(log_slots, &[token, field]));
        let layer = |seed: u64| -> Vec<Arc<Dense>> {
            let sources = outputs.iter().zip(seed..);
            sources
                .map(|(output, seed)| Arc::new(Dense::random(&input, output, seed)))
                .collect()
        };
        let (first, second) = (layer(130), layer(132));
        let shared = |layer: &[Arc<Dense>]| -> Vec<Arc<dyn Coefficients>> {
            layer.iter().map(|d| d.clone() as Arc<_>).collect()
        };
        let maps = shared(&first).into_iter().zip(outputs.clone()).collect();
        let one = matrix(&input, maps);
        let other = one.with_coefficients(shared(&second)).expect("two sources");
        let (values, x) = f.random(&input, 134);
        let store = MatrixStore::new(f.ev.context(), StoreOptions::default());
        for (matrix, layer) in [(&one, &first), (&other, &second)] {
            let results = matrix.apply(&f.ev, &store, &x, 1.0).expect("keys");
            assert_eq!(results.len(), 2);
            for (y, dense) in results.iter().zip(layer) {
                f.check(y, 0, &dense.times(&values), TOLERANCE);
            }
        }
        assert!(matches!(
            one.with_coefficients(Vec::new()).map(|_| ()),
            Err(Error::Count { .. })
        ));
    }
}

#[test]
fn relayouts_and_empty_outputs() {
    let mut f = Fixture::new(1, 4);
    let from = layout(3, &[Field::new(Axis::DIM, 4), Field::new(Axis::HEAD, 3)]);
    // The second half of PART has no source entry: its ciphertexts are zero.
    let fields = [
        Field::new(Axis::HEAD, 3),
        Field::new(Axis::OFFSET, 2),
        Field::new(Axis::DIM, 5),
    ];
    let to = layout(3, &fields);
    let moved = Arc::new(Relayout::new(&from, &to).expect("axes present"));
    let matrix = matrix(&from, vec![(moved, to.clone())]);
    let (values, x) = f.random(&from, 86);
    let store = MatrixStore::new(f.ev.context(), StoreOptions::default());
    let y = matrix.apply_one(&f.ev, &store, &x, 1.0).expect("keys");
    let map = LinearMap::relayout(&from, &to).expect("axes present");
    let clear = from.pack_array(&values).expect("length");
    f.check_slots(&y, &map.apply_clear(&clear).expect("shape"), TOLERANCE);
    assert!(matches!(
        Relayout::new(&to, &from).map(|_| ()),
        Err(Error::UnknownAxis { .. })
    ));
}

/// An evaluator of the dry run, which records the keys that it is asked for.
pub(super) fn dry() -> (DryRun, Evaluator<DryRun>) {
    let backend = DryRun::default();
    let params = literal(2)
        .check_insecure_for_tests(backend.limits())
        .expect("valid");
    let context = Context::new(params, backend.clone()).expect("shapes");
    let ev = Evaluator::new(context, Arc::new(EvaluationKeys::recording()));
    (backend, ev)
}

#[test]
fn dry_runs_count_what_products_do_and_read_no_coefficient() {
    for (seed, (input, output)) in (140..).zip(shapes()) {
        let dense = Arc::new(Dense::random(&input, &output, seed));
        let map = linear_map(&*dense, &input, &output);
        let prepared =
            PreparedMap::new(&map, &input, &output, &CostModel::default()).expect("valid");
        let matrix = matrix(&input, vec![(dense.clone(), output.clone())]);
        dense.reads.store(0, Ordering::Relaxed);
        for resident in [false, true] {
            let run = |apply: &dyn Fn(&Evaluator<DryRun>, &Packed<DryRun>)| {
                let (backend, ev) = dry();
                let x = Packed::zeros(&ev, input.clone(), 2).expect("level");
                apply(&ev, &x);
                let demand = ev.keys().demand();
                (backend.counts(), backend.peak().total(), demand)
            };
            let old = run(&|ev, x| {
                let encoded = prepared.encode(ev.context(), 2, x.scale(), 1.0, resident);
                encoded
                    .and_then(|e| e.apply_all(ev, x))
                    .expect("shapes only");
            });
            let options = StoreOptions {
                resident,
                ..StoreOptions::default()
            };
            let new = run(&|ev, x| {
                let store = MatrixStore::new(ev.context(), options);
                matrix.apply(ev, &store, x, 1.0).expect("shapes only");
            });
            assert_eq!(new, old, "{input} to {output}");
        }
        assert_eq!(dense.reads.load(Ordering::Relaxed), 0);
    }
}

/// Two rows of a rotation in each head, by an angle that changes from use to use.
struct Rotary(f64);

impl Coefficients for Rotary {
    fn row(&self, index: &[usize], terms: &mut Terms<'_>) -> Result<()> {
        let (dim, angle) = (index[0], self.0 / (1 + index[0] / 2) as f64);
        let (sin, cos) = angle.sin_cos();
        let sin = if dim.is_multiple_of(2) { -sin } else { sin };
        let key = dim as u64;
        let mut add = |source: [usize; 2], key, value| {
            terms.add_row(key, &source, &[], 1, |w| {
                w[0] = value;
                Ok(())
            });
        };
        add([dim, index[1]], 2 * key, cos);
        add([dim ^ 1, index[1]], 2 * key + 1, sin);
        Ok(())
    }
}

#[test]
fn values_may_change_from_use_to_use() {
    let mut f = Fixture::new(1, 4);
    let fields = [Field::new(Axis::DIM, 4), Field::new(Axis::HEAD, 3)];
    let x = layout(4, &fields);
    // At angle 0 all sines are zero, and the diagonals are there.
    let matrix = matrix(&x, vec![(Arc::new(Rotary(0.0)), x.clone())]);
    assert_eq!(matrix.diagonal_count(), 3);
    let (values, packed) = f.random(&x, 150);
    for angle in [0.0, 0.5, 1.7] {
        let source = Rotary(angle);
        let y = matrix.apply_with(&f.ev, &packed, &[&source], 1.0);
        let map = linear_map(&source, &x, &x);
        let clear = map.apply_clear(&x.pack_array(&values).expect("length"));
        f.check_slots(&y.expect("keys")[0], &clear.expect("shape"), TOLERANCE);
    }
}

#[test]
fn varying_matrices_take_any_values_in_their_structure() {
    let mut f = Fixture::new(1, 4);
    let (input, output) = (
        layout(4, &[Field::new(Axis::DIM, 5), Field::new(Axis::HEAD, 2)]),
        layout(4, &[Field::new(Axis::HEAD, 2), Field::new(Axis::DIM, 5)]),
    );
    let moved = |value: fn(usize) -> f64| {
        from_fn(move |index: &[usize], terms: &mut Terms<'_>| {
            terms.add(&[index[1], index[0]], value(2 * index[1] + index[0]));
        })
    };
    let maps = || -> Vec<(Arc<dyn Coefficients>, Layout)> {
        vec![(Arc::new(moved(|_| 1.0)), output.clone())]
    };
    let varying = Matrix::varying(&input, maps(), &CostModel::default()).expect("valid");
    let (values, x) = f.random(&input, 152);
    let others: [fn(usize) -> f64; 3] = [|_| 1.0, |i| i as f64 / 10.0, |i| f64::from(i < 4)];
    for value in others {
        let source = moved(value);
        let y = varying
            .apply_with(&f.ev, &x, &[&source], 1.0)
            .expect("keys");
        let map = linear_map(&source, &input, &output);
        let clear = map.apply_clear(&input.pack_array(&values).expect("length"));
        f.check_slots(&y[0], &clear.expect("shape"), TOLERANCE);
    }
    // A structure that goes by the values has periods that others lack.
    let once = layout(4, &[Field::new(Axis::DIM, 16)]);
    let ones = from_fn(|index: &[usize], terms: &mut Terms<'_>| terms.add(index, 1.0));
    let fixed = matrix(&once, vec![(Arc::new(ones), once.clone())]);
    let rising = from_fn(|index: &[usize], terms: &mut Terms<'_>| {
        terms.add(index, 1.0 + index[0] as f64);
    });
    let (_, x) = f.random(&once, 153);
    let result = fixed.apply_with(&f.ev, &x, &[&rising], 0.05).map(|_| ());
    assert!(
        matches!(result, Err(Error::NotPeriodic { .. })),
        "{result:?}"
    );
}

#[test]
fn sources_that_fail_or_change_are_reported() {
    let mut f = Fixture::new(1, 3);
    let x = layout(3, &[Field::new(Axis::DIM, 8)]);
    let (_, packed) = f.random(&x, 151);
    let diagonal = |value: fn(usize) -> f64| {
        from_fn(move |index: &[usize], terms: &mut Terms<'_>| terms.add(index, value(index[0])))
    };
    let matrix = matrix(&x, vec![(Arc::new(diagonal(|_| 0.5)), x.clone())]);
    let apply = |source: &dyn Coefficients| {
        let results = matrix.apply_with(&f.ev, &packed, &[source], 1.0);
        results.map(|_| ())
    };
    assert_eq!(apply(&diagonal(|_| 0.25)), Ok(()));
    let not_periodic = Error::NotPeriodic {
        input: 0,
        amount: 0,
        slot: 5,
        period: 1,
        found: 0.25,
        expected: 0.5,
    };
    let changed = diagonal(|i| if i == 5 { 0.25 } else { 0.5 });
    assert_eq!(apply(&changed), Err(not_periodic));
    let shifted = from_fn(|index: &[usize], terms: &mut Terms<'_>| {
        terms.add(&[(index[0] + 3) % 8], 0.5);
    });
    let unplanned = Error::Unplanned {
        input: 0,
        amount: 3,
        slot: 0,
    };
    assert_eq!(apply(&shifted), Err(unplanned));
    struct Broken;
    impl Coefficients for Broken {
        fn row(&self, _: &[usize], _: &mut Terms<'_>) -> Result<()> {
            Err(Error::source_failed("the file is cut short"))
        }
    }
    let broken = Err(Error::source_failed("the file is cut short"));
    assert_eq!(apply(&Broken), broken);
    let planned = Matrix::new(
        &x,
        vec![(Arc::new(Broken), x.clone())],
        &CostModel::default(),
    );
    assert_eq!(planned.map(|_| ()), broken);
    assert!(matches!(
        apply(&diagonal(|_| f64::NAN)),
        Err(Error::NotFinite { .. })
    ));
    assert!(matches!(
        matrix.apply_with(&f.ev, &packed, &[], 1.0).map(|_| ()),
        Err(Error::Count { .. })
    ));
    let none = Matrix::new(&x, Vec::new(), &CostModel::default());
    assert!(matches!(none.map(|_| ()), Err(Error::Count { .. })));
}

#[test]
fn operands_that_do_not_fit_are_refused() {
    let mut f = Fixture::new(1, 1);
    let [a, b] = [Axis::DIM, Axis::HEAD].map(|axis| layout(3, &[Field::new(axis, 4)]));
    let matrix = matrix(&a, vec![(Arc::new(Dense::random(&a, &a, 87)), a.clone())]);
    let store = MatrixStore::new(f.ev.context(), StoreOptions::default());
    let (_, x) = f.random(&b, 88);
    assert!(matches!(
        matrix.apply(&f.ev, &store, &x, 1.0),
        Err(Error::LayoutMismatch { .. })
    ));
    let (_, x) = f.random(&a, 89);
    let spent = x.drop_to(&f.ev, 0).expect("below the top");
    assert!(matches!(
        matrix.apply(&f.ev, &store, &spent, 1.0),
        Err(Error::Scheme(_))
    ));
    let other = Fixture::new(1, 1);
    assert!(matches!(
        matrix.apply(&other.ev, &store, &x, 1.0),
        Err(Error::OtherContext { .. })
    ));
    let wide = layout(4, &[Field::new(Axis::DIM, 4)]);
    let source = Arc::new(Dense::random(&a, &wide, 90));
    let result = Matrix::new(&a, vec![(source, wide)], &CostModel::default());
    assert_eq!(
        result.map(|_| ()),
        Err(Error::SlotMismatch {
            input: 3,
            output: 4
        })
    );
}
