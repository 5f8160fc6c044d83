//! Refreshes: real, complex, sparse, in batches, over several secrets, and in two halves.
//!
//! The error of a refreshed value `z` in `[-1, 1]`, for `r = 2^11` (`message_ratio_bits`):
//! * sine for argument: at most `c / 4`, `c = (2 pi / r)^2 / 6`: 2^-21.3;
//! * cosine polynomial: `r / (2 pi)` times the fit's relative error (2^-29.8 near integers),
//!   2^-21.5;
//! * noise: a slot of a rescaling has deviation `sqrt(N) sqrt((h + 1) / 12)`, 2^6.5 for N = 2^9,
//!   h = 192. `T_2`, at scale 2^52, counts `r K^2` at most (`bootstrap::eval_mod`), 2^-26.5, and
//!   `T_4`, at 2^49, a quarter, 2^-25.5; both where an overflow count is 0. CtS counts `K r`,
//!   2^-27.4; StC is at scale 2^38 or more, 2^-31.
//!
//! Ten deviations of the noise (2^-21.5) and the two systematic parts: about 1e-6, 2^-19.9.

use crate::common::{literal, ramp, setup, worst};
use crate::refreshes::{
    averages_copies, bootstrapper, mean_error_of_eight_secrets, restores_levels,
};
use ckks_math::bootstrap::{
    BootstrapOptions, Bootstrapper, RotationKeys, bottom_scale, refresh_cost, refresh_requests,
};
use ckks_math::encoding::Complex64;
use ckks_math::keys::merge_demand;

const WORST: f64 = 1e-6;

/// All sparse slot counts up to the full one; the level found is the one promised.
#[test]
fn refresh_restores_levels_at_every_number_of_slots() {
    let mut s = setup(literal(9), 9);
    for slots in [4, 8, 64, 128, 256] {
        restores_levels(&mut s, slots, WORST);
    }
}

/// Fewer slots than the bootstrapper's are a periodic vector of its slots; a batch of two is
/// refreshed ciphertext by ciphertext; an input above the level needed is brought down.
#[test]
fn batches_periods_and_higher_levels_are_refreshed() {
    let mut s = setup(literal(9), 10);
    let boot = bootstrapper(&s, 64);
    let ev = s.evaluator(s.refresh_keys(64, false));
    let (x, y) = (
        ramp(16),
        ramp(16).iter().map(|v| -0.5 * v).collect::<Vec<_>>(),
    );
    let batch = ev.join(&[s.encrypt(&x, 6), s.encrypt(&y, 6)]).unwrap();
    let refreshed = ev.split(&boot.refresh(&ev, &batch).unwrap()).unwrap();
    for (found, wanted) in refreshed.iter().zip([x, y]) {
        assert_eq!(found.slots(), 64);
        let wanted: Vec<f64> = wanted.iter().copied().cycle().take(64).collect();
        assert!(worst(&s.read(found), &wanted) < WORST);
    }
}

/// Complex slots, whose real and imaginary parts go through one EvalMod each.
#[test]
fn complex_slots_are_refreshed() {
    let mut s = setup(literal(9), 11);
    for slots in [4, 256] {
        let boot = bootstrapper(&s, slots);
        let ev = s.evaluator(s.refresh_keys(slots, true));
        let message = |rotation: usize| -> Vec<Complex64> {
            let (re, mut im) = (ramp(slots), ramp(slots));
            im.rotate_left(rotation);
            re.iter()
                .zip(&im)
                .map(|(&re, &im)| Complex64::new(re, im))
                .collect()
        };
        let level = boot.input_level();
        let scale = s.context.params().scale_at(level);
        let messages = [message(1), message(3)];
        let encrypted = messages.each_ref().map(|m| {
            let p = s.context.encode_complex(m, level, scale).unwrap();
            s.encryptor.encrypt(&p).unwrap()
        });
        let y = boot
            .refresh_complex(&ev, &ev.join(&encrypted).unwrap())
            .unwrap();
        assert_eq!((y.level(), y.count()), (boot.output_level(), 2));
        for (p, wanted) in s.decryptor.decrypt(&y).unwrap().iter().zip(&messages) {
            let found = s.context.decode_complex(p).unwrap();
            let error = found.iter().zip(wanted).map(|(&a, &b)| (a - b).norm());
            let error = error.fold(0.0, f64::max);
            // Real and imaginary part are each off by at most WORST.
            assert!(error < 2_f64.sqrt() * WORST, "{slots} slots: {error:e}");
        }
    }
}

/// Eight secrets: the worst slot of each, and the mean of all. The mean of `|3 c z / 4 - c z^3|`
/// over `[-1, 1]` is `0.16 c`, 2^-21.9; the fit's and the noise's means are below a half of their
/// bounds, so that 2^-21 is left for all.
#[test]
fn several_secrets_keep_the_precision() {
    let mean = mean_error_of_eight_secrets(literal(9), WORST);
    assert!(mean < 2_f64.powi(-21), "{mean:e}");
}

/// SlotsToCoeffs puts slot `j` into coefficient `rev(j)`; sums at the bottom are sums of slots.
#[test]
fn the_halves_are_used_apart() {
    let mut s = setup(literal(9), 12);
    for slots in [4_usize, 256] {
        let boot = bootstrapper(&s, slots);
        let ev = s.evaluator(s.refresh_keys(slots, false));
        let (x, y) = (
            ramp(slots).iter().map(|v| 0.5 * v).collect::<Vec<_>>(),
            (0..slots)
                .map(|i| 0.5 * (i as f64).cos())
                .collect::<Vec<_>>(),
        );
        let bottom = |ct| boot.slots_to_coeffs(&ev, &ct).unwrap();
        let (cx, cy) = (bottom(s.encrypt(&x, 3)), bottom(s.encrypt(&y, 5)));
        assert_eq!((cx.level(), cy.level()), (0, 0));
        let scale = bottom_scale(s.context.params()).unwrap();
        assert!((cx.scale() / scale - 1.0).abs() < 1e-12);
        let p = s.decryptor.decrypt(&cx).unwrap().remove(0);
        let coefficients = s.context.decode_coefficients(&p, 2 * slots).unwrap();
        let shift = usize::BITS - slots.trailing_zeros();
        let reversed: Vec<f64> = (0..slots)
            .map(|j| coefficients[j.reverse_bits() >> shift])
            .collect();
        // Three rescalings at scales from 2^38, and diagonals of 32 to 34 bits: far below.
        assert!(worst(&reversed, &x) < WORST, "{:e}", worst(&reversed, &x));

        let sum = boot.half_boot(&ev, &ev.add(&cx, &cy).unwrap()).unwrap();
        assert_eq!(sum.level(), boot.output_level());
        let wanted: Vec<f64> = x.iter().zip(&y).map(|(x, y)| x + y).collect();
        assert!(worst(&s.read(&sum), &wanted) < WORST);
        // Read at twice the scale the message is half as large, before and after.
        let half = boot
            .half_boot(&ev, &cx.with_scale(2.0 * cx.scale()))
            .unwrap();
        let wanted: Vec<f64> = x.iter().map(|v| 0.5 * v).collect();
        assert!(worst(&s.read(&half), &wanted) < WORST);
    }
}

/// The noise of a few rotations, each below 2^-28 at scale 2^40, is what copies differ by.
#[test]
fn periodic_vectors_are_averaged() {
    averages_copies(literal(9), WORST, 2_f64.powi(-28));
}

/// `failure_log2` is the published bound: twice the corner of the cube beyond 16 of 33 uniform
/// terms, 2^-33 / 33!, for each of the `2 n` coefficients.
#[test]
fn the_failure_bound_is_the_published_one() {
    let s = setup(literal(9), 13);
    let corner: f64 = 33.0 + (2..=33).map(|i| f64::from(i).log2()).sum::<f64>();
    for slots in [4, 256] {
        let wanted = 1.0 - corner + f64::from(2 * slots).log2();
        let found = bootstrapper(&s, slots as usize).failure_log2();
        assert!((found - wanted).abs() < 1e-9, "{found} {wanted}");
        assert!(found < -138.0);
    }
}

/// Fewer CtS or StC levels reach the same message; what they leave is lower top, lower input. So do
/// fewer rotation keys, and diagonals that are kept or made at each use.
#[test]
fn options_do_the_same() {
    let mut s = setup(literal(9), 14);
    let levels = BootstrapOptions {
        coeffs_to_slots_levels: Some(2),
        slots_to_coeffs_levels: Some(2),
        ..BootstrapOptions::default()
    };
    let mut counts = Vec::new();
    for (keys, resident) in [
        (RotationKeys::Many, false),
        (RotationKeys::Balanced, true),
        (RotationKeys::Few, false),
    ] {
        let options = BootstrapOptions {
            resident,
            keys,
            ..levels
        };
        let boot = Bootstrapper::new(&s.context, 256, options).unwrap();
        assert_eq!((boot.input_level(), boot.output_level()), (2, 9));
        let params = s.context.params();
        let requests = refresh_requests(params, 256, options, false).unwrap();
        // One level below the top of the chain.
        let top = requests.iter().map(|r| r.level).max();
        assert_eq!(top, Some(params.max_level() - 1));
        let cost = refresh_cost(params, 256, options, false).unwrap();
        assert_eq!(cost.output_level, boot.output_level());
        assert_eq!(cost.keys, merge_demand(params, &requests).len());
        counts.push((cost.keys, cost.key_bytes));
        let ev = s.evaluator(requests);
        let x = ramp(256);
        let ct = s.encrypt(&x, 2);
        let y = boot.refresh(&ev, &ct).unwrap();
        assert_eq!(y.level(), boot.output_level());
        assert!(worst(&s.read(&y), &x) < WORST);
    }
    assert!(counts[0] > counts[1] && counts[1] > counts[2], "{counts:?}");
}
