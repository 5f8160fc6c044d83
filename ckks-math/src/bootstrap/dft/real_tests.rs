//! The real factorisation against the transform of the encoder, in the clear.

use super::*;
use crate::encoding::fft::SlotFft;

fn noise(n: usize, mut state: u64) -> Vec<f64> {
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

fn run(factors: &[Diagonals], v: &[f64]) -> Vec<f64> {
    let start: Vec<Complex64> = v.iter().map(|&x| x.into()).collect();
    let end = factors.iter().fold(start, |v, f| f.apply(&v).unwrap());
    assert!(end.iter().all(|z| z.im == 0.0));
    end.iter().map(|z| z.re).collect()
}

fn worst(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let distances = a.iter().zip(b).map(|(x, y)| (x - y).abs());
    distances.fold(0.0, f64::max)
}

/// Every slot count from 2 to 2^10 with every number of levels, and uneven groupings.
fn plans() -> impl Iterator<Item = DftPlan> {
    let even = (1..=10).flat_map(|log_n| {
        (1..=log_n).map(move |levels| DftPlan::even(1 << log_n, levels).unwrap())
    });
    let uneven = [
        (32, vec![4, 1]),
        (32, vec![1, 4]),
        (256, vec![3, 1, 4]),
        (256, vec![1, 5, 2]),
        (4096, vec![4, 4, 4]),
    ];
    even.chain(uneven.map(|(n, layers)| DftPlan::with_layers(n, &layers).unwrap()))
}

/// StC of the coefficients in the stated order is the encoder's evaluation, CtS its inverse; the
/// order is a permutation.
#[test]
fn products_are_the_evaluation_of_the_encoder() {
    for plan in plans() {
        let n = plan.slots();
        let order = real_order(n).unwrap();
        let mut seen = order.clone();
        seen.sort_unstable();
        assert!(seen.iter().enumerate().all(|(i, &k)| i == k), "n {n}");
        let a = noise(n, 5 + n as u64);
        let mut slots = a.clone();
        SlotFft::new(n).unwrap().forward_real(&mut slots).unwrap();
        let held: Vec<f64> = order.iter().map(|&k| a[k]).collect();
        let there = run(&plan.real_slots_to_coeffs(), &held);
        let back = run(&plan.real_coeffs_to_slots(), &slots);
        assert!(worst(&there, &slots) < 1e-12 * n as f64, "{plan:?}");
        assert!(worst(&back, &held) < 1e-12, "{plan:?}");
    }
}

/// The diagonals of a level: multiples of its smallest block, and the same half a vector further.
#[test]
fn levels_have_twice_the_diagonals_of_their_radix() {
    let check = |factor: &Diagonals, n: usize, h: usize, k: usize| {
        let span = (1_i64 << k) - 1;
        let reach = (-span..=span).flat_map(|m| {
            let near = m * h as i64;
            [near, near + (n / 2) as i64]
        });
        let allowed: std::collections::BTreeSet<usize> =
            reach.map(|r| r.rem_euclid(n as i64) as usize).collect();
        assert!(factor.rotations().all(|r| allowed.contains(&r)));
        let most = (1 << k).max(if h << k == n { 0 } else { (4 << k) - 2 });
        assert!(factor.map.len() <= most && factor.map.len() <= n / h);
    };
    for plan in plans() {
        let (n, counts) = (plan.slots(), plan.layers().to_vec());
        let mut done = 0;
        for (factor, &k) in plan.real_slots_to_coeffs().iter().zip(&counts) {
            check(factor, n, 1 << done, k);
            done += k;
        }
        for (factor, &k) in plan.real_coeffs_to_slots().iter().zip(&counts) {
            done -= k;
            check(factor, n, 1 << done, k);
        }
    }
    // What the preset uses, in the ratio of its ring: 64 of 2^16 slots, here 16 of 2^12.
    let plan = DftPlan::with_layers(1 << 12, &[4, 4, 4]).unwrap();
    let counts: Vec<usize> = plan
        .real_coeffs_to_slots()
        .iter()
        .map(|f| f.map.len())
        .collect();
    assert_eq!(counts, [16, 62, 62]);
}

/// Row sums of CoeffsToSlots stay below 2^(1/2) for each layer of turns, so that no level overflows.
#[test]
fn the_overall_constant_is_spread() {
    let plan = DftPlan::even(512, 3).unwrap();
    let scaled = plan.clone().scaled(0.125).unwrap();
    let v = noise(512, 3);
    let wanted: Vec<f64> = run(&plan.real_coeffs_to_slots(), &v)
        .iter()
        .map(|x| 0.125 * x)
        .collect();
    assert!(worst(&run(&scaled.real_coeffs_to_slots(), &v), &wanted) < 1e-14);
    for factor in plan.real_coeffs_to_slots() {
        for p in 0..factor.n {
            let sum: f64 = factor.map.values().map(|d| d[p].norm()).sum();
            assert!(sum <= 2_f64.sqrt() + 1e-12, "row {p}: {sum}");
        }
    }
}

#[test]
fn lengths_are_refused() {
    assert_eq!(real_order(12), Err(DftError::Slots { slots: 12 }));
    assert_eq!(real_order(1), Err(DftError::Slots { slots: 1 }));
}
