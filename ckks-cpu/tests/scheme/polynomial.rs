//! Polynomials of ciphertexts, with factors and masks.

use crate::common::{literal, ramp, setup, worst};
use ckks_math::keys::{KeyPurpose, KeyRequest};
use ckks_math::polyval::{Chebyshev, Plan};

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
