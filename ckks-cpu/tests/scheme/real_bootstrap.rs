//! Refreshes on the conjugate-invariant ring: all slots (odd basis) and fewer (native basis).
//!
//! Errors as on the standard ring (`bootstrap.rs`), for K = 31 and N = 2^9: 2^-21.3 of the sine,
//! 2^-21.7 of the fit. A slot of a rescaling has deviation `sqrt(2 N (2 h + 1) / 12)`, 2^7.9 for
//! h = 2 N / 3: every coordinate is two monomials, of the error and of the secret. `T_2`, at scale
//! 2^58, counts `r K^2` at most, 2^-29.2, and `T_4`, at 2^56, a quarter, 2^-29.2; both where an
//! overflow count is 0. Ten deviations, 2^-25.4, and the systematic parts stay below 1.5e-6,
//! 2^-19.3.

use crate::common::{ramp, real_literal, setup, worst};
use crate::refreshes::{
    averages_copies, bootstrapper, mean_error_of_eight_secrets, restores_levels,
};
use ckks_math::bootstrap::{
    BootstrapOptions, RealBasis, bottom_scale, real_order, refresh_requests,
};
use ckks_math::keys::KeyPurpose;
use ckks_math::polynomial::overflow_real::real_overflow_failure_log2;

const WORST: f64 = 1.5e-6;
const ALL: usize = 512;

/// All numbers of slots; the level found is the one promised, the failure bound that of the basis.
#[test]
fn refresh_restores_levels_at_every_number_of_slots() {
    let mut s = setup(real_literal(9), 9);
    for slots in [4, 8, 64, 256, ALL] {
        let basis = if slots == ALL {
            RealBasis::Odd
        } else {
            RealBasis::Native
        };
        let bound = real_overflow_failure_log2(basis, 32, 31, ALL, slots as u64);
        assert_eq!(bootstrapper(&s, slots).failure_log2(), bound);
        assert!(bound < -128.0, "{bound}");
        restores_levels(&mut s, slots, WORST);
    }
}

/// Eight secrets: the worst slot of each, and the mean of all. Sine and fit leave 2^-21.5 in the
/// mean, noise less.
#[test]
fn several_secrets_keep_the_precision() {
    let mean = mean_error_of_eight_secrets(real_literal(9), WORST);
    assert!(mean < 2_f64.powf(-20.5), "{mean:e}");
}

/// Batches, periods, and slots with signs that make native coefficients of the odd coordinates wrap
/// around the base modulus.
#[test]
fn batches_periods_and_wrapping_coefficients_are_refreshed() {
    let mut s = setup(real_literal(9), 10);
    let boot = bootstrapper(&s, ALL);
    let ev = s.evaluator(s.refresh_keys(ALL, false));
    // Coordinates 1, -1, 1, ..: coefficients of up to 512, a quarter of the base modulus.
    let signs: Vec<f64> = real_order(ALL, RealBasis::Odd)
        .unwrap()
        .iter()
        .map(|k| if k % 2 == 0 { 1.0 } else { -1.0 })
        .collect();
    let short = ramp(16);
    let batch = [
        s.encrypt(&signs, 6),
        s.encrypt(&short, 6).with_slots(ALL).unwrap(),
    ];
    let batch = ev.join(&batch).unwrap();
    let refreshed = ev.split(&boot.refresh(&ev, &batch).unwrap()).unwrap();
    let short: Vec<f64> = short.iter().copied().cycle().take(ALL).collect();
    for (found, wanted) in refreshed.iter().zip([signs, short]) {
        assert!(worst(&s.read(found), &wanted) < WORST);
    }
}

/// SlotsToCoeffs puts slot `j` into coordinate `real_order[j]`, in the odd basis modulo the base
/// modulus; sums at the bottom are sums of slots.
#[test]
fn the_halves_are_used_apart() {
    let mut s = setup(real_literal(9), 12);
    for (slots, basis) in [(8, RealBasis::Native), (ALL, RealBasis::Odd)] {
        let boot = bootstrapper(&s, slots);
        let ev = s.evaluator(s.refresh_keys(slots, false));
        let x: Vec<f64> = ramp(slots).iter().map(|v| 0.5 * v).collect();
        let y: Vec<f64> = (0..slots).map(|i| 0.5 * (i as f64).cos()).collect();
        let bottom = |ct| boot.slots_to_coeffs(&ev, &ct).unwrap();
        let (cx, cy) = (bottom(s.encrypt(&x, 3)), bottom(s.encrypt(&y, 5)));
        let scale = bottom_scale(s.context.params()).unwrap();
        assert!((cx.scale() / scale - 1.0).abs() < 1e-12);
        let ratio = s.context.params().group_modulus(0) / scale;
        let p = s.decryptor.decrypt(&cx).unwrap().remove(0);
        let native = s.context.decode_coefficients(&p, slots).unwrap();
        let coordinate = |m: usize| match basis {
            RealBasis::Native => native[m],
            RealBasis::Odd => {
                let sum = native[m] + native.get(m + 1).unwrap_or(&0.0);
                sum - ratio * (sum / ratio).round()
            }
        };
        let order = real_order(slots, basis).unwrap();
        let held: Vec<f64> = order.iter().map(|&m| coordinate(m)).collect();
        assert!(worst(&held, &x) < WORST, "{:e}", worst(&held, &x));
        let sum = boot.half_boot(&ev, &ev.add(&cx, &cy).unwrap()).unwrap();
        assert_eq!(sum.level(), boot.output_level());
        let wanted: Vec<f64> = x.iter().zip(&y).map(|(x, y)| x + y).collect();
        assert!(worst(&s.read(&sum), &wanted) < WORST);
    }
}

#[test]
fn periodic_vectors_are_averaged() {
    averages_copies(real_literal(9), WORST, 2_f64.powi(-27));
}

/// The keys found by a dry run are those that a refresh uses: with them it runs (above), and
/// without any one of the rotation keys it does not.
#[test]
fn no_rotation_key_of_the_dry_run_is_spare() {
    let mut s = setup(real_literal(9), 16);
    let slots = 8;
    let boot = bootstrapper(&s, slots);
    let requests = s.refresh_keys(slots, false);
    let ct = s.encrypt(&ramp(slots), boot.input_level());
    for omitted in &requests {
        if matches!(omitted.purpose, KeyPurpose::Galois(_)) {
            let ev = s.evaluator(requests.iter().copied().filter(|r| r != omitted));
            assert!(boot.refresh(&ev, &ct).is_err(), "{omitted:?} is spare");
        }
    }
}

#[test]
fn complex_slots_are_refused() {
    let s = setup(real_literal(9), 17);
    let found = refresh_requests(s.context.params(), ALL, BootstrapOptions::default(), true);
    let text = found.unwrap_err().to_string();
    assert!(text.contains("real"), "{text}");
}
