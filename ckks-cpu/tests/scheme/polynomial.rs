//! Polynomials of ciphertexts, with factors and masks.

use crate::common::{literal, on_ring, ramp, setup, worst};
use ckks_math::keys::{KeyPurpose, KeyRequest};
use ckks_math::polynomial::{Chebyshev, Plan};

/// A polynomial times a ciphertext and times a mask, against the clear values: errors of a few
/// rescalings at scale 2^40 (2^-30 a slot), times the coefficients' sum (below 4).
#[test]
fn polynomials_take_factors_and_masks() {
    let mut s = setup(literal(9), 5);
    let (n, level) = (64, 9);
    let (x, z) = (
        ramp(n),
        (0..n).map(|i| (i as f64 * 0.7).sin()).collect::<Vec<_>>(),
    );
    let (cx, cz, late) = (
        s.encrypt(&x, level),
        s.encrypt(&z, level),
        s.encrypt(&z, level - 2),
    );
    let ev = s.evaluator([KeyRequest {
        purpose: KeyPurpose::Relinearization,
        level,
    }]);
    let scale_at = |level| s.context.params().scale_at(level);
    let f = |v: f64| 1.0 / (v + 1.5).sqrt();
    let mask: Vec<f64> = (0..n).map(|i| if i % 3 == 0 { 0.0 } else { 1.0 }).collect();
    for degree in [1, 2, 6, 7, 14, 15, 30] {
        let p = Chebyshev::interpolate(f, (-1.0, 1.0), degree).unwrap();
        for (factor, levels) in [(&cz, 0), (&late, 2)] {
            let plan = Plan::with_factor(&p, levels);
            let out = level - plan.depth() as usize;
            let y = ev
                .polynomial_times(&cx, &plan, factor, scale_at(out))
                .unwrap();
            assert_eq!(y.level(), out);
            let want: Vec<f64> = x.iter().zip(&z).map(|(x, z)| p.eval(*x) * z).collect();
            let error = worst(&s.read(&y), &want);
            assert!(error < 1e-6, "degree {degree} late {levels}: {error}");

            // One argument serves a batch of factors.
            let both = ev
                .join(&[factor.clone(), ev.negate(factor).unwrap()])
                .unwrap();
            let products = ev
                .polynomial_times(&cx, &plan, &both, scale_at(out))
                .unwrap();
            for (i, sign) in [1.0, -1.0].into_iter().enumerate() {
                let product = ev.slice(&products, i..i + 1).unwrap();
                let want: Vec<f64> = want.iter().map(|v| sign * v).collect();
                let error = worst(&s.read(&product), &want);
                assert!(error < 1e-6, "degree {degree}, factor {i}: {error}");
            }
        }
        let plan = Plan::new(&p);
        let scale = scale_at(level - plan.depth() as usize);
        let y = ev.polynomial_masked(&cx, &plan, &mask, scale).unwrap();
        let want: Vec<f64> = x.iter().zip(&mask).map(|(x, m)| p.eval(*x) * m).collect();
        let error = worst(&s.read(&y), &want);
        assert!(error < 1e-6, "masked degree {degree}: {error}");
    }
}

/// A circuit that refreshes with SlotsToCoeffs on one level computes on the other levels made for
/// it, which are narrower than the scale. The lowest canonical scales are 2^34.7, 2^31.5 and 2^54
/// (whose narrow levels take no products), where a rescaling leaves 2^7.5 in a slot; powers up to
/// 15 amplify it up to 2^8 times.
#[test]
fn polynomials_keep_their_bits_on_narrow_levels() {
    for (name, bound) in [
        ("n16-boot", -19.0_f64),
        ("n15-boot", -16.0),
        ("n16-boot-w31", -16.0),
    ] {
        let mut s = setup(on_ring(name, 10), 8);
        let p = Chebyshev::interpolate(|v| 1.0 / (v + 1.2), (-1.0, 1.0), 15).unwrap();
        let depth = Plan::new(&p).depth() as usize;
        let out = s.context.params().least_product_level().max(1);
        let x = ramp(64);
        let cx = s.encrypt(&x, out + depth);
        let ev = s.evaluator([KeyRequest {
            purpose: KeyPurpose::Relinearization,
            level: out + depth,
        }]);
        let y = ev.polynomial(&cx, &p).unwrap();
        assert_eq!(y.level(), out);
        let want: Vec<f64> = x.iter().map(|x| p.eval(*x)).collect();
        let error = worst(&s.read(&y), &want);
        println!("{name}: error 2^{:.1}", error.log2());
        assert!(error < bound.exp2(), "{name}: {error:e}");
    }
}
