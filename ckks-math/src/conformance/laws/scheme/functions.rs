//! Linear transforms and polynomials.

use super::{Batch, Scheme, Verdict, ensure, map};
use crate::backend::Backend;
use crate::bootstrap::Diagonals;
use crate::encoding::Complex64;
use crate::evaluator::{EncodedLinearTransform, LinearTransformPlan};
use crate::keys::KeyPurpose;
use crate::polynomial::{Chebyshev, Plan};
use std::collections::BTreeSet;

/// The keys of some transforms.
fn keys<B: Backend>(s: &Scheme<B>, plans: &[LinearTransformPlan]) -> Vec<KeyPurpose> {
    let steps: BTreeSet<usize> = plans
        .iter()
        .flat_map(LinearTransformPlan::rotations)
        .collect();
    let rotation = |&k: &usize| s.rotation(k as i64, plans[0].slots);
    steps.iter().map(rotation).collect()
}

/// Sums of diagonals times rotations, by baby and giant steps with double hoisting: dense and with
/// a stride, with one baby step and with only baby steps, diagonals kept on the device or not.
pub fn transforms_match_the_clear<B: Backend>(backend: &B) -> Verdict {
    Scheme::each(backend, |s| {
        let level = s.top();
        let params = s.context.params();
        let scale = params.group_modulus(level);
        let below = params.scale_at(level) * (scale / params.group_modulus(level));
        let slots = s.slots();
        let amounts: [&[usize]; 3] = [
            &[0, 1, 2, 3, 5, 6, 7, 9],
            &[0, slots / 8, slots / 4, slots / 2, slots - slots / 8],
            &[1],
        ];
        for amounts in amounts {
            let rows = s.messages(amounts.len(), slots, 17);
            let map = amounts.iter().copied().zip(rows).collect();
            let matrix = Diagonals { n: slots, map };
            let x = s.messages(2, slots, 3);
            let clear = |v: &Vec<Complex64>| matrix.apply(v).expect("a vector of its length");
            let wanted: Batch = x.iter().map(clear).collect();
            let plans = [1, 2, 4, slots]
                .map(|babies| LinearTransformPlan::from_diagonals(slots, &matrix.map, babies));
            let ev = s.evaluator(&keys(s, &plans))?;
            let cx = s.encrypt(&x, level)?;
            // Each diagonal, of absolute value at most 1, brings the operand's error, that of a
            // switch for the baby step, and its encoding's; each giant step, at most one for a
            // diagonal, a switch after the diagonal's scale.
            let switch = s.noise.switch(level);
            let operand = s.noise.fresh().hypot(switch) / params.scale_at(level);
            let encoding = s.noise.encoding() / scale;
            let giant = switch / (params.scale_at(level) * scale);
            let terms = (amounts.len() as f64).sqrt() * operand.hypot(encoding).hypot(giant);
            let deviation = terms.hypot(s.noise.rounding() / below);
            let mut encoded = Vec::new();
            for (plan, resident) in plans.iter().zip([true, false, true, false]) {
                encoded.push(EncodedLinearTransform::new(
                    &s.context, plan, level, scale, resident,
                )?);
            }
            let many = ev.linear_transforms(&cx, &encoded.iter().collect::<Vec<_>>())?;
            for (i, (product, encoded)) in many.iter().zip(&encoded).enumerate() {
                let what = format!("{} diagonals, plan {i}", amounts.len());
                s.expect(&what, &ev.rescale(product)?, &wanted, deviation)?;
                let alone = ev.linear_transform(&cx, encoded)?;
                s.expect(&what, &ev.rescale(&alone)?, &wanted, deviation)?;
            }
            let low = ev.drop_to(&cx, level - 1)?;
            ensure!(
                ev.linear_transform(&low, &encoded[0]).is_err(),
                "a transform is applied below the level it was encoded for"
            );
        }
        Ok(())
    })
}

/// Chebyshev series on `[-1, 1]` and on another interval, with and without parity, of degrees with
/// and without a giant step: at the depth promised and at the canonical scale.
pub fn polynomials_match_the_clear<B: Backend>(backend: &B) -> Verdict {
    Scheme::each(backend, |s| {
        let (level, ev) = (s.top(), s.evaluator(&[KeyPurpose::Relinearization])?);
        let params = s.context.params();
        let x = s.real_messages(2, s.slots(), 5);
        let cx = s.encrypt(&x, level)?;
        let cases: [(&[f64], (f64, f64)); 5] = [
            (&[0.25, -0.5], (-1.0, 1.0)),
            (&[0.1, 0.5, -0.25, 0.125], (-1.0, 1.0)),
            (&[0.0, 0.5, 0.0, -0.25, 0.0, 0.125, 0.0, 0.3], (-1.0, 1.0)),
            (&[0.5, 0.0, 0.25, 0.0, -0.125, 0.0, 0.25], (-2.0, 3.0)),
            (
                &[
                    0.5, 0.1, -0.2, 0.3, -0.1, 0.2, 0.1, -0.3, 0.1, 0.2, 0.1, 0.2, 0.3, 0.1, 0.2,
                    0.1,
                ],
                (-1.0, 1.0),
            ),
        ];
        for (coefficients, interval) in cases {
            let series = Chebyshev::from_coefficients(interval, coefficients.to_vec())
                .map_err(crate::error::Error::from)?;
            let affine = usize::from(interval != (-1.0, 1.0));
            let depth = Plan::new(&series).depth() as usize + affine;
            let y = ev.polynomial(&cx, &series)?;
            let degree = coefficients.len() - 1;
            ensure!(
                y.level() == level - depth && y.scale() == params.scale_at(y.level()),
                "degree {degree}: level {} and scale 2^{}",
                y.level(),
                y.scale().log2()
            );
            // An error e of T_j is one of (k/j)^2 e in T_k = T_(k/j)(T_j), for |T_(k/j)'| is at
            // most (k/j)^2. Each of the powers and each sum is off by a switch and a rescaling (and
            // the rounding of its coefficients, below one); none weighs more than k^2 |c_k|.
            let plan = Plan::new(&series);
            let sources = (plan.powers().len() + plan.nonscalar_mults() + 2 + affine) as f64;
            let scale = params.scale_at(0);
            let one = s.noise.fresh().hypot(2.0 * s.noise.rounding()) / scale;
            let weights = coefficients.iter().enumerate();
            let weight: f64 = weights.map(|(k, c)| c.abs() * (k * k).max(1) as f64).sum();
            let wanted = map(&x, |v| series.eval(v.re).into());
            s.expect(
                &format!("degree {degree}"),
                &y,
                &wanted,
                sources.sqrt() * weight * one,
            )?;
        }
        Ok(())
    })
}
