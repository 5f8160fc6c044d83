//! Products of encoded diagonals with encrypted tensors.
//!
//! ```text
//! one input        all babies of all maps from one decomposition, giants summed before
//!                  the division by P
//! several inputs   for each input the inner sums of all giant steps (babies shared as above),
//!                  added up over the inputs, then one rotation for each giant step
//! ```

use std::collections::BTreeMap;

use ckks_math::backend::Backend;
use ckks_math::{Ciphertext, Evaluator};

use super::encode::EncodedDiagonals;
use super::structure::{Diagonals, OutputSteps, Target};
use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::packed::{Packed, join};

/// Fails unless a tensor lies as the matrix reads it.
pub(super) fn check_layout(found: &Layout, input: &Layout) -> Result<()> {
    if found.fields().eq(input.fields()) && found.log_slots() == input.log_slots() {
        return Ok(());
    }
    Err(Error::LayoutMismatch {
        op: "matrix product",
        left: found.to_string(),
        right: input.to_string(),
    })
}

/// The product of one structure and encoded form with one operand.
pub(super) struct Product<'a, B: Backend> {
    pub diagonals: &'a Diagonals,
    pub encoded: &'a EncodedDiagonals<B>,
    pub ev: &'a Evaluator<B>,
}

impl<B: Backend> Product<'_, B> {
    /// The images of a tensor, one for each map: at the level below, at its canonical scale.
    ///
    /// # Errors
    ///
    /// [`Error::LayoutMismatch`] for a tensor in another layout than was planned for;
    /// [`Error::Scheme`] when it is not at the level encoded for, for a missing rotation key, and
    /// where the device fails.
    pub fn of(&self, x: &Packed<B>) -> Result<Vec<Packed<B>>> {
        check_layout(x.layout(), &self.diagonals.input)?;
        if x.level() != self.encoded.level {
            return Err(ckks_math::Error::LevelMismatch {
                op: "matrix product",
                found: x.level(),
                expected: self.encoded.level,
            }
            .into());
        }
        let mut sums = self.inner_sums(x)?;
        let mut results = Vec::with_capacity(self.diagonals.maps.len());
        for (map, steps) in self.diagonals.maps.iter().enumerate() {
            let output = |(output, of_output)| {
                let target = (map, output);
                match self.output(&mut sums, target, of_output)? {
                    Some(sum) => Ok(sum),
                    None => self.zeros(steps.period),
                }
            };
            let outputs = steps.outputs.iter().enumerate();
            let mut batch = join(self.ev, outputs.map(output).collect::<Result<_>>()?)?;
            if !self.diagonals.single() {
                batch = self.ev.rescale(&batch)?;
            }
            let batch = batch.with_scale(self.encoded.target);
            let folds: Vec<i64> = steps.folds.iter().map(|&fold| fold as i64).collect();
            let batch = self.ev.doublings(&batch, &folds)?;
            results.push(Packed::new(steps.output.clone(), batch)?);
        }
        Ok(results)
    }

    /// The transforms of all inputs, those with the same target added up.
    fn inner_sums(&self, x: &Packed<B>) -> Result<BTreeMap<Target, Ciphertext<B>>> {
        let ev = self.ev;
        let mut sums: BTreeMap<Target, Ciphertext<B>> = BTreeMap::new();
        for (x, transforms) in ev.split(x.batch())?.iter().zip(&self.encoded.transforms) {
            if transforms.is_empty() {
                continue;
            }
            let encoded: Vec<_> = transforms.iter().map(|(_, t)| t).collect();
            let results = if self.diagonals.single() {
                ev.linear_transforms_rescaled(x, &encoded)?
            } else {
                ev.linear_transforms(x, &encoded)?
            };
            for ((target, _), result) in transforms.iter().zip(results) {
                let sum = match sums.remove(target) {
                    Some(sum) => ev.add(&sum, &result)?,
                    None => result,
                };
                sums.insert(*target, sum);
            }
        }
        Ok(sums)
    }

    /// One output ciphertext: its inner sums rotated by their giant steps, before rescaling; with
    /// a single input the transform itself, which is rescaled. `None` without any diagonal.
    fn output(
        &self,
        sums: &mut BTreeMap<Target, Ciphertext<B>>,
        (map, output): (usize, usize),
        of_output: &OutputSteps,
    ) -> Result<Option<Ciphertext<B>>> {
        if self.diagonals.single() {
            let giant = 0;
            return Ok(sums.remove(&Target { map, output, giant }));
        }
        let mut total: Option<Ciphertext<B>> = None;
        for (giant, step) in of_output.giants.iter().enumerate() {
            let Some(sum) = sums.remove(&Target { map, output, giant }) else {
                continue;
            };
            let rotated = self.ev.rotate(&sum, step.amount as i64)?;
            total = Some(match total {
                Some(total) => self.ev.add(&total, &rotated)?,
                None => rotated,
            });
        }
        Ok(total)
    }

    /// An output ciphertext without any diagonal, at the level and scale of the others.
    fn zeros(&self, period: usize) -> Result<Ciphertext<B>> {
        let level = self.encoded.level;
        if self.diagonals.single() {
            return Ok(self.ev.zeros(period, level - 1, 1)?);
        }
        let scale = self.encoded.target * self.ev.context().params().group_modulus(level);
        Ok(self.ev.zeros(period, level, 1)?.with_scale(scale))
    }
}
