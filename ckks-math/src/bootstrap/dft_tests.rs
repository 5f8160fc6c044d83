//! The factored DFT against the special FFT of encoding, in the clear.

use super::*;
use crate::encoding::fft::{SlotFft, bit_reverse};

fn noise(n: usize, mut state: u64) -> Vec<Complex64> {
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    };
    (0..n).map(|_| Complex64::new(next(), next())).collect()
}

fn run(factors: &[Diagonals], v: &[Complex64]) -> Vec<Complex64> {
    factors.iter().fold(v.to_vec(), |v, f| {
        // Shorter vectors are repeated: a period of n is one of 2n.
        let v: Vec<_> = v.iter().copied().cycle().take(f.n.max(v.len())).collect();
        // Matrices on n slots act on each period of a longer vector.
        v.chunks_exact(f.n)
            .flat_map(|v| f.apply(v).unwrap())
            .collect()
    })
}

fn worst(a: &[Complex64], b: &[Complex64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(b)
        .map(|(x, y)| (*x - *y).norm())
        .fold(0.0, f64::max)
}

/// The slots of the coefficients `w`, by the encoder's transform.
fn slots(w: &[Complex64]) -> Vec<Complex64> {
    let mut re: Vec<f64> = w.iter().map(|z| z.re).collect();
    let mut im: Vec<f64> = w.iter().map(|z| z.im).collect();
    SlotFft::new(w.len())
        .unwrap()
        .forward(&mut re, &mut im)
        .unwrap();
    re.into_iter()
        .zip(im)
        .map(|(re, im)| Complex64::new(re, im))
        .collect()
}

/// Every slot count from 2 to 2^10 with every number of levels, and a few uneven groupings.
fn plans() -> impl Iterator<Item = DftPlan> {
    let even = (1..=10).flat_map(|log_n| {
        (1..=log_n).map(move |levels| DftPlan::even(1 << log_n, levels).unwrap())
    });
    let uneven = [
        (32, vec![4, 1]),
        (32, vec![1, 4]),
        (256, vec![3, 1, 4]),
        (256, vec![1, 5, 2]),
    ];
    even.chain(uneven.map(|(n, layers)| DftPlan::with_layers(n, &layers).unwrap()))
}

#[test]
fn products_are_the_special_fft_without_the_bit_reversal() {
    for plan in plans() {
        let n = plan.slots();
        let w = noise(n, 5 + n as u64);
        let z = slots(&w);
        let mut reversed = w.clone();
        bit_reverse(&mut reversed);
        let tolerance = 64.0 * n as f64 * f64::EPSILON;
        assert!(
            worst(&run(&plan.slots_to_coeffs(), &reversed), &z) < tolerance,
            "{plan:?}"
        );
        assert!(
            worst(&run(&plan.coeffs_to_slots(), &z), &reversed) < tolerance,
            "{plan:?}"
        );
    }
}

#[test]
fn packed_variants_separate_and_join_the_two_halves() {
    for plan in plans() {
        let n = plan.slots();
        let w = noise(n, 11 + n as u64);
        let z = slots(&w);
        let mut reversed = w.clone();
        bit_reverse(&mut reversed);
        let (cts, stc) = (plan.coeffs_to_slots_packed(), plan.slots_to_coeffs_packed());
        assert_eq!(cts.last().unwrap().n, 2 * n);
        assert_eq!(stc[0].n, 2 * n);
        let t = run(&cts, &z);
        let packed: Vec<Complex64> = t.iter().map(|x| *x + x.conj()).collect();
        let tolerance = 64.0 * n as f64 * f64::EPSILON;
        for (p, x) in packed.iter().enumerate() {
            let part = if p < n {
                reversed[p].re
            } else {
                reversed[p - n].im
            };
            assert!((*x - part.into()).norm() < tolerance, "{plan:?} slot {p}");
        }
        let repeated = [&z[..], &z[..]].concat();
        assert!(
            worst(&run(&stc, &packed), &repeated) < tolerance,
            "{plan:?}"
        );
        // The amounts of the last matrix stay below n; the first of StC has each twice.
        let plain: Vec<usize> = plan.coeffs_to_slots().last().unwrap().rotations().collect();
        assert!(cts.last().unwrap().rotations().eq(plain));
        let plain: Vec<usize> = plan.slots_to_coeffs()[0].rotations().collect();
        let both = plain.iter().copied().chain(plain.iter().map(|k| k + n));
        assert!(stc[0].rotations().eq(both));
    }
}

#[test]
fn levels_have_the_diagonals_of_their_radix() {
    for plan in plans() {
        let (n, counts) = (plan.slots(), plan.layers().to_vec());
        // Block sizes joined by the level: StC goes up from 1, CtS down from n / 2.
        let mut done = 0;
        for (factor, &k) in plan.slots_to_coeffs().iter().zip(&counts) {
            check_level(factor, n, 1 << done, k);
            done += k;
        }
        for (factor, &k) in plan.coeffs_to_slots().iter().zip(&counts) {
            done -= k;
            check_level(factor, n, 1 << done, k);
        }
    }
}

fn check_level(factor: &Diagonals, n: usize, h: usize, k: usize) {
    let span = (1_i64 << k) - 1;
    let wanted: std::collections::BTreeSet<usize> = (-span..=span)
        .map(|m| (m * h as i64).rem_euclid(n as i64) as usize)
        .collect();
    assert!(factor.rotations().eq(wanted.iter().copied()));
    let most = if h << k == n { 1 << k } else { (2 << k) - 1 };
    assert_eq!(wanted.len(), most);
}

#[test]
fn row_sums_and_the_overall_constant() {
    let plan = DftPlan::even(512, 4).unwrap();
    assert_eq!(plan.layers(), [2, 2, 2, 3]);
    let row_sums = |f: &Diagonals| -> Vec<f64> {
        (0..f.n)
            .map(|p| f.map.values().map(|d| d[p].norm()).sum())
            .collect()
    };
    for factor in plan.coeffs_to_slots() {
        assert!(row_sums(&factor).iter().all(|s| (s - 1.0).abs() < 1e-12));
    }
    for (factor, &k) in plan.slots_to_coeffs().iter().zip(plan.layers()) {
        let radix = (1 << k) as f64;
        assert!(
            row_sums(factor)
                .iter()
                .all(|s| (s - radix).abs() < 1e-12 * radix)
        );
    }
    let c = 0.3;
    let scaled = plan.clone().scaled(c).unwrap();
    let v = noise(512, 1);
    for (a, b) in [
        (scaled.coeffs_to_slots(), plan.coeffs_to_slots()),
        (scaled.slots_to_coeffs(), plan.slots_to_coeffs()),
        (
            scaled.slots_to_coeffs_packed(),
            plan.slots_to_coeffs_packed(),
        ),
    ] {
        let want: Vec<Complex64> = run(&b, &v).iter().map(|&x| x * c).collect();
        assert!(worst(&run(&a, &v), &want) < 1e-9);
        let (one, other) = (row_sums(&a[0])[0], row_sums(&b[0])[0]);
        assert!((one / other - c.powf(0.25)).abs() < 1e-12);
    }
}

#[test]
fn refusals() {
    assert_eq!(DftPlan::even(12, 2), Err(DftError::Slots { slots: 12 }));
    assert_eq!(DftPlan::even(1, 1), Err(DftError::Slots { slots: 1 }));
    let levels = |levels| {
        Err(DftError::Levels {
            levels,
            slots: 16,
            layers: 4,
        })
    };
    assert_eq!(DftPlan::even(16, 0), levels(0));
    assert_eq!(DftPlan::even(16, 5), levels(5));
    for given in [vec![], vec![4, 0], vec![2, 3], vec![usize::MAX, 5]] {
        let want = Err(DftError::Layers {
            given: given.clone(),
            layers: 4,
        });
        assert_eq!(DftPlan::with_layers(16, &given), want);
    }
    for scale in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(DftPlan::even(16, 2).unwrap().scaled(scale).is_err());
    }
    let plan = DftPlan::even(16, 2).unwrap();
    let short = plan.coeffs_to_slots()[0].apply(&[Complex64::ONE; 8]);
    assert_eq!(
        short,
        Err(DftError::Vector {
            given: 8,
            expected: 16
        })
    );
}
