//! Prices times counts against dry runs of whole operations.

use super::*;
use crate::backend::Device;
use crate::backend::dry_run::Counts;
use crate::encoding::Complex64;
use crate::evaluator::{EncodedLinearTransform, LinearTransformPlan, LinearTransformWork};
use crate::params::preset;

/// Of sums of a few hundred prices in double precision, each a difference of such sums.
const TOLERANCE: f64 = 1e-9;

fn prices(name: &str) -> Prices {
    let literal = preset(name).expect("a preset");
    let params = literal.check(DryRun::default().limits()).expect("valid");
    Prices::new(&params, KernelTimes::default()).expect("times of a device")
}

fn assert_close(found: f64, expected: f64, what: &str) {
    let error = (found - expected).abs() / expected;
    assert!(error < TOLERANCE, "{what}: {found} against {expected}");
}

/// What an operation counts once its keys are there.
fn counts<T>(ev: &Evaluator<DryRun>, operation: impl Fn() -> Result<T>) -> Counts {
    operation().expect("shapes");
    let before = ev.context().backend().counts();
    operation().expect("shapes");
    ev.context().backend().counts() - &before
}

/// Giant steps with their babies: grids, gaps, both signs, no identity, empty sums.
fn shapes(slots: usize) -> Vec<Vec<(usize, Vec<usize>)>> {
    let grid = |babies: usize, giants: &[usize]| -> Vec<(usize, Vec<usize>)> {
        let terms = |g: &usize| (*g, (0..babies).collect());
        giants.iter().map(terms).collect()
    };
    vec![
        grid(1, &[0]),
        grid(4, &[0, 4, 8, 12]),
        grid(4, &[0, 4, slots - 8, slots - 4]),
        grid(3, &[5, 6, 11]),
        vec![(0, vec![1, 2]), (8, vec![3])],
        vec![(0, vec![]), (8, vec![0, 3])],
    ]
}

/// The transforms of one operand, their diagonals periodic with `period` values.
fn check_transforms(prices: &Prices, level: usize, (slots, period): (usize, usize)) {
    let ev = prices.scales().ev;
    let shapes = shapes(slots);
    let value = |s: usize| Complex64::new(if s.is_multiple_of(period) { 1.0 } else { 0.5 }, 0.0);
    let diagonal: Vec<_> = (0..slots).map(value).collect();
    let encode = |giants: &Vec<(usize, Vec<usize>)>| {
        let terms = |babies: &Vec<usize>| babies.iter().map(|&b| (b, diagonal.clone())).collect();
        let giants = giants.iter().map(|(g, b)| (*g, terms(b))).collect();
        let plan = LinearTransformPlan { slots, giants };
        EncodedLinearTransform::new(ev.context(), &plan, level, 1.0, false).expect("a level")
    };
    let x = ev.zeros(slots, level, 1).expect("a level");
    for first in 0..shapes.len() {
        for last in [first + 1, shapes.len()] {
            let some = &shapes[first..last];
            let encoded: Vec<_> = some.iter().map(encode).collect();
            let encoded: Vec<_> = encoded.iter().collect();
            let work = some.iter().map(|giants| (slots, &giants[..], Some(period)));
            let work = LinearTransformWork::new(slots, work);
            let at = prices.at(level).expect("a level").transform.clone();
            let what = format!("level {level}, shapes {first}..{last}, period {period}");
            let found = counts(&ev, || ev.linear_transforms(&x, &encoded));
            assert_eq!(found.key_switches(), work.key_switches() as u64, "{what}");
            let seconds = prices.times().seconds(&found);
            assert_close(at.seconds(&work, false), seconds, &what);
            if level > 0 {
                let found = counts(&ev, || ev.linear_transforms_rescaled(&x, &encoded));
                let seconds = prices.times().seconds(&found);
                assert_close(at.seconds(&work, true), seconds, &what);
            }
        }
    }
}

/// The price of a transform is the dry run's, at levels with different numbers of digits and of
/// special primes, for compact diagonals and full ones.
#[test]
fn transforms_cost_what_their_parts_do() {
    let prices = prices("n16-boot");
    for level in [0, 1, 5, 16, prices.params().max_level()] {
        for shape in [(64, 1), (64, 16), (1 << 13, 1 << 13)] {
            check_transforms(&prices, level, shape);
        }
    }
    check_transforms(&self::prices("n16-ci-boot"), 4, (64, 4));
}

/// Prices of operations on batches, over levels.
#[test]
fn operations_cost_what_a_dry_run_counts() {
    let prices = prices("n16-boot");
    let ev = prices.scales().ev;
    for level in [0, 1, 7, prices.params().max_level()] {
        let at = prices.at(level).expect("a level");
        for count in [1, 3] {
            let x = ev.zeros(64, level, count).expect("a level");
            let check = |what: &str, price: f64, operation: &dyn Fn() -> Result<()>| {
                let seconds = prices.times().seconds(&counts(&ev, operation));
                assert_close(price, seconds, &format!("{what} of {count} at {level}"));
            };
            check("rotate", at.rotate.of(count), &|| {
                ev.rotate(&x, 3).map(drop)
            });
            let hoisted = at.rotate_hoisted.of(count);
            let many = |last: i64| ev.rotate_many(&x, &Vec::from_iter(1..=last)).map(drop);
            let one = prices.times().seconds(&counts(&ev, || many(1)));
            check("hoisted", one + 7.0 * hoisted, &|| many(8));
            check("add", at.add.of(count), &|| ev.add(&x, &x).map(drop));
            check("split", count as f64 * at.slice, &|| ev.split(&x).map(drop));
            let one = ev.zeros(64, level, 1).expect("a level");
            let parts = vec![one; count];
            check("join", at.join.of(count), &|| ev.join(&parts).map(drop));
            for steps in 1..6_u32 {
                let by: Vec<i64> = (0..steps).map(|i| 1 << i).collect();
                let price = at.doublings(steps as usize, count);
                check("doublings", price, &|| ev.doublings(&x, &by).map(drop));
            }
            if level > 0 {
                check("rescale", at.rescale.of(count), &|| {
                    ev.rescaled("rescale", &x).map(drop)
                });
                check("mul", at.multiply.of(count), &|| {
                    let x = x.with_scale(1.0);
                    ev.mul(&x, &x).map(drop)
                });
            } else {
                assert!(at.rescale.of(count).is_infinite());
            }
        }
    }
}

/// A matrix product costs its entries times the polynomials, and a call.
#[test]
fn matrix_products_cost_their_entries() {
    use crate::backend::GemmKernels;
    let prices = prices("n16-boot");
    let ev = prices.scales().ev;
    let (outputs, count, level) = (48, 20, 3);
    let x = ev.zeros(4, level, count).expect("a level");
    let matrix = ev.backend().matrix_shape(outputs, 2 * count).expect("some");
    let found = counts(&ev, || {
        ev.backend().gemm(ev.tables(), &matrix, &x.poly.block)
    });
    let products = (outputs * 2 * count) as f64;
    let call = prices.times().call_ns * 1e-9;
    let price = call + products * prices.at(level).expect("a level").gemm_product;
    assert_close(price, prices.times().seconds(&found), "gemm");
}

/// Prices are linear in the times; levels beyond the parameters and times of no device are refused.
#[test]
fn prices_follow_the_times() {
    let prices = prices("n16-boot");
    let twice = KernelTimes {
        threads: 2,
        call_ns: prices.times().call_ns / 2.0,
        transfer_byte_ns: prices.times().transfer_byte_ns / 2.0,
        ..*prices.times()
    };
    let faster = Prices::new(prices.params(), twice).expect("times of a device");
    let [slow, fast] = [&prices, &faster].map(|p| p.at(7).expect("a level"));
    assert_close(2.0 * fast.rotate.of(1), slow.rotate.of(1), "two threads");
    assert_close(2.0 * fast.transform.giant, slow.transform.giant, "giant");
    let beyond = prices.params().max_level() + 1;
    assert!(matches!(
        prices.at(beyond),
        Err(Error::LevelMismatch { found, .. }) if found == beyond
    ));
    let wrong = KernelTimes {
        ntt_limb_ns: -1.0,
        ..twice
    };
    let refused = Prices::new(prices.params(), wrong);
    assert!(matches!(refused, Err(Error::KernelTimes { .. })));
}

/// A refresh costs what its counts do, and is worked out once.
#[test]
fn refreshes_are_priced_by_their_counts() {
    let prices = prices("n16-boot");
    let options = BootstrapOptions::default();
    let cost = refresh_cost(prices.params(), 8, options, false).expect("a preset that bootstraps");
    for _ in 0..2 {
        let seconds = prices.refresh(8, options, false).expect("the same");
        assert_close(seconds, prices.times().seconds(&cost.counts), "refresh");
        assert_eq!(prices.known().refreshes.len(), 1);
    }
}
