//! Rotations and what is made of them.

use super::{Batch, Scheme, Verdict, ensure, map, rotated, zip};
use crate::backend::Backend;
use crate::error::Error;
use crate::keys::{GaloisElement, KeyPurpose};

/// Rotations to either side, alone and hoisted, of full and of sparse batches; the conjugate; sums
/// over slots. On the conjugate-invariant ring all `N` slots are one cycle.
pub fn rotations_match_the_clear<B: Backend>(backend: &B) -> Verdict {
    Scheme::each(backend, |s| {
        let level = s.top();
        let scale = s.context.params().scale_at(level);
        let switched = s.noise.fresh().hypot(s.noise.switch(level)) / scale;
        for slots in [s.slots(), 4] {
            let steps = [1, -1, 3, slots as i64 / 2, slots as i64 + 1];
            let mut keys: Vec<KeyPurpose> = steps.map(|k| s.rotation(k, slots)).to_vec();
            keys.push(s.rotation(2, slots));
            keys.push(s.rotation(4, slots));
            if !s.is_real() {
                let g = GaloisElement::conjugation(s.context.params().ring());
                keys.push(KeyPurpose::Galois(g));
            }
            // Steps of the whole period are the identity and need no key.
            let identity =
                KeyPurpose::Galois(GaloisElement::rotation(s.context.params().ring(), 0));
            keys.retain(|&key| key != identity);
            let ev = s.evaluator(&keys)?;
            let x = s.messages(2, slots, slots as u64);
            let cx = s.encrypt(&x, level)?;
            let hoisted = ev.rotate_many(&cx, &steps)?;
            for (k, hoisted) in steps.into_iter().zip(hoisted) {
                let wanted = rotated(&x, k);
                let of = format!("{slots} slots by {k}");
                s.expect(
                    &format!("rotate {of}"),
                    &ev.rotate(&cx, k)?,
                    &wanted,
                    switched,
                )?;
                s.expect(&format!("rotate hoisted {of}"), &hoisted, &wanted, switched)?;
            }
            let same = ev.rotate(&cx, -(slots as i64))?;
            s.expect("rotate by the period", &same, &x, switched)?;
            s.expect(
                "conjugate",
                &ev.conjugate(&cx)?,
                &map(&x, |a| a.conj()),
                switched,
            )?;
            // The sum of count slots has count times the first error at most.
            for (stride, count) in [(1, 4), (slots / 2, 2), (1, 1)] {
                let wanted = (1..count).fold(x.clone(), |sum: Batch, i| {
                    zip(&sum, &rotated(&x, (i * stride) as i64), |a, b| a + b)
                });
                let sum = ev.inner_sum(&cx, stride, count)?;
                let what = format!("inner_sum of {count} at stride {stride} of {slots}");
                s.expect(&what, &sum, &wanted, 2.0 * count as f64 * switched)?;
            }
            for (stride, count) in [(1, 3), (slots, 2), (0, 2), (usize::MAX, 2)] {
                ensure!(
                    matches!(
                        ev.inner_sum(&cx, stride, count),
                        Err(Error::SlotMismatch { .. })
                    ),
                    "inner_sum admits {count} slots at stride {stride} of {slots}"
                );
            }
            let none = s.evaluator(&[])?.rotate(&cx, 1);
            ensure!(
                matches!(none, Err(Error::MissingKey { level: at, .. }) if at == level),
                "a rotation without its key is not refused as such"
            );
        }
        Ok(())
    })
}
