//! Which units multiply a matrix: on a card by a trial, once for each kind of matrix.

use super::Entries;
use super::double::Cut;
use crate::backend::CudaBackend;
use crate::device::Block;
use crate::tables::{Tables, Word};
use ckks_math::backend::{Basis, Device, GemmKernels, RingKernels};
use ckks_math::sampling::Seed;
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
    /// The same by the vendor's library (cuBLAS), where it is found.
    Library,
    /// Tensor cores, on doubles: fast on cards for computing centres, a 64th of it on others.
    Double,
}

/// What a matrix can be prepared for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Method {
    Integer,
    /// So many small moduli.
    Tensor(usize),
    /// So many as well.
    Library(usize),
    /// Limbs of these sizes.
    Double(Cut),
}

impl Method {
    const fn units(self) -> MatrixUnits {
        match self {
            Self::Integer => MatrixUnits::Integer,
            Self::Tensor(_) => MatrixUnits::Tensor,
            Self::Library(_) => MatrixUnits::Library,
            Self::Double(_) => MatrixUnits::Double,
        }
    }
}

/// Largest outputs and inputs of a trial: all ways take time in proportion beyond. Below, what each
/// residue costs at the ends counts beside the products.
const TRIAL: usize = 512;
/// Runs of a trial, of which the shortest counts.
const TRIALS: usize = 3;
/// Smallest matrix for tensor cores where no trial tells: one that fills a tile.
const SMALLEST: (usize, usize) = (16, 32);

/// Signed bytes without a pattern: the highest byte of a multiplicative hash.
fn trial_entries(count: usize) -> Vec<i64> {
    let hashed = (0..count as u64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    hashed.map(|h| i64::from((h >> 56) as u8 as i8)).collect()
}

/// What decides a trial: words, outputs, inputs, ways.
type Kind = (Word, usize, usize, Vec<Method>);

/// What trials on a card found.
#[derive(Default)]
pub(crate) struct Choices(Mutex<HashMap<Kind, Method>>);

impl CudaBackend {
    /// One of the ways that there are for matrices of a shape, integers among them.
    ///
    /// What [`CudaBackend::with_matrix_units`] says, integers where that is not among the ways;
    /// else what a trial on this card says; without a card, or without memory for a trial, tensor
    /// cores on bytes for matrices that fill a tile.
    pub(super) fn choose(
        &self,
        t: &Tables,
        (outputs, inputs): (usize, usize),
        methods: &[Method],
    ) -> Result<Method> {
        let of = |units: MatrixUnits| {
            methods
                .iter()
                .copied()
                .find(|method| method.units() == units)
        };
        if let Some(units) = self.options.matrix_units {
            return Ok(of(units).unwrap_or(Method::Integer));
        }
        if outputs < SMALLEST.0 || inputs < SMALLEST.1 {
            return Ok(Method::Integer);
        }
        let by_shape = of(MatrixUnits::Tensor).unwrap_or(Method::Integer);
        if self.integer_rate().is_none() {
            return Ok(by_shape);
        }
        let [outputs, inputs] = [outputs, inputs].map(|n| n.next_power_of_two().min(TRIAL));
        let kind = (t.word(), outputs, inputs, methods.to_vec());
        let known = &self.choices.0;
        if let Some(&found) = (known.lock().unwrap_or_else(PoisonError::into_inner)).get(&kind) {
            return Ok(found);
        }
        let fastest = match self.trial(t, (outputs, inputs), methods) {
            Err(Error::OutOfMemory { .. }) => return Ok(by_shape),
            other => other?,
        };
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(kind, fastest);
        Ok(fastest)
    }

    /// The fastest way to multiply a matrix of random entries: zeros draw less power, and some
    /// cards run them faster. Ways that this machine lacks are left out: the library may not be
    /// there.
    fn trial(
        &self,
        t: &Tables,
        (outputs, inputs): (usize, usize),
        methods: &[Method],
    ) -> Result<Method> {
        let entries = Entries {
            words: self.stage(&trial_entries(outputs * inputs))?,
            outputs,
            inputs,
        };
        let seed = Seed::from_bytes([0; 32]);
        let x = self.uniform(t, &seed, 0, inputs, Basis::q(1))?;
        let mut best = (f64::INFINITY, Method::Integer);
        for &method in methods {
            match self.time(t, &entries, method, &x) {
                Ok(seconds) if seconds < best.0 => best = (seconds, method),
                Ok(_) | Err(Error::Unsupported { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(best.1)
    }

    /// Seconds that a product takes.
    fn time(&self, t: &Tables, entries: &Entries, method: Method, x: &Block) -> Result<f64> {
        let matrix = self.prepare(t, entries, method)?;
        let mut best = f64::INFINITY;
        // The first run loads the kernels and does not count.
        for run in 0..=TRIALS {
            self.synchronize()?;
            let start = Instant::now();
            drop(self.gemm(t, &matrix, x)?);
            self.synchronize()?;
            if run > 0 {
                best = best.min(start.elapsed().as_secs_f64());
            }
        }
        Ok(best)
    }
}
