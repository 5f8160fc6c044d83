//! Random layouts, maps, sums and products against plain loops over tensors.
//!
//! All of it runs on slot vectors in the clear: plans do on ciphertexts what their `apply_clear`
//! does on numbers, which the tests beside the sources compare. Numbers are small integers, so
//! that every sum is exact whatever its order.

#![expect(
    clippy::unwrap_used,
    reason = "an error where none may be is what a test reports"
)]

use he_linalg::{
    Axis, BsgsPlan, Contraction, CostModel, Field, KeySet, Layout, LinearMap, Padding, ReducePlan,
    Rotation, Spread, SumOptions,
};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

const AXES: [Axis; 4] = [Axis::TOKEN, Axis::HEAD, Axis::DIM, Axis::KEY];

/// Few cases by default, more where `PROPTEST_CASES` asks for them; failures are kept in
/// `random.regressions`.
fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 64,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    }
}

/// A field of an axis, with padding or without.
fn field(axis: Axis) -> impl Strategy<Value = Field> {
    (1..=6_usize, 0..=1_u32).prop_map(move |(len, spare)| {
        let Field { log_size, .. } = Field::new(axis, len);
        Field::padded(axis, len, log_size + spare)
    })
}

/// Fields of different axes in any order, with replicas between them; at most 2^10 addresses.
fn fields() -> impl Strategy<Value = Vec<Field>> {
    let axes = prop::sample::subsequence(AXES.to_vec(), 1..=3).prop_shuffle();
    let replicas = prop::collection::vec(prop::option::of(1..=2_u32), 3);
    (axes, replicas).prop_flat_map(|(axes, replicas)| {
        let logical: Vec<_> = axes.into_iter().map(field).collect();
        logical.prop_map(move |logical| {
            let with_replicas = logical
                .into_iter()
                .zip(&replicas)
                .flat_map(|(field, copies)| {
                    let copies = copies.map(Field::replica);
                    [Some(field), copies].into_iter().flatten()
                });
            let mut bits = 0;
            let small = |field: &Field| {
                bits += field.log_size;
                bits <= 10
            };
            with_replicas.take_while(small).collect()
        })
    })
}

fn layout() -> impl Strategy<Value = Layout> {
    (0..=7_u32, fields()).prop_map(|(log_slots, fields)| Layout::new(log_slots, &fields).unwrap())
}

/// A layout whose slowest field is no replica: a product has no ciphertexts for copies on top.
fn layout_without_copies_on_top() -> impl Strategy<Value = Layout> {
    (0..=7_u32, fields()).prop_map(|(log_slots, mut fields)| {
        while fields.pop_if(|field| field.axis == Axis::REPLICA).is_some() {}
        Layout::new(log_slots, &fields).unwrap()
    })
}

/// Two layouts for ciphertexts of the same size.
fn layouts() -> impl Strategy<Value = (Layout, Layout)> {
    (0..=6_u32, fields(), fields()).prop_map(|(log_slots, input, output)| {
        let layout = |fields: &[Field]| Layout::new(log_slots, fields).unwrap();
        (layout(&input), layout(&output))
    })
}

/// A small integer that follows from its place.
fn value(seed: u64, place: usize) -> f64 {
    let mixed = (seed ^ place as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 60) as f64 - 8.0
}

fn values(seed: u64, len: usize) -> Vec<f64> {
    (0..len).map(|place| value(seed, place)).collect()
}

/// The number of an index among the entries in the order of [`Layout::pack_array`].
fn flat(layout: &Layout, index: &[usize]) -> usize {
    let lens = layout.lens();
    let digits = index.iter().zip(&lens).rev();
    digits.fold(0, |flat, (i, len)| flat * len + i)
}

/// All indices in the order of [`Layout::for_each_index`].
fn indices(layout: &Layout) -> Vec<Vec<usize>> {
    let mut all = Vec::new();
    layout.for_each_index(|index| all.push(index.to_vec()));
    all
}

/// The components of an index that do not belong to `axes`, with their axes.
fn rest(layout: &Layout, index: &[usize], axes: &[Axis]) -> Vec<(Axis, usize)> {
    let all = layout.axes().into_iter().zip(index.iter().copied());
    all.filter(|(axis, _)| !axes.contains(axis)).collect()
}

/// Whether `whole` is `period` again and again.
fn repeats(period: &[f64], whole: &[f64]) -> bool {
    whole.chunks(period.len()).all(|part| part == period)
}

proptest! {
    #![proptest_config(config())]

    /// Every entry has one first copy, from which its index is read back; no two share a slot.
    #[test]
    fn positions_and_indices_are_inverse(layout in layout()) {
        let mut taken = std::collections::BTreeSet::new();
        let mut read = vec![0; layout.axes().len()];
        for index in indices(&layout) {
            let (ciphertext, slot) = layout.position(&index).unwrap();
            prop_assert!(ciphertext < layout.ciphertexts() && slot < layout.period());
            prop_assert!(taken.insert((ciphertext, slot)), "{index:?} shares its slot");
            prop_assert!(layout.index_at(ciphertext, slot, &mut read));
            prop_assert_eq!(&read, &index);
        }
        prop_assert_eq!(taken.len(), layout.len());
    }

    /// Every slot is padding or a copy of the entry that it names, whose first copy is not behind
    /// it; slots repeat with the period.
    #[test]
    fn slots_hold_padding_or_copies(layout in layout()) {
        let mut index = vec![0; layout.axes().len()];
        let mut again = index.clone();
        let slots = 1 << layout.log_slots();
        let mut padding = 0;
        for ciphertext in 0..layout.ciphertexts() {
            for slot in 0..slots {
                let held = layout.index_at(ciphertext, slot, &mut index);
                padding += usize::from(!held);
                if held {
                    let first = layout.position(&index).unwrap();
                    prop_assert!(first <= (ciphertext, slot));
                }
                let periodic = layout.index_at(ciphertext, slot % layout.period(), &mut again);
                prop_assert_eq!(held, periodic);
                prop_assert!(!held || index == again);
            }
        }
        prop_assert!(padding == 0 || !layout.is_full());
    }

    /// What is packed is unpacked, from any number of periods.
    #[test]
    fn packing_round_trips(layout in layout(), seed: u64, periods in 1..4_usize) {
        let tensor = values(seed, layout.len());
        let packed = layout.pack_array(&tensor).unwrap();
        prop_assert_eq!(packed.len(), layout.ciphertexts());
        let longer: Vec<Vec<f64>> = packed.iter().map(|v| v.repeat(periods)).collect();
        prop_assert_eq!(layout.unpack(&longer).unwrap(), tensor);
    }

    /// A map is the dense matrix that its rows list, folded or not, and so are its plans, alone
    /// and fused. Copies of the output are right, and its padding is zero.
    #[test]
    fn maps_and_their_plans_are_dense_matrices(
        (input, output) in layouts(),
        seed: u64,
        density in 1..4_u64,
        max_babies in prop::sample::select(vec![1_usize, 4, 64]),
    ) {
        let sources = indices(&input);
        let entry = |out: usize, source: usize| {
            let place = out * input.len() + source;
            let kept = (value(seed ^ 5, place) + 8.0) as u64 % 4 < density;
            if kept { value(seed, place) } else { 0.0 }
        };
        let row = |index: &[usize], terms: &mut he_linalg::Terms<'_>| {
            let out = flat(&output, index);
            for source in &sources {
                let coefficient = entry(out, flat(&input, source));
                if coefficient != 0.0 {
                    terms.add(source, coefficient);
                }
            }
        };
        let x = values(seed ^ 9, input.len());
        let dense: Vec<f64> = (0..output.len())
            .map(|out| x.iter().enumerate().map(|(i, x)| entry(out, i) * x).sum())
            .collect();
        let packed = input.pack_array(&x).unwrap();
        let expected: Vec<Vec<f64>> = output.pack_array(&dense).unwrap();
        let model = CostModel { max_babies, ..CostModel::default() };
        let plain = LinearMap::build(&input, &output, row).unwrap();
        let folded = LinearMap::build_folded(&input, &output, row).unwrap();
        prop_assert!(plain.folds().is_empty());
        for map in [&plain, &folded] {
            let plan = BsgsPlan::new(map, &model).unwrap();
            let results =
                [map.apply_clear(&packed).unwrap(), plan.apply_clear(&packed).unwrap().remove(0)];
            for result in results {
                prop_assert_eq!(result.len(), output.ciphertexts());
                for (vector, whole) in expected.iter().zip(&result) {
                    prop_assert!(repeats(vector, whole), "{:?} in {:?}", vector, whole);
                }
            }
        }
        let fused = BsgsPlan::fused(&[&plain, &folded], &model).unwrap();
        for result in fused.apply_clear(&packed).unwrap() {
            prop_assert_eq!(output.unpack(&result).unwrap(), dense.clone());
        }
    }

    /// Moving a tensor to another order of the same fields and back changes nothing.
    #[test]
    fn relayouts_are_undone(
        (log_slots, fields, order) in (0..=6_u32, fields())
            .prop_flat_map(|(log_slots, fields)| {
                let order = Just(fields.clone()).prop_shuffle();
                (Just(log_slots), Just(fields), order)
            }),
        seed: u64,
    ) {
        let from = Layout::new(log_slots, &fields).unwrap();
        let to = Layout::new(log_slots, &order).unwrap();
        let tensor = values(seed, from.len());
        let there = LinearMap::relayout(&from, &to).unwrap();
        let back = LinearMap::relayout(&to, &from).unwrap();
        let moved = there.apply_clear(&from.pack_array(&tensor).unwrap()).unwrap();
        let returned = back.apply_clear(&moved).unwrap();
        prop_assert_eq!(from.unpack(&returned).unwrap(), tensor);
    }

    /// A sum over axes is the sum over them, with a factor, wherever it is wanted.
    #[test]
    fn sums_are_sums_over_axes(
        (layout, axes) in layout().prop_flat_map(|layout| {
            let axes = layout.axes();
            let axes = prop::sample::subsequence(axes.clone(), 1..=axes.len());
            (Just(layout), axes)
        }),
        everywhere: bool,
        clear_padding: bool,
        scale in prop::sample::select(vec![1.0, -0.5]),
        seed: u64,
    ) {
        let spread = if everywhere { Spread::Everywhere } else { Spread::First };
        let options = SumOptions { spread, scale, clear_padding };
        let plan = ReducePlan::sum(&layout, &axes, options).unwrap();
        let tensor = values(seed, layout.len());
        let result = plan.apply_clear(&layout.pack_array(&tensor).unwrap()).unwrap();
        let all = indices(&layout);
        let output = plan.output();
        let sums: Vec<f64> = indices(output)
            .iter()
            .map(|index| {
                let wanted = rest(output, index, &axes);
                let terms = all.iter().filter(|i| rest(&layout, i, &axes) == wanted);
                scale * terms.map(|i| tensor[flat(&layout, i)]).sum::<f64>()
            })
            .collect();
        prop_assert_eq!(output.unpack(&result).unwrap(), sums.clone());
        prop_assert!(!(clear_padding && everywhere) || output.padding() == Padding::Zero);
        if everywhere && output.padding() == Padding::Zero {
            for (vector, whole) in output.pack_array(&sums).unwrap().iter().zip(&result) {
                prop_assert!(repeats(vector, whole), "{:?} in {:?}", vector, whole);
            }
        }
    }

    /// A contraction of a tensor with one that lacks an axis is the sum of products.
    #[test]
    fn contractions_are_sums_of_products(
        (layout, lacking, summed) in layout_without_copies_on_top().prop_flat_map(|layout| {
            let axes = layout.axes();
            let lacking = prop::sample::select(axes.clone());
            (Just(layout), lacking, prop::sample::select(axes))
        }),
        seed: u64,
    ) {
        let copied = |field: Field| {
            if field.axis == lacking { Field::replica(field.log_size) } else { field }
        };
        let fields: Vec<Field> = layout.fields().map(copied).collect();
        let other = Layout::new(layout.log_slots(), &fields).unwrap();
        let plan = Contraction::new(&layout, &other, &[summed], SumOptions::default()).unwrap();
        let (x, y) = (values(seed, layout.len()), values(seed ^ 3, other.len()));
        let (left, right) = (layout.pack_array(&x).unwrap(), other.pack_array(&y).unwrap());
        let products: Vec<Vec<f64>> = left
            .iter()
            .zip(&right)
            .map(|(a, b)| {
                let slots = a.len().max(b.len());
                (0..slots).map(|s| a[s % a.len()] * b[s % b.len()]).collect()
            })
            .collect();
        let result = plan.sum().apply_clear(&products).unwrap();
        let output = plan.output();
        let all = indices(&layout);
        for index in indices(output) {
            let wanted = rest(output, &index, &[summed]);
            let terms = all.iter().filter(|i| rest(&layout, i, &[summed]) == wanted);
            let sum: f64 = terms
                .map(|i| {
                    let common = rest(&layout, i, &[lacking]);
                    let common: Vec<usize> = common.into_iter().map(|(_, i)| i).collect();
                    x[flat(&layout, i)] * y[flat(&other, &common)]
                })
                .sum();
            let (ciphertext, slot) = output.position(&index).unwrap();
            prop_assert_eq!(result[ciphertext][slot], sum, "{:?}", index);
        }
    }

    /// Keys within a limit compose every rotation that they were picked for.
    #[test]
    fn limited_keys_compose_every_rotation(
        log_slots in 3..8_u32,
        amounts in prop::collection::vec((0..256_usize, 0..8_u32, 1..9_usize), 1..12),
        limit in 1..16_usize,
    ) {
        let rotations: Vec<Rotation> = amounts
            .into_iter()
            .map(|(amount, log_period, uses)| Rotation {
                uses,
                ..Rotation::new(amount, 1 << log_period)
            })
            .collect();
        let direct = KeySet::direct(&rotations, log_slots);
        let limited = KeySet::limited(&rotations, log_slots, limit);
        for (set, most) in [(Some(direct), usize::MAX), (limited.ok(), limit)] {
            let Some(set) = set else {
                prop_assert!(limit < log_slots as usize, "powers of two suffice");
                continue;
            };
            prop_assert!(set.amounts().len() <= most);
            for rotation in &rotations {
                let chain = set.chain(*rotation).expect("every amount is reached");
                let period = rotation.period.min(1 << log_slots);
                let reached = chain.iter().sum::<usize>() % period;
                prop_assert_eq!(reached, rotation.amount % period);
            }
        }
    }
}
