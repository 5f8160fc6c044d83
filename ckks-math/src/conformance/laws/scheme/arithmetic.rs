//! Sums, products, levels and scales.

use super::{Scheme, Verdict, ensure, map, reals, zip};
use crate::backend::Backend;
use crate::error::Error;
use crate::keys::KeyPurpose;

/// Sums, differences, negatives, and operands that are plaintexts, slots, constants and whole
/// numbers, on a batch of two: no noise beyond that of the operands, no level.
pub fn sums_match_the_clear<B: Backend>(backend: &B) -> Verdict {
    Scheme::each(backend, |s| {
        let (level, ev) = (2, s.evaluator(&[])?);
        let scale = s.context.params().scale_at(level);
        // Two independent errors, or one and an encoding: at most sqrt(2) of one.
        let one = s.noise.fresh() / scale;
        let two = 2_f64.sqrt() * one;
        let (x, y) = (s.messages(2, s.slots(), 1), s.messages(2, s.slots(), 2));
        let cx = s.encrypt(&x, level)?;
        let cy = ev.slice(&s.encrypt(&[y.clone(), y.clone()].concat(), level)?, 2..4)?;
        s.expect("add", &ev.add(&cx, &cy)?, &zip(&x, &y, |a, b| a + b), two)?;
        s.expect("sub", &ev.sub(&cx, &cy)?, &zip(&x, &y, |a, b| a - b), two)?;
        s.expect("negate", &ev.negate(&cx)?, &map(&x, |a| -a), one)?;
        let tripled = ev.mul_integer(&cx, -3.0)?;
        s.expect("mul_integer", &tripled, &map(&x, |a| a * -3.0), 3.0 * one)?;
        let shifted = ev.add_constant(&cx, -0.375)?;
        let wanted = map(&x, |a| a + (-0.375).into());
        s.expect("add_constant", &shifted, &wanted, two)?;
        // One plaintext for both ciphertexts, from a level above.
        let p = s.encode(&y[0], s.top(), scale)?;
        let wanted = zip(&x, &vec![y[0].clone(); 2], |a, b| a + b);
        s.expect("add_plain", &ev.add_plain(&cx, &p)?, &wanted, two)?;
        let real = s.real_messages(1, s.slots() / 4, 3).remove(0);
        let wanted = map(&x, |a| a);
        let wanted = wanted.into_iter().map(|row| {
            let cycled = real.iter().cycle();
            row.into_iter().zip(cycled).map(|(a, &b)| a + b).collect()
        });
        let sum = ev.add_values(&cx, &reals(&real))?;
        s.expect("add_values, periodic", &sum, &wanted.collect(), two)?;
        let halves = ev.split(&cx)?;
        s.expect("split", &halves[1], &vec![x[1].clone()], one)?;
        let swapped = ev.join(&[halves[1].clone(), halves[0].clone()])?;
        let wanted = vec![x[1].clone(), x[0].clone()];
        s.expect("join", &swapped, &wanted, one)
    })
}

/// Products of ciphertexts, squares, products with plaintexts, slots and constants, relinearised or
/// decrypted with three components, rescaled, on a batch of two.
pub fn products_match_the_clear<B: Backend>(backend: &B) -> Verdict {
    Scheme::each(backend, |s| {
        let (level, ev) = (s.top(), s.evaluator(&[KeyPurpose::Relinearization])?);
        let params = s.context.params();
        let (scale, below) = (params.scale_at(level), params.scale_at(level - 1));
        let (x, y) = (s.messages(2, s.slots(), 1), s.messages(2, s.slots(), 2));
        let (cx, cy) = (s.encrypt(&x, level)?, s.encrypt(&y, level)?);
        let xy = zip(&x, &y, |a, b| a * b);
        // (x + e)(y + f) is off by x f + y e, at most twice one error where e = f.
        let product = 2.0 * s.noise.fresh() / scale;
        let switched = product.hypot(s.noise.switch(level) / scale.powi(2));
        let rescaled = switched.hypot(s.noise.rounding() / below);

        let three = ev.multiply_without_relinearisation(&cx, &cy)?;
        ensure!(three.components() == 3, "a product has three components");
        s.expect("multiply_without_relinearisation", &three, &xy, product)?;
        s.expect("relinearize", &ev.relinearize(&three)?, &xy, switched)?;
        s.expect("multiply", &ev.multiply(&cx, &cy)?, &xy, switched)?;
        let product = ev.mul(&cx, &cy)?;
        ensure!(
            product.level() == level - 1 && product.scale() == below,
            "a rescaled product is at the canonical scale below"
        );
        s.expect("mul", &product, &xy, rescaled)?;
        s.expect("square", &ev.square(&cx)?, &map(&x, |a| a * a), rescaled)?;
        // Two products, one relinearisation.
        let sum = ev.add(&three, &ev.multiply_without_relinearisation(&cx, &cx)?)?;
        let sum = ev.rescale(&ev.relinearize(&sum)?)?;
        let wanted = zip(&x, &y, |a, b| a * b + a * a);
        s.expect("sum of products", &sum, &wanted, 2.0 * rescaled)?;

        // A plaintext carries an encoding's error, which is below a fresh one.
        let plain = ev.multiply_plain(&cx, &s.encode(&y[0], level, scale)?)?;
        let wanted = zip(&x, &vec![y[0].clone(); 2], |a, b| a * b);
        s.expect("multiply_plain", &ev.rescale(&plain)?, &wanted, rescaled)?;
        let real = s.real_messages(1, s.slots(), 3);
        let wanted = zip(&x, &[&real[..], &real[..]].concat(), |a, b| a * b);
        let scaled = ev.mul_values(&cx, &reals(&real[0]))?;
        ensure!(
            scaled.scale() == below,
            "mul_values ends at the canonical scale"
        );
        s.expect("mul_values", &scaled, &wanted, rescaled)?;
        let scaled = ev.mul_constant(&cx, -0.7)?;
        ensure!(
            scaled.scale() == below,
            "mul_constant ends at the canonical scale"
        );
        s.expect("mul_constant", &scaled, &map(&x, |a| a * -0.7), rescaled)?;

        // Down to the bottom, and no further: x^(2^level). Each squaring doubles the relative
        // error, so that 2^(level+1) times the largest of a level bounds the result's.
        let mut power = cx;
        let mut wanted = x;
        for _ in 0..level {
            power = ev.square(&power)?;
            wanted = map(&wanted, |a| a * a);
        }
        let worst = f64::from(2_u32 << level) * rescaled;
        s.expect("repeated squares", &power, &wanted, worst)?;
        ensure!(
            matches!(
                ev.square(&power),
                Err(Error::LevelExhausted { have: 0, .. })
            ),
            "a square at level 0 has no level to be rescaled to"
        );
        Ok(())
    })
}

/// Operands of different levels meet at the lower one; `align_to` reaches a level and a scale
/// exactly, from neighbouring scales and from those of products; what cannot meet is refused.
pub fn levels_and_scales_align<B: Backend>(backend: &B) -> Verdict {
    Scheme::each(backend, |s| {
        let (top, ev) = (s.top(), s.evaluator(&[KeyPurpose::Relinearization])?);
        let params = s.context.params();
        let (x, y) = (s.messages(2, s.slots(), 1), s.messages(2, s.slots(), 2));
        let (cx, cy) = (s.encrypt(&x, top)?, s.encrypt(&y, 1)?);
        // An aligned operand is rescaled once; its factor is rounded with less error than that.
        let low = params.scale_at(1);
        let aligned = s.noise.fresh().hypot(s.noise.rounding()) / low;
        let met = 2_f64.sqrt() * aligned;
        for (what, sum) in [
            ("high + low", ev.add(&cx, &cy)?),
            ("low + high", ev.add(&cy, &cx)?),
        ] {
            ensure!(
                sum.level() == 1 && sum.scale() == low,
                "{what} is at the lower level"
            );
            s.expect(what, &sum, &zip(&x, &y, |a, b| a + b), met)?;
        }
        let difference = ev.sub(&cy, &cx)?;
        s.expect("low - high", &difference, &zip(&y, &x, |a, b| a - b), met)?;
        let dropped = ev.drop_to(&cx, 1)?;
        ensure!(dropped.scale() == cx.scale(), "dropping keeps the scale");
        s.expect("drop_to", &dropped, &x, s.noise.fresh() / cx.scale())?;
        for level in (0..top).rev() {
            for scale in [params.scale_at(level), 0.7 * params.scale_at(level)] {
                let y = ev.align_to(&cx, level, scale)?;
                ensure!(
                    y.level() == level && y.scale() == scale,
                    "align_to misses its aim"
                );
                let noise = s.noise.fresh().hypot(s.noise.rounding());
                // 20 bits are those that `align_to` vouches for where the factor has no more.
                let factor = scale / cx.scale() * params.group_modulus(level + 1);
                let deviation = (noise / scale).hypot(1.0 / factor);
                s.expect(&format!("align_to level {level}"), &y, &x, deviation)?;
            }
        }
        // An unrescaled product, two levels above: its scale is near a product of two moduli.
        let xx = map(&x, |a| a * a);
        let wide = ev.multiply(&cx, &cx)?;
        let y = ev.align_to(&wide, top - 2, params.scale_at(top - 2))?;
        let noise = 2.0 * s.noise.fresh().hypot(s.noise.rounding()) / params.scale_at(top - 2);
        s.expect("align_to of a product", &y, &xx, noise)?;
        ensure!(
            matches!(
                ev.align_to(&wide, top - 1, 1.01 * params.scale_at(top - 1)),
                Err(Error::ScaleMismatch { .. })
            ),
            "one modulus leaves no room to change a product's scale by one in a hundred"
        );
        ensure!(
            matches!(ev.add(&wide, &cx), Err(Error::ScaleMismatch { .. })),
            "a product and a factor at one level have no common scale"
        );
        ensure!(
            matches!(
                ev.drop_to(&cy, 2),
                Err(Error::LevelMismatch {
                    found: 1,
                    expected: 2,
                    ..
                })
            ),
            "no ciphertext is dropped upwards"
        );
        Ok(())
    })
}
