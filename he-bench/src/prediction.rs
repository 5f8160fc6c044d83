//! Predicted times of operations beside measured ones.
//!
//! The same operation runs twice: on shapes, where a dry run counts its work and its keys, and on
//! the device. The prediction is the counts times the times of the device's kernels.

use std::sync::Arc;

use ckks_math::backend::dry_run::DryRun;
use ckks_math::backend::{Backend, Basis};
use ckks_math::bootstrap::{BootstrapOptions, Bootstrapper};
use ckks_math::cost::KernelTimes;
use ckks_math::encoding::Complex64;
use ckks_math::evaluator::{EncodedLinearTransform, LinearTransformPlan};
use ckks_math::keys::{EvaluationKeys, KeyGenerator, SecretKey, merge_demand};
use ckks_math::sampling::Seed;
use ckks_math::{Ciphertext, Context, Encryptor, Evaluator, Params};

use crate::error::Result;
use crate::measure::{Budget, Samples};
use crate::workload::message;

/// An operation whose time is predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A rotation.
    Rotate,
    /// Eight rotations of one decomposition.
    RotateHoisted8,
    /// A product, relinearised and rescaled.
    Multiply,
    /// A linear transform of [`DIAGONALS`] diagonals with eight baby steps, rescaled.
    Transform,
    /// A product of an integer matrix of [`MATRIX`] outputs and inputs with rows of residues.
    Gemm,
    /// A bootstrap of few real slots.
    Refresh,
}

/// Diagonals of the transform, each without a period below that of the slots.
pub const DIAGONALS: usize = 64;
/// Outputs and inputs of the matrix.
pub const MATRIX: usize = 64;
/// Slots of the operands.
const SLOTS: usize = 256;

impl Operation {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Rotate,
        Self::RotateHoisted8,
        Self::Multiply,
        Self::Transform,
        Self::Gemm,
        Self::Refresh,
    ];

    /// Its name in a listing.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rotate => "rotate",
            Self::RotateHoisted8 => "rotate_hoisted_8",
            Self::Multiply => "multiply_relinearise_rescale",
            Self::Transform => "transform",
            Self::Gemm => "gemm",
            Self::Refresh => "refresh",
        }
    }
}

/// What an operation takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// The operation.
    pub operation: Operation,
    /// Seconds by the counts of a dry run.
    pub predicted: f64,
    /// The median of what it took, in seconds.
    pub measured: f64,
}

impl Prediction {
    /// Predicted over measured.
    pub fn ratio(&self) -> f64 {
        self.predicted / self.measured
    }
}

/// Predicts and measures the operations that a parameter set has: all, but for the refresh of one
/// that is not made for bootstrapping.
///
/// # Errors
/// Those of the scheme and of the device.
pub fn predictions<B: Backend>(
    backend: &B,
    params: &Params,
    times: &KernelTimes,
    budget: Budget,
) -> Result<Vec<Prediction>> {
    let made = params.literal().bootstrap.is_some();
    let operations = Operation::ALL.into_iter();
    operations
        .filter(|&operation| made || operation != Operation::Refresh)
        .map(|operation| predict(operation, backend, params, times, budget))
        .collect()
}

fn predict<B: Backend>(
    operation: Operation,
    backend: &B,
    params: &Params,
    times: &KernelTimes,
    budget: Budget,
) -> Result<Prediction> {
    let dry = Context::new(params.clone(), DryRun::default())?;
    let ev = Evaluator::new(dry.clone(), Arc::new(EvaluationKeys::recording()));
    let level = level_of(operation, &dry)?;
    let shapes = Prepared::new(operation, &dry, ev.zeros(SLOTS, level, 1)?)?;
    // The first run loads the keys.
    shapes.run(&ev)?;
    let before = dry.backend().counts();
    shapes.run(&ev)?;
    let predicted = times.seconds(&(dry.backend().counts() - &before));

    let context = Context::new(params.clone(), backend.clone())?;
    let secret = SecretKey::from_seed(params, Seed::from_bytes([1; 32]))?;
    let keys = KeyGenerator::new(&context, &secret)?;
    let keys = keys.evaluation_keys(merge_demand(params, &ev.keys().demand()))?;
    let message = context.encode(&message(SLOTS), level, params.scale_at(level))?;
    let mut encryptor = Encryptor::with_secret_key(&context, &secret, Seed::from_bytes([2; 32]))?;
    let ev = Evaluator::new(context.clone(), Arc::new(keys));
    let prepared = Prepared::new(operation, &context, encryptor.encrypt(&message)?)?;
    let samples = Samples::take(budget, || -> Result<()> {
        prepared.run(&ev)?;
        Ok(backend.synchronize()?)
    })?;
    Ok(Prediction {
        operation,
        predicted,
        measured: samples.quantile(0.5) as f64 * 1e-9,
    })
}

/// The level of the operand: the refresh's own, the top for all else.
fn level_of(operation: Operation, dry: &Context<DryRun>) -> Result<usize> {
    Ok(match operation {
        Operation::Refresh => {
            Bootstrapper::new(dry, SLOTS, BootstrapOptions::default())?.input_level()
        }
        _ => dry.params().max_level(),
    })
}

/// What an operation runs with on one device.
enum Prepared<B: Backend> {
    Rotations(Ciphertext<B>, Vec<i64>),
    Rotation(Ciphertext<B>),
    Product(Ciphertext<B>),
    Transform(Ciphertext<B>, EncodedLinearTransform<B>),
    Gemm(B::PlainMatrix, B::Block),
    Refresh(Ciphertext<B>, Box<Bootstrapper<B>>),
}

impl<B: Backend> Prepared<B> {
    fn new(operation: Operation, context: &Context<B>, x: Ciphertext<B>) -> Result<Self> {
        let params = context.params();
        Ok(match operation {
            Operation::Rotate => Self::Rotation(x),
            Operation::RotateHoisted8 => Self::Rotations(x, (1..=8).collect()),
            Operation::Multiply => Self::Product(x),
            Operation::Transform => {
                let value = |i: usize| Complex64::new(1.0 / (1 + i) as f64, 0.0);
                let diagonal = |k: usize| (0..SLOTS).map(|i| value(i + k)).collect();
                let diagonals = (0..DIAGONALS).map(|k| (k, diagonal(k))).collect();
                let plan = LinearTransformPlan::from_diagonals(SLOTS, &diagonals, 8);
                let scale = params.group_modulus(x.level());
                let encoded = EncodedLinearTransform::new(context, &plan, x.level(), scale, false)?;
                Self::Transform(x, encoded)
            }
            Operation::Gemm => {
                let (backend, t) = (context.backend(), context.tables());
                let entries: Vec<i64> = (0..(MATRIX * MATRIX) as i64)
                    .map(|i| i * 7919 % 65_537 - 32_768)
                    .collect();
                let matrix = backend.load_matrix(t, MATRIX, MATRIX, &entries)?;
                Self::Gemm(matrix, backend.alloc(t, MATRIX, Basis::q(2))?)
            }
            Operation::Refresh => {
                let options = BootstrapOptions::default();
                Self::Refresh(x, Box::new(Bootstrapper::new(context, SLOTS, options)?))
            }
        })
    }

    fn run(&self, ev: &Evaluator<B>) -> Result<()> {
        match self {
            Self::Rotation(x) => ev.rotate(x, 1).map(drop)?,
            Self::Rotations(x, steps) => ev.rotate_many(x, steps).map(drop)?,
            Self::Product(x) => ev.mul(x, x).map(drop)?,
            Self::Transform(x, transform) => {
                ev.linear_transform_rescaled(x, transform).map(drop)?;
            }
            Self::Gemm(matrix, x) => {
                let context = ev.context();
                context.backend().gemm(context.tables(), matrix, x)?;
            }
            Self::Refresh(x, bootstrapper) => bootstrapper.refresh(ev, x).map(drop)?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{select, sets};
    use ckks_math::backend::Device as _;
    use std::time::Duration;

    /// Every operation runs on shapes and on the device, and its prediction follows the times.
    #[test]
    fn each_operation_is_predicted_and_measured() {
        let backend = select::cpu(Some(1)).unwrap();
        let params = sets::parameters("insecure-n11-boot", backend.limits()).unwrap();
        let budget = Budget {
            time: Duration::ZERO,
            min_samples: 1,
            max_samples: 1,
        };
        let times = KernelTimes::default();
        let found = predictions(&backend, &params, &times, budget).unwrap();
        let names: Vec<_> = found.iter().map(|p| p.operation).collect();
        assert_eq!(names, Operation::ALL);
        for prediction in &found {
            let (predicted, measured) = (prediction.predicted, prediction.measured);
            assert!(predicted > 0.0 && measured > 0.0, "{prediction:?}");
            assert!(prediction.ratio().is_finite(), "{prediction:?}");
        }
        let seconds = |operation| {
            let found = found.iter().find(|p| p.operation == operation);
            found.expect("one of all").predicted
        };
        // Seven rotations more of one decomposition, and a transform with more switches.
        assert!(seconds(Operation::RotateHoisted8) < 8.0 * seconds(Operation::Rotate));
        assert!(seconds(Operation::Transform) > seconds(Operation::RotateHoisted8));
    }
}
