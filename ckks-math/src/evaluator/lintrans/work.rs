//! How many parts of which kind transforms have.

use super::plan::GiantChains;
use std::collections::{BTreeMap, BTreeSet};

/// The numbers of the parts of transforms of one operand, as
/// [`crate::evaluator::Evaluator::linear_transforms`] runs them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinearTransformWork {
    /// Rotations of the operand by amounts other than 0, all of one decomposition.
    pub babies: usize,
    /// Whether the operand itself, not rotated, is multiplied by a diagonal.
    pub identity: bool,
    /// Giant steps that take a key switch.
    pub giants: usize,
    /// Inner sums.
    pub sums: usize,
    /// Products with diagonals.
    pub products: usize,
    /// Transforms.
    pub results: usize,
    /// How often so many diagonals, of such a period each, are brought to the device at use.
    pub lifts: BTreeMap<(usize, usize), usize>,
}

impl LinearTransformWork {
    /// The work of some transforms of an operand of `operand_slots` slots, each given by its slots,
    /// its giant steps with their baby steps, and the period of its diagonals if these are brought
    /// to the device at use.
    pub fn new<'a>(
        operand_slots: usize,
        transforms: impl IntoIterator<Item = (usize, &'a [(usize, Vec<usize>)], Option<usize>)>,
    ) -> Self {
        let mut work = Self::default();
        let mut babies = BTreeSet::new();
        for (slots, giants, period) in transforms {
            let amounts: Vec<usize> = giants.iter().map(|(giant, _)| *giant).collect();
            work.giants += GiantChains::new(&amounts, slots, operand_slots).switches();
            work.results += 1;
            for (_, terms) in giants.iter().filter(|(_, terms)| !terms.is_empty()) {
                babies.extend(terms.iter().copied());
                work.sums += 1;
                work.products += terms.len();
                if let Some(period) = period {
                    *work.lifts.entry((terms.len(), period)).or_default() += 1;
                }
            }
        }
        work.identity = babies.remove(&0);
        work.babies = babies.len();
        work
    }

    /// Polynomials multiplied with a switching key.
    pub fn key_switches(&self) -> usize {
        self.babies + self.giants
    }
}
