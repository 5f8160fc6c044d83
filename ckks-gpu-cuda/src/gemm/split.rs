//! Matrices and rows as bytes modulo small numbers, which [`super::tensor`] and [`super::library`]
//! multiply.

use super::moduli::{small_words, weights};
use super::rows::Rows;
use super::{Entries, LANES, lane_grid};
use crate::backend::CudaBackend;
use crate::feed::Stored;
use crate::kernels::Kernel;
use crate::launch::{Columns, arguments};
use crate::pool::Buffer;
use crate::tables::Tables;
use ckks_math::Result;

/// Inputs of a tile; as in `small_moduli.cuh`.
pub const DEPTH: usize = 32;
/// Columns of a tile of `x`.
pub const WIDTH: usize = 8;

/// A matrix modulo small numbers, with what puts products together.
pub struct Split {
    /// How many numbers.
    pub count: usize,
    /// `[moduli][outputs][inputs]` bytes, padded to tiles and ordered as the kernel that made them
    /// says.
    pub words: Stored,
    /// `[moduli]` of `Small`.
    pub small: Buffer,
    /// `[primes][moduli + 1]`, see `small_moduli.cuh`.
    pub weights: Buffer,
}

impl Split {
    /// Of entries that the device holds, by a kernel whose lanes have equal parts of tiles of
    /// `height` outputs; `count` as [`super::moduli::moduli_for`] says.
    ///
    /// # Errors
    /// [`ckks_math::Error::OutOfMemory`], [`ckks_math::Error::Unsupported`] for grids beyond the
    /// device, and failures of the device.
    pub fn load(
        (backend, t): (&CudaBackend, &Tables),
        (kernel, height): (Kernel, usize),
        entries: &Entries,
        count: usize,
    ) -> Result<Self> {
        let (outputs, inputs) = (entries.outputs, entries.inputs);
        let primes = t.ring().q().iter().chain(t.ring().p());
        let stored = primes.flat_map(|&m| weights(count, m).map(move |w| t.word().stored(m, w)));
        let small = backend.stage(&small_words(count))?;
        let words = backend.buffer(count * bytes(height, outputs, inputs))?;
        let arguments = arguments![
            words.address(),
            entries.words.address(),
            small.address(),
            count as u32,
            outputs as u32,
            inputs as u32,
        ];
        let lanes = outputs.div_ceil(height) * inputs.div_ceil(DEPTH) * LANES;
        let grid = lane_grid(kernel, lanes)?;
        // SAFETY: the kernel reads `outputs inputs` entries and writes the bytes of all moduli.
        unsafe { backend.launch(t, kernel, grid, &arguments)? };
        Ok(Self {
            count,
            words: backend.keep(words)?,
            small,
            weights: backend.stage_words(t.word(), &stored.collect::<Vec<_>>())?,
        })
    }

    /// Bytes of so many columns of rows.
    pub const fn bytes_of(&self, rows: Rows<'_>, columns: usize) -> usize {
        self.count * bytes(WIDTH, columns, rows.inputs())
    }

    /// Columns modulo each number, by a kernel whose lanes have equal parts of tiles.
    ///
    /// # Errors
    /// [`ckks_math::Error::OutOfMemory`], [`ckks_math::Error::Unsupported`] for grids beyond the
    /// device, and failures of the device.
    pub fn split_rows(
        &self,
        rows: Rows<'_>,
        kernel: Kernel,
        to: &Buffer,
        columns: Columns,
    ) -> Result<()> {
        let inputs = rows.inputs();
        let bytes = self.bytes_of(rows, columns.count as usize);
        let arguments = arguments![
            to.range(rows.backend.queue.pool(), 0, bytes)?,
            rows.x.at(rows.t)?,
            rows.t.primes(),
            self.small.address(),
            self.count as u32,
            columns,
            inputs as u32,
        ];
        let lanes = (columns.count as usize).div_ceil(WIDTH) * inputs.div_ceil(DEPTH) * LANES;
        let grid = lane_grid(kernel, lanes)?;
        // SAFETY: the columns lie in a limb of `x`, and `to` has their bytes modulo each number.
        unsafe { rows.backend.launch(rows.t, kernel, grid, &arguments) }
    }
}

/// Bytes of inputs of so many outputs or columns modulo one number, in tiles of `height` of them.
const fn bytes(height: usize, rows: usize, inputs: usize) -> usize {
    rows.next_multiple_of(height) * inputs.next_multiple_of(DEPTH)
}
