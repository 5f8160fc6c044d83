//! What a product with a matrix costs.

use std::collections::BTreeSet;

use ckks_math::evaluator::{GiantChains, doubling_rotations};

use super::structure::{Diagonals, MapSteps, OutputSteps};
use crate::bsgs::{CostModel, PlanWork};
use crate::rotations::{Rotation, merge};

impl Diagonals {
    /// For each input ciphertext its different baby steps.
    fn babies(&self) -> Vec<BTreeSet<usize>> {
        let mut babies = vec![BTreeSet::new(); self.input.ciphertexts()];
        for giant in self
            .maps
            .iter()
            .flat_map(|m| &m.outputs)
            .flat_map(|o| &o.giants)
        {
            for (input, of_input) in &giant.inputs {
                babies[*input].extend(of_input.iter().copied());
            }
        }
        babies
    }

    /// The rotations of the giant steps of an output, one for each key switch: over one input they
    /// are taken in chains.
    fn giant_rotations(&self, map: &MapSteps, output: &OutputSteps) -> Vec<usize> {
        let amounts: Vec<usize> = output.giants.iter().map(|giant| giant.amount).collect();
        if self.single() {
            return GiantChains::new(&amounts, map.period, self.input.period()).rotations;
        }
        amounts.into_iter().filter(|&amount| amount != 0).collect()
    }

    /// How many parts of which kind a product has.
    pub(super) fn work(&self) -> PlanWork {
        let babies = self.babies();
        let rotated = |of: &BTreeSet<usize>| of.iter().filter(|&&baby| baby != 0).count();
        let outputs = || self.maps.iter().flat_map(|map| &map.outputs);
        let giants = || outputs().flat_map(|output| &output.giants);
        let switches = self.maps.iter().flat_map(|map| {
            let of_outputs = map.outputs.iter();
            of_outputs.map(|output| self.giant_rotations(map, output).len())
        });
        PlanWork {
            single: self.single(),
            inputs: babies.len(),
            operands: babies.iter().filter(|of| !of.is_empty()).count(),
            hoists: babies.iter().filter(|of| rotated(of) > 0).count(),
            babies: babies.iter().map(rotated).sum(),
            identities: babies.iter().filter(|of| of.contains(&0)).count(),
            giants: switches.sum(),
            sums: giants().map(|giant| giant.inputs.len()).sum(),
            steps: giants().count(),
            products: self.count(),
            results: outputs().filter(|output| !output.giants.is_empty()).count(),
            maps: self
                .maps
                .iter()
                .map(|map| (map.outputs.len(), map.folds.len()))
                .collect(),
        }
    }

    /// Seconds of a product whose diagonals are encoded, but not on the device.
    pub(super) fn seconds(&self, model: &CostModel) -> f64 {
        let lift = &model.at.transform.lift;
        let inputs = 0..self.input.ciphertexts();
        let transforms = inputs.flat_map(|input| self.transforms(input));
        let lifts = transforms.map(|(_, steps)| {
            let giants = steps.giants.iter();
            let of_giants = giants.map(|(_, babies)| lift.of(babies.len(), steps.period));
            of_giants.sum::<f64>()
        });
        self.work().cost(model) + lifts.sum::<f64>()
    }

    /// The different rotations that need a key, with how often each is used.
    pub(super) fn rotations(&self) -> Vec<Rotation> {
        let period = self.input.period();
        let babies = self.babies().into_iter().flatten();
        let babies = babies.map(|baby| Rotation::new(baby, period));
        let others = self.maps.iter().flat_map(|map| {
            let folds: Vec<i64> = map.folds.iter().map(|&fold| fold as i64).collect();
            let folds = doubling_rotations(&folds).concat();
            let of_outputs = map.outputs.iter().flat_map(move |output| {
                let giants = self.giant_rotations(map, output).into_iter();
                let folds = folds.clone().into_iter().map(|amount| amount as usize);
                giants.chain(folds)
            });
            of_outputs.map(|amount| Rotation::new(amount, map.period))
        });
        merge(babies.chain(others))
    }
}
