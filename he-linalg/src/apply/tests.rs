//! Maps of ciphertexts against the same maps in the clear.

use std::collections::BTreeSet;
use std::sync::Arc;

use ckks_math::backend::Device;
use ckks_math::backend::dry_run::DryRun;
use ckks_math::cost::{KernelTimes, Prices};
use ckks_math::keys::{EvaluationKeys, KeyPurpose};
use proptest::prelude::*;

use super::*;
use crate::field::{Axis, Field};
use crate::terms::Terms;
use crate::testing::cipher::{Fixture, TOLERANCE, literal};
use crate::testing::noise;

fn layout(log_slots: u32, fields: &[Field]) -> Layout {
    Layout::new(log_slots, fields).expect("valid")
}

/// A dense map with entries of about 1/inputs.
fn random_map(input: &Layout, output: &Layout, seed: u64, folded: bool) -> LinearMap {
    let n = input.len();
    let w: Vec<f64> = noise(seed, n * output.len())
        .iter()
        .map(|v| v / n as f64)
        .collect();
    let out_lens = output.lens();
    let mut indices = Vec::new();
    input.for_each_index(|i| indices.push(i.to_vec()));
    let row = |out: &[usize], terms: &mut Terms<'_>| {
        let o = out
            .iter()
            .zip(&out_lens)
            .rev()
            .fold(0, |flat, (i, len)| flat * len + i);
        for (j, index) in indices.iter().enumerate() {
            terms.add(index, w[o * n + j]);
        }
    };
    match folded {
        true => LinearMap::build_folded(input, output, row),
        false => LinearMap::build(input, output, row),
    }
    .expect("valid")
}

/// Input and output layouts in which one or both have several ciphertexts, copies and padding.
fn shapes() -> Vec<(Layout, Layout)> {
    let (token, dim) = (Field::new(Axis::TOKEN, 3), Field::new(Axis::DIM, 5));
    let (head, part) = (Field::new(Axis::HEAD, 4), Field::new(Axis::PART, 2));
    vec![
        (layout(5, &[token, dim]), layout(5, &[head, part])),
        (layout(5, &[Field::replica(2), dim]), layout(5, &[head])),
        (layout(3, &[token, dim]), layout(3, &[head])),
        (layout(3, &[head]), layout(3, &[dim, token])),
        (layout(2, &[head, part]), layout(2, &[token, dim])),
    ]
}

#[test]
fn maps_agree_with_the_clear_between_any_numbers_of_ciphertexts() {
    let mut f = Fixture::new(2, 5);
    for (input, output) in shapes() {
        let (values, x) = f.random(&input, 80);
        let clear = input.pack_array(&values).expect("length");
        for folded in [false, true] {
            let map = random_map(&input, &output, 81, folded);
            let prepared =
                PreparedMap::new(&map, &input, &output, &CostModel::default()).expect("valid");
            let y = prepared.apply(&f.ev, &x).expect("levels and keys");
            let want = map.apply_clear(&clear).expect("shape");
            f.check_slots(&y, &want, TOLERANCE);
            f.check(&y, 1, &output.unpack(&want).expect("shape"), TOLERANCE);
            let twice = prepared
                .apply_scaled(&f.ev, &y_input(&f, &x), -2.0)
                .expect("valid");
            let want: Vec<f64> = output
                .unpack(&want)
                .expect("shape")
                .iter()
                .map(|v| -2.0 * v)
                .collect();
            f.check(&twice[0], 0, &want, TOLERANCE);
        }
    }
}

/// The operand at a lower level and a scale that is not the canonical one.
fn y_input(f: &Fixture, x: &Packed<ckks_cpu::CpuBackend>) -> Packed<ckks_cpu::CpuBackend> {
    x.drop_to(&f.ev, 1).expect("below the top")
}

#[test]
fn fused_maps_share_their_input() {
    let mut f = Fixture::new(1, 5);
    for input in [
        layout(5, &[Field::new(Axis::TOKEN, 2), Field::new(Axis::DIM, 8)]),
        layout(3, &[Field::new(Axis::TOKEN, 2), Field::new(Axis::DIM, 8)]),
    ] {
        let outputs = [Field::new(Axis::HEAD, 8), Field::new(Axis::PART, 3)]
            .map(|field| layout(input.log_slots(), &[Field::new(Axis::TOKEN, 2), field]));
        let maps: Vec<LinearMap> = outputs
            .iter()
            .enumerate()
            .map(|(i, output)| random_map(&input, output, 82 + i as u64, false))
            .collect();
        let pairs: Vec<_> = maps.iter().zip(&outputs).collect();
        let prepared =
            PreparedMap::fused(&pairs, &input, &CostModel::default()).expect("same input");
        let (values, x) = f.random(&input, 85);
        let clear = input.pack_array(&values).expect("length");
        let encoded = prepared
            .encode(f.ev.context(), x.level(), x.scale(), 1.0, true)
            .expect("a level is left");
        let results = encoded.apply_all(&f.ev, &x).expect("keys");
        assert_eq!(results.len(), 2);
        for (map, y) in maps.iter().zip(&results) {
            f.check_slots(y, &map.apply_clear(&clear).expect("shape"), TOLERANCE);
        }
    }
}

#[test]
fn relayouts_and_empty_outputs() {
    let mut f = Fixture::new(1, 4);
    let from = layout(3, &[Field::new(Axis::DIM, 4), Field::new(Axis::HEAD, 3)]);
    // The second half of PART has no source entry: its ciphertexts are zero.
    let to = layout(
        3,
        &[
            Field::new(Axis::HEAD, 3),
            Field::new(Axis::OFFSET, 2),
            Field::new(Axis::DIM, 5),
        ],
    );
    let map = LinearMap::relayout(&from, &to).expect("axes present");
    assert!(map.blocks().iter().all(|block| block.output != 4));
    let prepared = PreparedMap::new(&map, &from, &to, &CostModel::default()).expect("valid");
    let (values, x) = f.random(&from, 86);
    let y = prepared.apply(&f.ev, &x).expect("keys");
    let want = map
        .apply_clear(&from.pack_array(&values).expect("length"))
        .expect("shape");
    f.check_slots(&y, &want, TOLERANCE);
    assert_eq!(y.batch().count(), 5);
}

#[test]
fn operands_that_do_not_fit_are_refused() {
    let mut f = Fixture::new(1, 1);
    let (a, b) = (
        layout(3, &[Field::new(Axis::DIM, 4)]),
        layout(3, &[Field::new(Axis::HEAD, 4)]),
    );
    let map = random_map(&a, &a, 87, false);
    let prepared = PreparedMap::new(&map, &a, &a, &CostModel::default()).expect("valid");
    let (_, x) = f.random(&b, 88);
    assert!(matches!(
        prepared.apply(&f.ev, &x),
        Err(Error::LayoutMismatch { .. })
    ));
    let (_, x) = f.random(&a, 89);
    let spent = x.drop_to(&f.ev, 0).expect("below the top");
    assert!(matches!(
        prepared.apply(&f.ev, &spent),
        Err(Error::Scheme(_))
    ));
    let wide = layout(3, &[Field::new(Axis::DIM, 4), Field::new(Axis::HEAD, 4)]);
    assert!(matches!(
        PreparedMap::new(&map, &wide, &a, &CostModel::default()),
        Err(Error::Count { .. })
    ));
}

#[test]
fn dry_runs_ask_for_the_rotations_of_the_plan() {
    let backend = DryRun::default();
    let params = literal(2)
        .check_insecure_for_tests(backend.limits())
        .expect("valid");
    let context = Context::new(params, backend).expect("shapes");
    for (input, output) in shapes() {
        let map = random_map(&input, &output, 92, true);
        let plan = BsgsPlan::new(&map, &CostModel::default()).expect("valid");
        let prepared =
            PreparedMap::from_plan(&plan, &input, std::slice::from_ref(&output)).expect("valid");
        let ev = Evaluator::new(context.clone(), Arc::new(EvaluationKeys::recording()));
        let x = Packed::zeros(&ev, input.clone(), 2).expect("level");
        let y = prepared.apply(&ev, &x).expect("shapes");
        assert_eq!((y.level(), y.layout()), (1, &output));
        let asked: BTreeSet<u64> = ev
            .keys()
            .demand()
            .iter()
            .filter_map(|request| match request.purpose {
                KeyPurpose::Galois(g) => Some(g.get()),
                _ => None,
            })
            .collect();
        let ring = context.params().ring();
        let planned: BTreeSet<u64> = plan
            .rotations()
            .iter()
            .map(|r| ring.galois_rotation(r.amount as i64))
            .collect();
        assert_eq!(asked, planned, "{input} to {output}");
    }
}

/// A map of random entries, some of them zero: those whose number is below `density` of 8.
fn sparse_map(
    (input, output): (&Layout, &Layout),
    (seed, density): (u64, u64),
    folded: bool,
) -> LinearMap {
    let mut indices = Vec::new();
    input.for_each_index(|i| indices.push(i.to_vec()));
    let row = |out: &[usize], terms: &mut Terms<'_>| {
        for index in &indices {
            let parts = out.iter().chain(index);
            let mixed = parts.fold(seed, |mixed, &i| {
                (mixed ^ i as u64)
                    .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                    .rotate_left(29)
            });
            if mixed % 8 < density {
                terms.add(index, 0.25 + (mixed >> 32) as f64 / 2f64.powi(33));
            }
        }
    };
    match folded {
        true => LinearMap::build_folded(input, output, row),
        false => LinearMap::build(input, output, row),
    }
    .expect("valid")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// The counted key switches and the price of a plan are those of a dry run of the very map,
    /// for one and several inputs and outputs, compact diagonals and full ones, and fused maps.
    #[test]
    fn the_price_of_a_plan_is_what_a_dry_run_counts(
        log_slots in 2..6_u32,
        sizes in proptest::array::uniform4(1..7_usize),
        (seed, density) in (0..1000_u64, 1..=8_u64),
        folded: bool,
        fused: bool,
    ) {
        let fields = |axes: [Axis; 2], sizes: &[usize]| {
            layout(log_slots, &[Field::new(axes[0], sizes[0]), Field::new(axes[1], sizes[1])])
        };
        let input = fields([Axis::TOKEN, Axis::DIM], &sizes[..2]);
        let output = fields([Axis::HEAD, Axis::PART], &sizes[2..]);
        let count = 1 + u64::from(fused);
        let maps: Vec<LinearMap> = (0..count)
            .map(|i| sparse_map((&input, &output), (seed + i, density), folded))
            .collect();
        let pairs: Vec<_> = maps.iter().map(|map| (map, &output)).collect();

        let params = literal(2)
            .check_insecure_for_tests(DryRun::default().limits())
            .expect("valid");
        let prices = Prices::new(&params, KernelTimes::default()).expect("times of a device");
        let model = CostModel::new(&prices, 2).expect("a level");
        let prepared = PreparedMap::fused(&pairs, &input, &model).expect("same input");
        let context = Context::new(params, DryRun::default()).expect("shapes");
        let keys = Arc::new(EvaluationKeys::recording());
        let ev = Evaluator::new(context.clone(), keys);
        let x = Packed::zeros(&ev, input.clone(), 2).expect("level");
        let encoded = prepared.encode(&context, 2, x.scale(), 1.0, false).expect("a level");
        encoded.apply_all(&ev, &x).expect("shapes");
        let before = context.backend().counts();
        encoded.apply_all(&ev, &x).expect("shapes");
        let counts = context.backend().counts() - &before;

        let linear: Vec<_> = maps.iter().collect();
        let plan = BsgsPlan::fused(&linear, &model).expect("same input");
        let (babies, giants, folds) = plan.rotation_counts();
        prop_assert_eq!((babies + giants + folds) as u64, counts.key_switches());
        let uses: usize = plan.rotations().iter().map(|rotation| rotation.uses).sum();
        prop_assert_eq!(uses as u64, counts.key_switches());
        // Outputs that are zero cost next to nothing, and are no part of the price.
        let outputs: usize = prepared.work().maps.iter().map(|(outputs, _)| outputs).sum();
        if prepared.work().results == outputs {
            let (found, expected) = (prepared.seconds(&model), prices.times().seconds(&counts));
            prop_assert!((found / expected - 1.0).abs() < 1e-9, "{} against {}", found, expected);
        }
    }
}
