//! Matrices between random layouts against the dense product.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use ckks_math::Evaluator;
use ckks_math::backend::dry_run::DryRun;
use proptest::prelude::*;

use super::tests::{Dense, dry, linear_map};
use super::*;
use crate::apply::PreparedMap;
use crate::bsgs::BsgsPlan;
use crate::field::{Axis, Field};
use crate::layout::Layout;
use crate::terms::Terms;
use crate::testing::cipher::{Fixture, TOLERANCE};
use crate::testing::{distance, noise};

/// Sums of up to 64 terms below 1 in double precision.
const ROUNDING: f64 = 1e-12;

/// Brings sums of up to 36 terms below 1.
const SMALL: f64 = 1.0 / 64.0;

/// A field of a random length in as few bits as hold it, or in one more.
fn field(axis: Axis, longest: usize) -> impl Strategy<Value = Field> {
    let lens = (1..=longest, 0..2u32);
    lens.prop_map(move |(len, more)| {
        let tight = Field::new(axis, len);
        Field::padded(axis, len, tight.log_size + more)
    })
}

/// Up to two of `axes` and copies in any order, some fields partly filled, in at most four
/// ciphertexts of `2^slots`.
fn layout(slots: u32, [first, second]: [Axis; 2]) -> impl Strategy<Value = Layout> {
    let fields = (field(first, 6), field(second, 6), field(Axis::REPLICA, 4));
    let order = fields.prop_map(|(a, b, c)| vec![a, b, c]).prop_shuffle();
    (order, 1..=3usize).prop_filter_map("few ciphertexts", move |(fields, count)| {
        let layout = Layout::new(slots, &fields[..count]).ok()?;
        (layout.ciphertexts() <= 4).then_some(layout)
    })
}

/// Input and output layouts of ciphertexts of 8 to 64 slots.
fn pair() -> impl Strategy<Value = (Layout, Layout)> {
    let (from, to) = ([Axis::DIM, Axis::HEAD], [Axis::CHANNEL, Axis::PART]);
    (3..=6u32).prop_flat_map(move |slots| (layout(slots, from), layout(slots, to)))
}

/// All slots of vectors, each a period long, repeated to `period`.
fn repeated(vectors: &[Vec<f64>], period: usize) -> Vec<Vec<f64>> {
    let whole = |v: &Vec<f64>| v.iter().cycle().take(period).copied().collect();
    vectors.iter().map(whole).collect()
}

/// Coefficients -1, 0 and 1, the same for all output entries that agree but along one component.
#[derive(Clone)]
struct Sparse {
    input: Layout,
    constant: usize,
    seed: u64,
}

impl Sparse {
    /// What the row of an index depends on.
    fn key(&self, index: &[usize]) -> u64 {
        let others = index
            .iter()
            .enumerate()
            .filter(|(i, _)| *i != self.constant);
        others.fold(0, |key, (_, i)| 64 * key + *i as u64)
    }

    fn values(&self, index: &[usize]) -> Vec<f64> {
        let seed = self.seed.wrapping_add(self.key(index));
        let values = noise(seed, self.input.len()).into_iter();
        values.map(|v| (2.0 * v).trunc()).collect()
    }
}

impl Coefficients for Sparse {
    fn row(&self, index: &[usize], terms: &mut Terms<'_>) -> Result<()> {
        let mut values = self.values(index).into_iter();
        self.input.for_each_index(|entry| {
            terms.add(entry, values.next().expect("one for each entry"));
        });
        Ok(())
    }
}

/// The same coefficients by rows, whose structure does not depend on them.
struct Rows(Sparse);

impl Coefficients for Rows {
    fn row(&self, index: &[usize], terms: &mut Terms<'_>) -> Result<()> {
        let input = &self.0.input;
        let along: Vec<usize> = (0..input.lens().len()).collect();
        let (key, zeros) = (self.0.key(index), vec![0; along.len()]);
        terms.add_row(key, &zeros, &along, input.len(), |weights| {
            weights.copy_from_slice(&self.0.values(index));
            Ok(())
        });
        Ok(())
    }
}

fn matrix(source: impl Coefficients + 'static, input: &Layout, output: &Layout) -> Matrix {
    let maps: Vec<(Arc<dyn Coefficients>, _)> = vec![(Arc::new(source), output.clone())];
    Matrix::new(input, maps, &CostModel::default()).expect("valid")
}

fn counts(input: &Layout, apply: &dyn Fn(&Evaluator<DryRun>, &Packed<DryRun>)) -> String {
    let (backend, ev) = dry();
    let x = Packed::zeros(&ev, input.clone(), 2).expect("level");
    apply(&ev, &x);
    format!("{:?} {:?}", backend.counts(), ev.keys().demand())
}

proptest! {
    #[test]
    fn products_in_the_clear_are_dense_products((input, output) in pair(), seed in any::<u64>()) {
        let x = noise(seed ^ 1, input.len());
        let dense = Dense::random(&input, &output, seed);
        let want = output.pack_array(&dense.times(&x)).expect("length");
        let clear = input.pack_array(&x).expect("length");
        let got = matrix(dense, &input, &output).apply_clear(&clear).expect("valid");
        let want = repeated(&want, got[0][0].len());
        prop_assert!(distance(&got[0], &want) < ROUNDING);
    }

    #[test]
    fn structures_and_their_periods_are_those_of_the_values(
        (input, output) in pair(),
        constant in 0..3usize,
        seed in any::<u64>(),
    ) {
        let sparse = Sparse { input: input.clone(), constant, seed };
        let map = linear_map(&sparse, &input, &output);
        let prepared = PreparedMap::new(&map, &input, &output, &CostModel::default());
        let prepared = prepared.expect("valid");
        let by_value = matrix(sparse.clone(), &input, &output);
        prop_assert_eq!(by_value.diagonal_count(), map.diagonal_count());
        // Without the values a structure has all diagonals of the rows, with the same products.
        let by_row = matrix(Rows(sparse), &input, &output);
        prop_assert!(by_row.diagonal_count() >= map.diagonal_count());
        let inputs = 0..input.ciphertexts() as u64;
        let x: Vec<Vec<f64>> = inputs.map(|i| noise(seed ^ i, input.period())).collect();
        let want = map.apply_clear(&x).expect("shape");
        for matrix in [&by_value, &by_row] {
            let got = matrix.apply_clear(&x).expect("shape");
            prop_assert!(distance(&got[0], &want) < ROUNDING);
        }
        prop_assert_eq!(&by_value.work(), prepared.work());
        let plan = BsgsPlan::new(&map, &CostModel::default()).expect("valid");
        prop_assert_eq!(by_value.rotations(), plan.rotations());
        // All giant steps of one of several inputs share a period, which may be longer.
        if input.ciphertexts() == 1 {
            let model = CostModel::default();
            let (found, expected) = (by_value.seconds(&model), prepared.seconds(&model));
            prop_assert!((found - expected).abs() <= 1e-12 * expected);
            let old = counts(&input, &|ev, x| {
                prepared.apply(ev, x).expect("shapes only");
            });
            let new = counts(&input, &|ev, x| {
                let store = MatrixStore::new(ev.context(), StoreOptions::default());
                by_value.apply(ev, &store, x, 1.0).expect("shapes only");
            });
            prop_assert_eq!(new, old);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn encrypted_products_are_dense_products((input, output) in pair(), seed in any::<u64>()) {
        static FIXTURE: LazyLock<Mutex<Fixture>> = LazyLock::new(|| Mutex::new(Fixture::new(1, 6)));
        let mut f = FIXTURE.lock().unwrap_or_else(PoisonError::into_inner);
        let sparse = Sparse { input: input.clone(), constant: 1, seed };
        let map = linear_map(&sparse, &input, &output);
        let (values, x) = f.random(&input, seed);
        let store = MatrixStore::new(f.ev.context(), StoreOptions::default());
        let matrix = matrix(Rows(sparse), &input, &output);
        let y = matrix.apply_one(&f.ev, &store, &x, SMALL).expect("keys");
        let clear = input.pack_array(&values).expect("length");
        let mut want = map.apply_clear(&clear).expect("shape");
        want.iter_mut().flatten().for_each(|v| *v *= SMALL);
        f.check_slots(&y, &want, TOLERANCE);
    }
}
