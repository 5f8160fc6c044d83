//! Which units multiply a matrix: on a card by a trial, once for each kind of matrix.

use super::Entries;
use crate::backend::CudaBackend;
use crate::tables::{Tables, Word};
use ckks_math::backend::{Basis, Device, GemmKernels};
use ckks_math::{Error, Result};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Units of a card that multiply matrices; products have the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatrixUnits {
    /// 32-bit integer multipliers.
    Integer,
    /// Tensor cores, on bytes.
    Tensor,
}

/// Largest matrix of a trial: both ways take time in proportion beyond.
const TRIAL_OUTPUTS: usize = 512;
const TRIAL_INPUTS: usize = 128;
/// Runs of a trial, of which the shortest counts.
const TRIALS: usize = 3;
/// Smallest matrix for tensor cores where no trial tells: one that fills a tile.
const SMALLEST: (usize, usize) = (16, 32);

/// What decides a trial: words, outputs, moduli.
type Kind = (Word, usize, usize);

/// What trials on a card found: whether tensor cores were faster.
#[derive(Default)]
pub(crate) struct Choices(Mutex<HashMap<Kind, bool>>);

impl CudaBackend {
    /// Whether tensor cores take matrices of a shape, `count` moduli each.
    ///
    /// What [`CudaBackend::with_matrix_units`] says; else what a trial on this card says; without a
    /// card, or without memory for a trial, by the shape.
    pub(super) fn prefers_tensor(
        &self,
        t: &Tables,
        (outputs, inputs): (usize, usize),
        count: usize,
    ) -> Result<bool> {
        if let Some(units) = self.options.matrix_units {
            return Ok(units == MatrixUnits::Tensor);
        }
        let by_shape = outputs >= SMALLEST.0 && inputs >= SMALLEST.1;
        if self.integer_rate().is_none() || !by_shape {
            return Ok(by_shape);
        }
        let outputs = outputs.next_power_of_two().min(TRIAL_OUTPUTS);
        let kind = (t.word(), outputs, count);
        let known = &self.choices.0;
        if let Some(&found) = (known.lock().unwrap_or_else(PoisonError::into_inner)).get(&kind) {
            return Ok(found);
        }
        let faster = match self.trial(t, outputs, count) {
            Err(Error::OutOfMemory { .. }) => return Ok(by_shape),
            other => other?,
        };
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(kind, faster);
        Ok(faster)
    }

    /// Multiplies a matrix of zeros both ways, which takes as long as any; whether tensor cores win.
    fn trial(&self, t: &Tables, outputs: usize, count: usize) -> Result<bool> {
        let entries = Entries {
            words: self.stage(&vec![0_i64; outputs * TRIAL_INPUTS])?,
            outputs,
            inputs: TRIAL_INPUTS,
        };
        let x = self.alloc(t, TRIAL_INPUTS, Basis::q(1))?;
        let seconds = |moduli| -> Result<f64> {
            let matrix = self.prepare(t, &entries, moduli)?;
            let mut least = f64::INFINITY;
            // The first run loads the kernels and does not count.
            for run in 0..=TRIALS {
                self.synchronize()?;
                let start = Instant::now();
                drop(self.gemm(t, &matrix, &x)?);
                self.synchronize()?;
                if run > 0 {
                    least = least.min(start.elapsed().as_secs_f64());
                }
            }
            Ok(least)
        };
        Ok(seconds(Some(count))? < seconds(None)?)
    }
}
