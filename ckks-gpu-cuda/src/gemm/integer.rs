//! Matrix products by the integer units: residues of the entries modulo each prime.

use super::Entries;
use super::rows::Rows;
use crate::backend::CudaBackend;
use crate::device::Block;
use crate::feed::Stored;
use crate::kernels::Kernel;
use crate::launch::{Grid, arguments};
use crate::tables::Tables;
use ckks_math::Result;

/// Outputs that share one reading of the rows; as in `gemm.cu`.
const OUTPUTS: usize = 8;
/// Threads of a block and blocks when a matrix is loaded.
const LOAD: (usize, usize) = (256, 4096);

/// `[primes][outputs][inputs]`, in stored form.
pub struct Residues(Stored);

impl Residues {
    /// Of entries that the device holds.
    ///
    /// # Errors
    /// [`ckks_math::Error::OutOfMemory`], [`ckks_math::Error::Unsupported`] for grids beyond the
    /// device, and failures of the device.
    pub fn load(backend: &CudaBackend, t: &Tables, entries: &Entries) -> Result<Self> {
        let count = entries.outputs * entries.inputs;
        let primes = t.ring().q().len() + t.ring().p().len();
        let residues = backend.buffer(primes * count * t.word().bytes())?;
        let (threads, most) = LOAD;
        let blocks = [count.div_ceil(threads).min(most), primes, 1];
        let grid = Grid::new(Kernel::LoadMatrix, blocks, threads as u32)?;
        let arguments = arguments![
            residues.address(),
            entries.words.address(),
            count as u32,
            t.primes(),
        ];
        // SAFETY: the kernel reads `count` entries and writes their residues modulo each prime.
        unsafe { backend.launch(t, Kernel::LoadMatrix, grid, &arguments)? };
        Ok(Self(backend.keep(residues)?))
    }

    /// Bytes on the device, and in pinned memory.
    pub fn bytes(&self) -> (usize, usize) {
        self.0.bytes()
    }

    /// Writes the product with rows to the rows of `out`.
    ///
    /// # Errors
    /// [`ckks_math::Error::OutOfMemory`], [`ckks_math::Error::Unsupported`] for grids beyond the
    /// device, and failures of the device.
    pub fn multiply(&self, rows: Rows<'_>, out: &mut Block) -> Result<()> {
        let Rows { backend, t, x, .. } = rows;
        let residues = self.0.fetch(backend)?;
        let arguments = arguments![
            out.at(t)?,
            residues.address(),
            x.at(t)?,
            t.primes(),
            x.limbs(t),
            out.rows(),
            x.rows(),
            x.log_n(),
        ];
        let extent = (out.shape.rows.div_ceil(OUTPUTS), x.shape.basis.limbs());
        // SAFETY: `checked::gemm`: the matrix has a row for each of `out`, an input for each of
        // `x`, and residues modulo all primes of this ring.
        unsafe { backend.launch_elements(t, Kernel::Gemm, extent, &arguments) }
    }
}
