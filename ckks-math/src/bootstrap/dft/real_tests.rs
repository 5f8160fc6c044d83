//! The real factorisation against the transform of the encoder, in the clear.

use super::*;
use crate::bootstrap::dft::odd::half_cosines;
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

const BASES: [RealBasis; 2] = [RealBasis::Native, RealBasis::Odd];

/// The coordinates of native coefficients.
fn coordinates(b: &[f64], basis: RealBasis) -> Vec<f64> {
    match basis {
        RealBasis::Native => b.to_vec(),
        RealBasis::Odd => {
            let next = b[1..].iter().chain([&0.0]);
            b.iter().zip(next).map(|(b, next)| b + next).collect()
        }
    }
}

/// StC of the coordinates in the stated order is the encoder's evaluation, CtS its inverse; the
/// order is a permutation.
#[test]
fn products_are_the_evaluation_of_the_encoder() {
    for (plan, basis) in plans().flat_map(|plan| BASES.map(|basis| (plan.clone(), basis))) {
        let n = plan.slots();
        let order = real_order(n, basis).unwrap();
        let mut seen = order.clone();
        seen.sort_unstable();
        assert!(seen.iter().enumerate().all(|(i, &k)| i == k), "n {n}");
        let b = noise(n, 5 + n as u64);
        let mut slots = b.clone();
        SlotFft::new(n).unwrap().forward_real(&mut slots).unwrap();
        let all = coordinates(&b, basis);
        let held: Vec<f64> = order.iter().map(|&k| all[k]).collect();
        let there = run(&plan.real_slots_to_coeffs(basis), &held);
        let cosines = half_cosines(n);
        let squared: Vec<f64> = match basis {
            RealBasis::Native => slots.clone(),
            RealBasis::Odd => slots.iter().zip(&cosines).map(|(z, c)| z * c * c).collect(),
        };
        let back = run(&plan.real_coeffs_to_slots(basis), &squared);
        // Rounding before the division by cosines, of which the smallest is pi / 4n.
        let tolerance = match basis {
            RealBasis::Native => 1e-14,
            RealBasis::Odd => 1e-13 * n as f64,
        };
        assert!(
            worst(&there, &slots) < tolerance * n as f64,
            "{plan:?} {basis:?}"
        );
        assert!(worst(&back, &held) < 1e-12, "{plan:?} {basis:?}");
    }
}

/// The diagonals of a level are the multiples of its small blocks within a segment, and in the odd
/// basis repeat with it.
#[test]
fn levels_act_on_segments() {
    let period = |d: &[Complex64]| {
        let n = d.len();
        let mut p = n;
        while p > 1 && (0..n).all(|i| (d[i] - d[i % (p / 2)]).norm() < 1e-13) {
            p /= 2;
        }
        p
    };
    let check = |factor: &Diagonals, large: usize, small: usize, basis: RealBasis| {
        let n = factor.n;
        for (&k, diagonal) in &factor.map {
            let distance = k.min(n - k);
            assert!(
                k % small == 0 && distance < 2 * large,
                "{k}: {large} {small}"
            );
            if basis == RealBasis::Odd && 2 * large < n {
                assert!(period(diagonal) <= 2 * large, "{k}: {large} {small}");
            }
        }
        assert!(factor.map.len() <= (4 * large / small - 1).min(n / small));
    };
    for (plan, basis) in plans().flat_map(|plan| BASES.map(|basis| (plan.clone(), basis))) {
        let n = plan.slots();
        let mut done = 0;
        let stc = plan.real_slots_to_coeffs(basis);
        for (factor, &k) in stc.iter().zip(plan.layers()) {
            let (small, large) = (1 << done, 1 << (done + k));
            check(factor, large.min(n / 2), small.min(n / 2), basis);
            done += k;
        }
        let mut done = 0;
        let cts = plan.real_coeffs_to_slots(basis);
        for (factor, &k) in cts.iter().zip(plan.layers()) {
            check(
                factor,
                (n >> done).min(n / 2),
                (n >> (done + k)).min(n / 2),
                basis,
            );
            done += k;
        }
    }
}

/// The constant is spread over the levels; rows of CoeffsToSlots sum to at most sqrt(2) a level,
/// but where it divides by cosines.
#[test]
fn the_overall_constant_is_spread() {
    let plan = DftPlan::even(512, 3).unwrap();
    let scaled = plan.clone().scaled(0.125).unwrap();
    let v = noise(512, 3);
    for basis in BASES {
        let factors = plan.real_coeffs_to_slots(basis);
        let wanted: Vec<f64> = run(&factors, &v).iter().map(|x| 0.125 * x).collect();
        let found = run(&scaled.real_coeffs_to_slots(basis), &v);
        assert!(worst(&found, &wanted) < 1e-12);
        for (level, factor) in factors.iter().enumerate() {
            if level == 0 && basis == RealBasis::Odd {
                continue;
            }
            for p in 0..factor.n {
                let sum: f64 = factor.map.values().map(|d| d[p].norm()).sum();
                assert!(sum <= 2_f64.sqrt() + 1e-12, "row {p}: {sum}");
            }
        }
    }
}

#[test]
fn lengths_are_refused() {
    for (slots, basis) in [12, 1]
        .into_iter()
        .flat_map(|n| BASES.map(|basis| (n, basis)))
    {
        assert_eq!(real_order(slots, basis), Err(DftError::Slots { slots }));
    }
}
