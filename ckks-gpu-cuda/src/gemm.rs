//! Products of integer matrices with rows of residues.

use crate::backend::CudaBackend;
use crate::device::Block;
use crate::launch::{Grid, arguments};
use crate::pool::Buffer;
use crate::tables::Tables;
use ckks_math::backend::GemmKernels;
use ckks_math::{Error, Result};

/// Outputs that share one reading of the rows; as in `gemm.cu`.
const OUTPUTS: usize = 8;
/// Threads of a block and blocks when a matrix is loaded.
const LOAD: (usize, usize) = (256, 4096);

/// An integer matrix: its residues modulo every prime of the ring, in stored form.
pub struct PlainMatrix {
    outputs: usize,
    inputs: usize,
    /// `[primes][outputs][inputs]`.
    residues: Buffer,
}

impl GemmKernels for CudaBackend {
    type PlainMatrix = PlainMatrix;

    fn load_matrix(
        &self,
        t: &Tables,
        outputs: usize,
        inputs: usize,
        entries: &[i64],
    ) -> Result<PlainMatrix> {
        let whole = outputs.checked_mul(inputs) == Some(entries.len());
        let count = u32::try_from(entries.len())
            .ok()
            .filter(|&c| whole && c > 0);
        let Some(count) = count else {
            return Err(Error::InvalidParameters(format!(
                "matrix: {} entries for {outputs} outputs and {inputs} inputs",
                entries.len()
            )));
        };
        let primes = t.ring().q().len() + t.ring().p().len();
        let residues = self.buffer(primes * entries.len() * t.word().bytes())?;
        let staged = self.stage(entries)?;
        let (threads, most) = LOAD;
        let blocks = [entries.len().div_ceil(threads).min(most), primes, 1];
        let grid = Grid::new("load_matrix", blocks, threads as u32)?;
        let arguments = arguments![residues.address(), staged.address(), count, t.primes()];
        self.launch_for(t, "load_matrix", grid, &arguments)?;
        Ok(PlainMatrix {
            outputs,
            inputs,
            residues,
        })
    }

    fn gemm(&self, t: &Tables, w: &PlainMatrix, x: &Block) -> Result<Block> {
        if x.shape.rows != w.inputs {
            return Err(Error::InvalidParameters(format!(
                "matrix product: {} rows where the matrix has {} inputs",
                x.shape.rows, w.inputs
            )));
        }
        let out = self.block(t, w.outputs, x.shape.basis)?;
        let arguments = arguments![
            out.address(),
            w.residues.address(),
            x.address(),
            t.primes(),
            x.limbs(t),
            w.outputs as u32,
            w.inputs as u32,
            x.log_n(),
        ];
        let extent = (w.outputs.div_ceil(OUTPUTS), x.shape.basis.limbs());
        self.launch_elements(t, "gemm", extent, &arguments)?;
        Ok(out)
    }
}
