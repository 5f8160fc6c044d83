//! Matrix products by the integer units: residues of the entries modulo each prime.

use crate::backend::CudaBackend;
use crate::device::Block;
use crate::feed::Stored;
use crate::launch::{Grid, arguments};
use crate::pool::Buffer;
use crate::tables::Tables;
use ckks_math::Result;

/// Outputs that share one reading of the rows; as in `gemm.cu`.
const OUTPUTS: usize = 8;
/// Threads of a block and blocks when a matrix is loaded.
const LOAD: (usize, usize) = (256, 4096);

/// `[primes][outputs][inputs]`, in stored form.
pub struct Residues(Stored);

impl Residues {
    /// Of entries that the device holds, `count` in all.
    pub fn load(backend: &CudaBackend, t: &Tables, entries: &Buffer, count: u32) -> Result<Self> {
        let primes = t.ring().q().len() + t.ring().p().len();
        let residues = backend.buffer(primes * count as usize * t.word().bytes())?;
        let (threads, most) = LOAD;
        let blocks = [(count as usize).div_ceil(threads).min(most), primes, 1];
        let grid = Grid::new("load_matrix", blocks, threads as u32)?;
        let arguments = arguments![residues.address(), entries.address(), count, t.primes()];
        backend.launch_for(t, "load_matrix", grid, &arguments)?;
        Ok(Self(backend.keep(residues)?))
    }

    /// Bytes on the device, and in pinned memory.
    pub fn bytes(&self) -> (usize, usize) {
        self.0.bytes()
    }

    /// Writes the product with the rows of `x`, `inputs` of them, to the rows of `out`.
    pub fn multiply(
        &self,
        backend: &CudaBackend,
        t: &Tables,
        x: &Block,
        out: &mut Block,
    ) -> Result<()> {
        let residues = self.0.fetch(backend)?;
        let arguments = arguments![
            out.address(),
            residues.address(),
            x.address(),
            t.primes(),
            x.limbs(t),
            out.rows(),
            x.rows(),
            x.log_n(),
        ];
        let extent = (out.shape.rows.div_ceil(OUTPUTS), x.shape.basis.limbs());
        backend.launch_elements(t, "gemm", extent, &arguments)
    }
}
