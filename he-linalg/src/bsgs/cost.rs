//! What the evaluation of a plan costs.

use std::sync::{Arc, LazyLock};

use ckks_math::backend::Device;
use ckks_math::backend::dry_run::DryRun;
use ckks_math::cost::{KernelTimes, LevelPrices, Prices};
use ckks_math::params::preset;

use crate::error::Result;

/// Prices that plans are chosen by.
#[derive(Debug, Clone, PartialEq)]
pub struct CostModel {
    /// Prices at the level of the input.
    pub at: Arc<LevelPrices>,
    /// Prices at the level of the output, one below.
    pub below: Arc<LevelPrices>,
    /// What a rotation key is worth, in seconds: a split with one more must save as much.
    pub key: f64,
    /// Most baby rotations held at once over all inputs, rotation 0 counted; at least one for each
    /// input is always allowed.
    pub max_babies: usize,
}

/// Baby rotations of a ciphertext that are held at once, unless more are allowed: `2 (l + k)` limbs
/// each, 3.4 GiB for 64 of them at the top of a set with `l + k = 51` primes and N = 2^16.
const MAX_BABIES: usize = 64;

impl CostModel {
    /// The prices of maps of an input at `level`, at least 1. A key is worth a baby rotation, as in
    /// bootstrapping ([`ckks_math::bootstrap::RotationKeys::Balanced`]).
    ///
    /// # Errors
    /// [`ckks_math::Error::LevelExhausted`] at level 0, which a map has none to take of;
    /// [`ckks_math::Error::LevelMismatch`] when the parameters have no such level.
    pub fn new(prices: &Prices, level: usize) -> Result<CostModel> {
        let Some(below) = level.checked_sub(1) else {
            let (op, need, have) = ("linear map", 1, 0);
            return Err(ckks_math::Error::LevelExhausted { op, need, have }.into());
        };
        let at = prices.at(level)?;
        Ok(CostModel {
            key: at.transform.baby,
            at,
            below: prices.at(below)?,
            max_babies: MAX_BABIES,
        })
    }
}

/// The preset and the level that plans are made for when nothing is known.
const DEFAULT: (&str, usize) = ("n16-boot", 8);

/// The prices of `n16-boot` at level 8 by the default times: for tests, and for plans that are made
/// before parameters are known.
impl Default for CostModel {
    fn default() -> CostModel {
        static MODEL: LazyLock<CostModel> = LazyLock::new(|| {
            let (name, level) = DEFAULT;
            let params = preset(name).and_then(|p| p.check(DryRun::default().limits()));
            let prices = params.and_then(|params| Prices::new(&params, KernelTimes::default()));
            let prices = prices.expect("a preset that every device admits");
            CostModel::new(&prices, level).expect("a level of the preset")
        });
        MODEL.clone()
    }
}

/// How many parts of which kind the evaluation of a plan has, as
/// [`EncodedMap::apply_all`](crate::apply::EncodedMap::apply_all) runs them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlanWork {
    /// Whether there is one input ciphertext: then giant steps are taken over `QP`.
    pub single: bool,
    /// Input ciphertexts.
    pub inputs: usize,
    /// Input ciphertexts that a diagonal is multiplied by.
    pub operands: usize,
    /// Decompositions for baby rotations.
    pub hoists: usize,
    /// Baby rotations by amounts other than 0.
    pub babies: usize,
    /// Inputs that are multiplied as they are.
    pub identities: usize,
    /// Giant rotations that take a key switch.
    pub giants: usize,
    /// Inner sums: one for each output and giant step, and for each of several inputs.
    pub sums: usize,
    /// Giant steps of all outputs, those by 0 counted.
    pub steps: usize,
    /// Products with diagonals.
    pub products: usize,
    /// Output ciphertexts that are not zero.
    pub results: usize,
    /// For each map its output ciphertexts and its folds.
    pub maps: Vec<(usize, usize)>,
}

impl PlanWork {
    /// Seconds of what a split into baby and giant steps decides.
    pub(super) fn rotations_cost(&self, model: &CostModel) -> f64 {
        let (at, parts) = (&model.at, &model.at.transform);
        let babies = self.hoists as f64 * parts.decompose
            + self.babies as f64 * parts.baby
            + self.identities as f64 * parts.identity;
        let giants = if self.single {
            self.giants as f64 * parts.giant + self.sums as f64 * parts.sum
        } else {
            // Each sum is divided by `P`, those of all inputs and then of all steps are added.
            self.giants as f64 * at.rotate.of(1)
                + self.sums as f64 * (parts.sum + parts.result)
                + self.sums.saturating_sub(self.results) as f64 * at.add.of(1)
        };
        babies + giants
    }

    /// Seconds of the whole evaluation, but for bringing the diagonals to the device.
    pub fn cost(&self, model: &CostModel) -> f64 {
        let (at, below) = (&model.at, &model.below);
        let parts = &at.transform;
        let operands = self.inputs as f64 * at.slice + self.operands as f64 * parts.operand;
        let results = match self.single {
            true => self.results as f64 * parts.rescaled_result,
            false => 0.0,
        };
        let of_map = |&(outputs, folds): &(usize, usize)| {
            let joined = if self.single { below } else { at };
            let join = if outputs > 1 {
                joined.join.of(outputs)
            } else {
                0.0
            };
            let rescale = if self.single {
                0.0
            } else {
                at.rescale.of(outputs)
            };
            join + rescale + below.doublings(folds, outputs)
        };
        let maps: f64 = self.maps.iter().map(of_map).sum();
        let products = self.products as f64 * parts.product;
        operands + self.rotations_cost(model) + products + results + maps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_needs_a_level() {
        let params = preset(DEFAULT.0).and_then(|p| p.check(DryRun::default().limits()));
        let params = params.expect("a preset that every device admits");
        let prices = Prices::new(&params, KernelTimes::default()).expect("times of a device");
        assert_eq!(
            CostModel::new(&prices, DEFAULT.1).expect("a level"),
            CostModel::default()
        );
        let refused = CostModel::new(&prices, 0).expect_err("no level is left");
        assert!(refused.to_string().contains("levels"), "{refused}");
        assert!(CostModel::new(&prices, params.max_level() + 1).is_err());
    }
}
