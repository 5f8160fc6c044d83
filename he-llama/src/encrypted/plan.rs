//! Where bootstraps go and how they are made, chosen before the run.
//!
//! A bootstrap of few slots costs less, and admits fewer tensors; SlotsToCoeffs on fewer levels
//! costs more, and leaves the circuit a level more. For each kind of pass every useful way of
//! bootstrapping is tried, for every level that windows may leave keys and values at; the least
//! time of a session that is filled to its capacity wins (`joint.rs`).

use std::collections::BTreeMap;

use ckks_math::backend::dry_run::{DryRun, KernelTimes};
use ckks_math::bootstrap::BootstrapOptions;
use ckks_math::keys::EvaluationKeys;
use ckks_math::params::Params;
use ckks_math::{Context, Evaluator};
use he_linalg::matrix::{MatrixStore, StoreOptions};

use crate::calibrate::Calibration;
use crate::encrypted::fixed::FixedParts;
use crate::encrypted::joint::{Joint, Ways};
use crate::encrypted::machine::PassPlan;
use crate::encrypted::matrices::Matrices;
use crate::encrypted::packing::{Packing, PassKind, Shape};
use crate::encrypted::search::Shapes;
use crate::encrypted::units::Units;
use crate::error::{Error, Result};
use crate::model::Llama;

/// Levels of the presets that a plan is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// log2 of the slots of a ciphertext.
    pub log_slots: u32,
    /// Levels that the preset reserves for SlotsToCoeffs.
    pub reserved: usize,
    /// The least level that a product may leave: the moduli of lower ones are too small to rescale
    /// by, and SlotsToCoeffs takes them all.
    pub least: usize,
    /// Level that a bootstrap leaves, and at which inputs are encrypted.
    pub top: usize,
}

/// How the bootstraps of a pass are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Refresh {
    /// Slots: the largest period of a tensor that is bootstrapped.
    pub slots: usize,
    /// Levels of SlotsToCoeffs, and thereby the level that a tensor must still have.
    pub bottom: usize,
}

/// Most slots for which SlotsToCoeffs may take so few levels: beyond them its diagonals cost more
/// than the level is worth (a dry run of `n16-boot`: one level in place of two takes 4 % of a
/// bootstrap for 256 slots, 8 % for 512 and 35 % for 2048).
const FEW_LEVELS: [(usize, usize); 2] = [(1, 1 << 9), (2, 1 << 13)];

impl Refresh {
    /// The ways of bootstrapping tensors of a period that are worth trying.
    pub(super) fn of_period(period: usize, budget: Budget) -> impl Iterator<Item = Self> {
        let slots = period.max(4);
        let few = FEW_LEVELS.into_iter().filter(move |few| slots <= few.1);
        let levels = |few: (usize, _)| few.0.max(budget.least).min(budget.reserved);
        let mut bottoms: Vec<usize> = few.map(levels).collect();
        if bottoms.is_empty() {
            bottoms.push(budget.reserved);
        }
        bottoms.dedup();
        bottoms
            .into_iter()
            .map(move |bottom| Self { slots, bottom })
    }

    /// The same as the scheme's options, on a device whose kernels take `times`.
    pub fn options(self, times: &KernelTimes) -> BootstrapOptions {
        BootstrapOptions {
            slots_to_coeffs_levels: Some(self.bottom),
            times: *times,
            ..BootstrapOptions::default()
        }
    }
}

/// The bootstraps of one kind of pass.
#[derive(Clone, Debug)]
pub struct Placed {
    /// Where they are, and the level each leaves.
    pub sites: PassPlan,
    /// Ciphertexts bootstrapped.
    pub bootstraps: usize,
    /// How they are made.
    pub refresh: Refresh,
}

/// The plan of a session, for each kind of its passes.
#[derive(Clone, Debug)]
pub struct Plan(pub(super) BTreeMap<PassKind, Placed>);

impl Plan {
    /// The plan of a session of `capacity` positions, in the least time by `times`.
    ///
    /// # Errors
    ///
    /// [`Error::Unplannable`] when the model needs more levels than the parameters leave.
    pub fn new(
        llama: &Llama,
        calibration: &Calibration,
        units: &Units,
        (params, budget): (&Params, Budget),
        capacity: usize,
        times: &KernelTimes,
    ) -> Result<Self> {
        let context = Context::new(params.clone(), DryRun::default())?;
        let keys = std::sync::Arc::new(EvaluationKeys::recording());
        let store = MatrixStore::new(&context, StoreOptions::default());
        let (ev, fixed) = (Evaluator::new(context, keys), FixedParts::default());
        // An outline has no weights to plan matrices of.
        let matrices = match llama.layers.iter().all(|layer| layer.query.inputs() > 0) {
            true => Matrices::default(),
            false => Matrices::thin(),
        };
        let shapes = Shapes {
            llama,
            calibration,
            units,
            ev: &ev,
            fixed: &fixed,
            matrices: &matrices,
            store: &store,
            budget,
            times,
        };
        let mut kinds = BTreeMap::new();
        for kind in PassKind::ALL {
            if let Some(shape) = Shape::of_kind(kind, capacity) {
                let packing = Packing::new(&llama.config, shape, budget.log_slots);
                kinds.insert(kind, Ways::new(&shapes, packing)?);
            }
        }
        let found = Joint::new(&shapes, kinds, capacity).best()?;
        found.ok_or_else(|| Error::Unplannable {
            site: "the model".into(),
            preset: params.name().to_owned(),
            levels: budget.top - budget.reserved.min(FEW_LEVELS[0].0.max(budget.least)),
        })
    }

    /// The bootstraps of a kind of pass; `None` where the session has none of it.
    pub fn of(&self, kind: PassKind) -> Option<&Placed> {
        self.0.get(&kind)
    }

    /// Another plan: one bootstrap leaves a level less.
    #[cfg(test)]
    pub(crate) fn lower_one_for_tests(&mut self) {
        let mut levels = self
            .0
            .values_mut()
            .flat_map(|placed| placed.sites.values_mut());
        *levels.next().expect("a plan has bootstraps") -= 1;
    }

    /// All kinds of passes with their bootstraps.
    pub fn kinds(&self) -> impl Iterator<Item = (PassKind, &Placed)> {
        self.0.iter().map(|(kind, placed)| (*kind, placed))
    }
}
