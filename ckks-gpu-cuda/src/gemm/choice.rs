//! Which units multiply a matrix: on a card by a trial, once for each kind of matrix.

use super::Entries;
use super::double::Cut;
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
    /// Tensor cores, on doubles: fast on cards for computing centres, a 64th of it on others.
    Double,
}

/// What a matrix can be prepared for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Way {
    Integer,
    /// So many small moduli.
    Tensor(usize),
    /// Limbs of these sizes.
    Double(Cut),
}

impl Way {
    const fn units(self) -> MatrixUnits {
        match self {
            Self::Integer => MatrixUnits::Integer,
            Self::Tensor(_) => MatrixUnits::Tensor,
            Self::Double(_) => MatrixUnits::Double,
        }
    }
}

/// Largest matrix of a trial: all ways take time in proportion beyond.
const TRIAL_OUTPUTS: usize = 512;
const TRIAL_INPUTS: usize = 128;
/// Runs of a trial, of which the shortest counts.
const TRIALS: usize = 3;
/// Smallest matrix for tensor cores where no trial tells: one that fills a tile.
const SMALLEST: (usize, usize) = (16, 32);

/// What decides a trial: words, outputs, ways.
type Kind = (Word, usize, Vec<Way>);

/// What trials on a card found.
#[derive(Default)]
pub(crate) struct Choices(Mutex<HashMap<Kind, Way>>);

impl CudaBackend {
    /// One of the ways that there are for matrices of a shape, integers among them.
    ///
    /// What [`CudaBackend::with_matrix_units`] says, integers where that is not among the ways; else what a
    /// trial on this card says; without a card, or without memory for a trial, tensor cores on bytes for
    /// matrices that fill a tile.
    pub(super) fn choose(
        &self,
        t: &Tables,
        (outputs, inputs): (usize, usize),
        ways: &[Way],
    ) -> Result<Way> {
        let of = |units: MatrixUnits| ways.iter().copied().find(|way| way.units() == units);
        if let Some(units) = self.options.matrix_units {
            return Ok(of(units).unwrap_or(Way::Integer));
        }
        if outputs < SMALLEST.0 || inputs < SMALLEST.1 {
            return Ok(Way::Integer);
        }
        let by_shape = of(MatrixUnits::Tensor).unwrap_or(Way::Integer);
        if self.integer_rate().is_none() {
            return Ok(by_shape);
        }
        let outputs = outputs.next_power_of_two().min(TRIAL_OUTPUTS);
        let kind = (t.word(), outputs, ways.to_vec());
        let known = &self.choices.0;
        if let Some(&found) = (known.lock().unwrap_or_else(PoisonError::into_inner)).get(&kind) {
            return Ok(found);
        }
        let fastest = match self.trial(t, outputs, ways) {
            Err(Error::OutOfMemory { .. }) => return Ok(by_shape),
            other => other?,
        };
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(kind, fastest);
        Ok(fastest)
    }

    /// Multiplies a matrix of zeros in all ways, which takes as long as any other; the fastest.
    fn trial(&self, t: &Tables, outputs: usize, ways: &[Way]) -> Result<Way> {
        let entries = Entries {
            words: self.stage(&vec![0_i64; outputs * TRIAL_INPUTS])?,
            outputs,
            inputs: TRIAL_INPUTS,
        };
        let x = self.alloc(t, TRIAL_INPUTS, Basis::q(1))?;
        let mut best = (f64::INFINITY, Way::Integer);
        for &way in ways {
            let matrix = self.prepare(t, &entries, way)?;
            // The first run loads the kernels and does not count.
            for run in 0..=TRIALS {
                self.synchronize()?;
                let start = Instant::now();
                drop(self.gemm(t, &matrix, &x)?);
                self.synchronize()?;
                let seconds = start.elapsed().as_secs_f64();
                if run > 0 && seconds < best.0 {
                    best = (seconds, way);
                }
            }
        }
        Ok(best.1)
    }
}
