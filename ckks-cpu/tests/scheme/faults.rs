//! Inputs that gave panics or silent wrong numbers: each has its result or a typed error.

use crate::common::{literal, on_ring, ramp, setup, worst};
use crate::refreshes::bootstrapper;
use ckks_math::Error;
use ckks_math::keys::{KeyPurpose, KeyRequest};
use ckks_math::polynomial::{Chebyshev, Plan};

fn relinearisation(level: usize) -> KeyRequest {
    KeyRequest {
        purpose: KeyPurpose::Relinearization,
        level,
    }
}

/// A constant is a polynomial: of degree 0, of zero, with leading zeros, at every level and on
/// every interval, alone and with a mask. It takes no level.
#[test]
fn polynomials_of_degree_zero_are_their_constant() {
    let mut s = setup(literal(9), 70);
    let top = s.context.params().max_level();
    let x = ramp(16);
    for level in [0, 1, 3, top] {
        let ct = s.encrypt(&x, level);
        let ev = s.evaluator([]);
        for coefficients in [
            vec![0.25],
            vec![0.0],
            vec![-0.5, 0.0],
            vec![0.75, 0.0, 0.0, 0.0, 0.0],
        ] {
            for interval in [(-1.0, 1.0), (-3.0, 5.0)] {
                let series = Chebyshev::from_coefficients(interval, coefficients.clone()).unwrap();
                let y = ev.polynomial(&ct, &series).unwrap();
                assert_eq!((y.level(), y.scale()), (level, ct.scale()));
                let found = s.read(&y);
                assert!(
                    worst(&found, &[coefficients[0]; 16]) < 1e-6,
                    "{level} {coefficients:?}"
                );
                let plan = Plan::new(&series);
                assert_eq!(plan.depth(), 0);
                let mask: Vec<f64> = (0..16).map(|i| f64::from(i % 2)).collect();
                let y = ev.polynomial_masked(&ct, &plan, &mask, ct.scale()).unwrap();
                let wanted: Vec<f64> = mask.iter().map(|m| m * coefficients[0]).collect();
                assert!(
                    worst(&s.read(&y), &wanted) < 1e-6,
                    "{level} {coefficients:?}"
                );
            }
        }
    }
}

/// A product whose scale does not fit under the modulus, and a rescaling that leaves nothing of the
/// message, are refused: they were wrong numbers.
#[test]
fn scales_that_leave_no_room_are_refused() {
    let mut s = setup(literal(9), 71);
    let out_of_range = |what: &str, error: Option<Error>| match error {
        Some(error @ Error::ScaleOutOfRange { .. }) => {
            let text = error.to_string();
            assert!(text.contains("half the modulus"), "{what}: {text}");
        }
        other => panic!("{what}: {other:?}"),
    };
    let x = s.encrypt(&ramp(16), 0);
    let ev = s.evaluator([relinearisation(0), relinearisation(1), relinearisation(8)]);
    out_of_range("multiply at level 0", ev.multiply(&x, &x).err());
    let p = s.context.encode(&ramp(16), 0, 2_f64.powi(40)).unwrap();
    out_of_range("plain product at level 0", ev.multiply_plain(&x, &p).err());
    let x = s.encrypt(&ramp(16), 1);
    let square = ev.multiply(&x, &x).unwrap();
    out_of_range("a second product", ev.multiply(&square, &x).err());
    let p = s.context.encode(&ramp(16), 1, 2_f64.powi(40)).unwrap();
    out_of_range(
        "a second plain product",
        ev.multiply_plain(&square, &p).err(),
    );
    // Rescalings without products.
    let x = s.encrypt(&ramp(16), 8);
    let once = ev.rescale(&x);
    let again = once.and_then(|x| ev.rescale(&x));
    out_of_range("two rescalings", again.err());
    // A product and its rescaling stay as they were.
    let y = ev.rescale(&ev.multiply(&x, &x).unwrap()).unwrap();
    let wanted: Vec<f64> = ramp(16).iter().map(|v| v * v).collect();
    assert!(worst(&s.read(&y), &wanted) < 1e-6);
}

/// Constants that do not fit the modulus at the scale of the ciphertext wrap around it: refused, as
/// values are.
#[test]
fn constants_that_would_wrap_are_refused() {
    let mut s = setup(literal(9), 72);
    let constant = |what: &str, error: Option<Error>| match error {
        Some(error @ Error::Constant { .. }) => assert_eq!(error.code(), "constant"),
        other => panic!("{what}: {other:?}"),
    };
    let x = s.encrypt(&ramp(16), 0);
    let ev = s.evaluator([]);
    // q0 is 2^49, the scale 2^40: 2^8 is the bound.
    for c in [1e4, -1e4, 256.1, f64::NAN, f64::INFINITY] {
        constant("add_constant", ev.add_constant(&x, c).err());
        assert!(ev.add_values(&x, &[c; 16]).is_err(), "add_values {c}");
    }
    let y = ev.add_constant(&x, 200.0).unwrap();
    let wanted: Vec<f64> = ramp(16).iter().map(|v| v + 200.0).collect();
    assert!(worst(&s.read(&y), &wanted) < 1e-6);
    constant("mul_integer", ev.mul_integer(&x, 2_f64.powi(49)).err());
    let x = s.encrypt(&ramp(16), 1);
    for c in [1e4, -1e4, 1e30, f64::NAN] {
        constant("mul_constant", ev.mul_constant(&x, c).err());
    }
    let y = ev.mul_constant(&x, 100.0).unwrap();
    let wanted: Vec<f64> = ramp(16).iter().map(|v| v * 100.0).collect();
    assert!(worst(&s.read(&y), &wanted) < 1e-4);
}

/// Slots and counts that no batch has.
#[test]
fn zeros_of_no_shape_are_refused() {
    let mut s = setup(literal(9), 73);
    let ev = s.evaluator([]);
    for slots in [0, 3, 512, 1 << 60, usize::MAX] {
        let error = ev.zeros(slots, 3, 1).err().unwrap();
        assert_eq!(error.code(), "slot-mismatch", "{slots}: {error}");
    }
    for count in [0, (1 << 16) + 1, 1 << 60, usize::MAX] {
        let error = ev.zeros(8, 3, count).err().unwrap();
        assert_eq!(error.code(), "count", "{count}: {error}");
    }
    let error = ev.zeros(8, 99, 1).err().unwrap();
    assert_eq!(error.code(), "level-mismatch", "{error}");
    let x = s.encrypt(&ramp(8), 3);
    for (range, code) in [(0..0, "count"), (0..2, "count"), (1..1, "count")] {
        let error = ev.slice(&x, range.clone()).err().unwrap();
        assert_eq!(error.code(), code, "{range:?}: {error}");
    }
    assert_eq!(ev.join(&[]).err().unwrap().code(), "count");
    let product = ev.multiply_without_relinearisation(&x, &x).unwrap();
    for error in [
        ev.rotate(&product, 1).err(),
        ev.hoist(&product).err(),
        ev.conjugate(&product).err(),
        ev.multiply(&product, &product).err(),
        ev.join(&[product.clone(), product.clone(), x.clone()])
            .err(),
    ] {
        let error = error.unwrap();
        assert!(
            ["components", "scale-mismatch"].contains(&error.code()),
            "{error}"
        );
    }
}

/// A ciphertext that was dropped to the input level keeps the scale of where it came from: the
/// refresh makes up for it.
#[test]
fn a_dropped_ciphertext_is_refreshed() {
    let mut s = setup(on_ring("n16-boot", 9), 74);
    for slots in [16, 256] {
        let boot = bootstrapper(&s, slots);
        let ev = s.evaluator(s.refresh_keys(slots, false));
        let x = ramp(slots);
        let high = s.encrypt(&x, 10);
        for level in [boot.input_level(), boot.input_level() + 1] {
            let dropped = ev.drop_to(&high, level).unwrap();
            let canonical = s.context.params().scale_at(level);
            if level == boot.input_level() {
                assert!(
                    (dropped.scale() / canonical).log2() > 1.0,
                    "nothing to make up for"
                );
            }
            let y = boot.refresh(&ev, &dropped).unwrap();
            assert_eq!((y.level(), y.slots()), (boot.output_level(), slots));
            let error = worst(&s.read(&y), &x);
            assert!(error < 2e-6, "{slots} slots from level {level}: {error:e}");
        }
        let far = ev.drop_to(&high, boot.input_level()).unwrap();
        let far = far.with_scale(far.scale() * 2_f64.powi(20));
        let error = boot.refresh(&ev, &far).err().unwrap();
        assert_eq!(error.code(), "scale-mismatch", "{error}");
    }
}
