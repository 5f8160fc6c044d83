//! Maps of ciphertexts against the same maps in the clear.

use std::collections::BTreeSet;
use std::sync::Arc;

use ckks_math::backend::Device;
use ckks_math::backend::dry_run::DryRun;
use ckks_math::keys::{EvaluationKeys, KeyPurpose};

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
                KeyPurpose::Galois(g) => Some(g),
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
