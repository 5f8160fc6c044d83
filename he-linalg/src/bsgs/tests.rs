//! Plans in the clear, their counts and their prices.

use std::sync::Arc;

use ckks_math::cost::{Batched, LevelPrices, LinearTransformPrices};

use super::*;
use crate::field::{Axis, Field};
use crate::layout::Layout;
use crate::testing::{activations, dense, distance, layout, noise};

/// Sums of up to 256 terms below 1 in double precision, added in another order.
const TOLERANCE: f64 = 1e-12;

fn inputs(map: &LinearMap) -> Vec<Vec<f64>> {
    (0..map.inputs())
        .map(|i| noise(40 + i as u64, map.input_period()))
        .collect()
}

/// The plan computes what the maps compute, on inputs whose every slot is filled.
fn check(plan: &BsgsPlan, maps: &[&LinearMap]) {
    let x = inputs(maps[0]);
    let got = plan.apply_clear(&x).expect("shape");
    assert_eq!(got.len(), maps.len());
    for (map, got) in maps.iter().zip(&got) {
        assert!(distance(got, &map.apply_clear(&x).expect("shape")) < TOLERANCE);
    }
    let products: usize = maps.iter().map(|m| m.diagonal_count()).sum();
    assert_eq!(plan.product_count(), products);
}

/// A map of one channel axis whose rows read at the given distances.
fn with_amounts(period: usize, amounts: &[usize]) -> LinearMap {
    let x = layout(&[Field::new(Axis::CHANNEL, period)]);
    LinearMap::build(&x, &x, |out, terms| {
        for (j, k) in amounts.iter().enumerate() {
            terms.add(&[(out[0] + k) % period], 0.5 + (j * out[0] % 5) as f64);
        }
    })
    .expect("valid")
}

/// A baby rotation costs `baby`, a giant one 1, all else nothing.
fn rotations(baby: f64) -> CostModel {
    let each = |each| Batched { call: 0.0, each };
    let transform = LinearTransformPrices {
        baby,
        giant: 1.0,
        ..LinearTransformPrices::default()
    };
    CostModel {
        at: Arc::new(LevelPrices {
            transform,
            rotate: each(1.0),
            ..LevelPrices::default()
        }),
        below: Arc::new(LevelPrices::default()),
        key: 0.0,
        max_babies: usize::MAX,
    }
}

fn even() -> CostModel {
    rotations(1.0)
}

#[test]
fn strided_amounts_split_into_square_roots() {
    let x = activations(64, 16);
    let map = dense(&x, &x, &noise(30, 64 * 64));
    let plan = BsgsPlan::new(&map, &even()).expect("valid");
    check(&plan, &[&map]);
    assert_eq!(plan.rotation_counts(), (7, 7, 0));
    assert_eq!(plan.cost, 14.0);
    // Rotations that are cheap to hoist shift the balance to babies.
    let cheap = rotations(0.1);
    let (babies, giants, _) = BsgsPlan::new(&map, &cheap)
        .expect("valid")
        .rotation_counts();
    assert!(babies > 2 * giants, "{babies} babies, {giants} giants");
}

#[test]
fn amounts_that_wrap_count_from_the_largest_gap() {
    let wrapped: Vec<usize> = (0..16).map(|r| (1024 - r) % 1024).collect();
    let map = with_amounts(1024, &wrapped);
    let plan = BsgsPlan::new(&map, &even()).expect("valid");
    check(&plan, &[&map]);
    assert_eq!(plan.rotation_counts(), (3, 3, 0));
    // The giant steps are multiples of one rotation, and go by its key.
    assert_eq!(plan.rotations().len(), 4);
}

#[test]
fn two_strides_with_a_gap_are_found() {
    let grid: Vec<usize> = (0..64).map(|k| 512 + k / 8 * 5 + k % 8 * 300).collect();
    let map = with_amounts(4096, &grid);
    let plan = BsgsPlan::new(&map, &even()).expect("valid");
    check(&plan, &[&map]);
    let (babies, giants, _) = plan.rotation_counts();
    assert_eq!(babies + giants, 15);
}

#[test]
fn cheap_babies_take_the_longer_side_of_a_grid() {
    // 16 multiples of 128 with 3 remainders: no modulus leaves the remainders as the many.
    let grid: Vec<usize> = (0..48).map(|k| k / 3 * 128 + k % 3 * 41).collect();
    let map = with_amounts(2048, &grid);
    let cheap = rotations(0.15);
    let plan = BsgsPlan::new(&map, &cheap).expect("valid");
    check(&plan, &[&map]);
    assert_eq!(plan.rotation_counts(), (15, 2, 0));
}

#[test]
fn any_set_of_amounts_is_planned_and_no_worse_than_one_rotation_each() {
    for seed in 0..40 {
        let count = 1 + 3 * seed as usize;
        let random = noise(seed, count)
            .into_iter()
            .map(|v| ((v + 1.0) * 128.0) as usize);
        let amounts = sorted(random);
        let map = with_amounts(256, &amounts);
        for max_babies in [usize::MAX, 4, 0] {
            let model = CostModel {
                max_babies,
                ..even()
            };
            let plan = BsgsPlan::new(&map, &model).expect("valid");
            check(&plan, &[&map]);
            let (babies, giants, _) = plan.rotation_counts();
            assert!(babies + giants <= amounts.len());
            assert!(plan.babies[0].len() <= max_babies.max(1));
        }
    }
}

#[test]
fn queries_keys_and_values_share_babies() {
    let x = activations(64, 16);
    let wide = layout(&[
        Field::new(Axis::TOKEN, 16),
        Field::new(Axis::CHANNEL, 64),
        Field::new(Axis::OFFSET, 16),
    ]);
    let maps = [
        dense(&x, &wide, &noise(31, 64 * 64)),
        dense(&x, &x, &noise(32, 64 * 64)),
        dense(&x, &activations(32, 16), &noise(33, 32 * 64)),
    ];
    let refs: Vec<&LinearMap> = maps.iter().collect();
    let model = CostModel::default();
    let fused = BsgsPlan::fused(&refs, &model).expect("same input");
    check(&fused, &refs);
    // Products are as many, and each map has its outputs.
    let rotations = |plan: &BsgsPlan| plan.work().rotations_cost(&model);
    let alone: f64 = maps
        .iter()
        .map(|m| rotations(&BsgsPlan::new(m, &model).expect("valid")))
        .sum();
    let fused = rotations(&fused);
    assert!(fused < 0.8 * alone, "{fused} against {alone}");
}

#[test]
fn folds_and_several_ciphertexts() {
    let small = |fields: &[Field]| Layout::new(8, fields).expect("valid");
    let x = small(&[Field::new(Axis::TOKEN, 16), Field::new(Axis::CHANNEL, 40)]);
    let y = small(&[Field::new(Axis::TOKEN, 16), Field::new(Axis::PART, 4)]);
    let w = noise(34, 40 * 40);
    let row = |out: &[usize], terms: &mut crate::terms::Terms<'_>| {
        (0..40).for_each(|i| terms.add(&[out[0], i], w[out[1] * 40 + i]));
    };
    let square = dense(&x, &x, &w);
    let down = LinearMap::build_folded(&x, &y, row).expect("valid");
    assert_eq!(
        (square.inputs(), square.outputs(), down.folds().len()),
        (3, 3, 2)
    );
    let plan = BsgsPlan::fused(&[&square, &down], &even()).expect("same input");
    check(&plan, &[&square, &down]);
    // Two folds in one key switch, with three keys.
    assert_eq!(plan.rotation_counts().2, 3);
    let shared = plan.rotations();
    let uses: usize = shared.iter().map(|r| r.uses).sum();
    let (babies, giants, folds) = plan.rotation_counts();
    assert_eq!(uses, babies + giants + folds);
}

#[test]
fn the_zero_map_has_an_empty_plan() {
    let x = activations(4, 4);
    let map = LinearMap::build(&x, &x, |_, _| ()).expect("valid");
    let plan = BsgsPlan::new(&map, &CostModel::default()).expect("valid");
    check(&plan, &[&map]);
    assert_eq!(plan.rotation_counts(), (0, 0, 0));
    assert_eq!(plan.cost, CostModel::default().at.slice);
}

#[test]
fn different_inputs_are_refused() {
    let (x, y) = (activations(4, 4), activations(8, 4));
    let (one, other) = (dense(&x, &x, &noise(35, 16)), dense(&y, &y, &noise(36, 64)));
    let result = BsgsPlan::fused(&[&one, &other], &CostModel::default());
    assert_eq!(
        result,
        Err(Error::InputMismatch {
            left: (1, 16),
            right: (1, 32)
        })
    );
    let none = BsgsPlan::fused(&[], &CostModel::default());
    assert!(matches!(none, Err(Error::Count { .. })));
}

/// Keys have a price: giant steps share one, so that there are more of them.
#[test]
fn dear_keys_take_the_place_of_baby_steps() {
    let x = activations(64, 16);
    let map = dense(&x, &x, &noise(37, 64 * 64));
    let keys = |key: f64| {
        let model = CostModel { key, ..even() };
        let plan = BsgsPlan::new(&map, &model).expect("valid");
        check(&plan, &[&map]);
        let (babies, giants, _) = plan.rotation_counts();
        (babies, giants, plan.rotations().len())
    };
    assert_eq!(keys(0.0), (7, 7, 8));
    assert_eq!(keys(8.0), (1, 31, 2));
}
