//! Sums over axes on ciphertexts.

use ckks_math::backend::Backend;
use ckks_math::{Ciphertext, Evaluator};

use super::{ReducePlan, Run};
use crate::error::{Error, Result};
use crate::packed::{Packed, join};

impl ReducePlan {
    /// The sum of an encrypted tensor: takes [`ReducePlan::levels`] levels, at canonical scale if
    /// it takes one, else at the operand's.
    ///
    /// Rotations and masks are done on all ciphertexts at once.
    ///
    /// # Errors
    ///
    /// [`Error::LayoutMismatch`] for a tensor in another layout than was planned for;
    /// [`Error::Scheme`] for a missing rotation key, or at level 0 where the sum takes a level.
    pub fn apply<B: Backend>(&self, ev: &Evaluator<B>, x: &Packed<B>) -> Result<Packed<B>> {
        if !x.layout().fields().eq(self.input.fields()) {
            return Err(Error::LayoutMismatch {
                op: "sum",
                left: x.layout().to_string(),
                right: self.input.to_string(),
            });
        }
        let mut batch = x.batch().clone();
        for run in self.runs() {
            batch = match run {
                Run::AddCiphertexts(groups) => add_groups(ev, &batch, groups)?,
                Run::Doublings(amounts) => ev.doublings(&batch, &amounts)?,
                Run::Mask(masks) => {
                    let all_alike = masks.windows(2).all(|pair| pair[0] == pair[1]);
                    match masks.first() {
                        Some(mask) if all_alike => ev.mul_values(&batch, mask)?,
                        _ => {
                            let parts = ev.split(&batch)?;
                            let masked = parts.iter().zip(masks);
                            let masked = masked.map(|(x, mask)| Ok(ev.mul_values(x, mask)?));
                            join(ev, masked.collect::<Result<_>>()?)?
                        }
                    }
                }
            };
        }
        Packed::new(self.output.clone(), batch)
    }
}

/// Ciphertext `i` of the result is the sum of those listed in `groups[i]`.
fn add_groups<B: Backend>(
    ev: &Evaluator<B>,
    batch: &Ciphertext<B>,
    groups: &[Vec<usize>],
) -> Result<Ciphertext<B>> {
    let parts = ev.split(batch)?;
    let sum = |group: &Vec<usize>| {
        let mut terms = group.iter().map(|&i| &parts[i]);
        let Some(first) = terms.next() else {
            let zeros = ev.zeros(batch.slots(), batch.level(), 1)?;
            return Ok(zeros.with_scale(batch.scale()));
        };
        terms.try_fold(first.clone(), |sum, x| Ok(ev.add(&sum, x)?))
    };
    join(ev, groups.iter().map(sum).collect::<Result<_>>()?)
}

#[cfg(test)]
mod tests {
    use crate::field::{Axis, Field, Padding};
    use crate::layout::Layout;
    use crate::reduce::{ReducePlan, Spread, SumOptions};
    use crate::testing::cipher::{Fixture, TOLERANCE};

    #[test]
    fn sums_agree_with_the_clear_in_slots_and_ciphertexts() {
        let mut f = Fixture::new(1, 7);
        let axes = [Axis::TOKEN, Axis::DIM, Axis::PART];
        for log_slots in [2, 4, 7] {
            let fields = [
                Field::new(Axis::TOKEN, 4),
                Field::replica(1),
                Field::new(Axis::DIM, 5),
                Field::new(Axis::PART, 2),
            ];
            let layout = Layout::new(log_slots, &fields).expect("valid");
            let (values, x) = f.random(&layout, 90);
            let clear = layout.pack_array(&values).expect("length");
            for subset in 1..8 {
                let chosen: Vec<Axis> = (0..3)
                    .filter(|i| subset >> i & 1 == 1)
                    .map(|i| axes[i])
                    .collect();
                for (spread, scale) in [(Spread::Everywhere, 1.0), (Spread::First, 0.25)] {
                    let options = SumOptions {
                        spread,
                        scale,
                        clear_padding: true,
                    };
                    let plan = ReducePlan::sum(&layout, &chosen, options).expect("valid");
                    let y = plan.apply(&f.ev, &x).expect("keys");
                    let want = plan.apply_clear(&clear).expect("shape");
                    // Up to 40 terms.
                    f.check_slots(&y, &want, 10.0 * TOLERANCE);
                    let entries = plan.output().unpack(&want).expect("shape");
                    f.check(&y, 1 - plan.levels(), &entries, 10.0 * TOLERANCE);
                    assert_eq!(y.layout().padding(), plan.output().padding());
                }
            }
        }
    }

    #[test]
    fn another_layout_is_refused() {
        let mut f = Fixture::new(1, 1);
        let layout = |axis| Layout::new(3, &[Field::new(axis, 4)]).expect("valid");
        let plan = ReducePlan::sum(&layout(Axis::DIM), &[Axis::DIM], SumOptions::default());
        let (_, x) = f.random(&layout(Axis::KEY), 91);
        let refused = plan
            .expect("valid")
            .apply(&f.ev, &x)
            .map(|y| y.layout().padding());
        assert!(
            matches!(refused, Err(crate::Error::LayoutMismatch { .. })),
            "{refused:?}"
        );
        assert_eq!(x.layout().padding(), Padding::Zero);
    }
}
