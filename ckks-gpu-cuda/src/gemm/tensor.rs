//! Matrix products by the tensor cores: residues modulo small coprime numbers, see
//! `tensor_gemm.cu`.

use super::rows::Rows;
use super::split::Split;
use crate::device::Block;
use crate::kernels::Kernel;
use crate::launch::{Grid, arguments};
use ckks_math::Result;

/// What brings entries into tiles, and outputs of one.
pub const TILES: (Kernel, usize) = (Kernel::TileMatrix, 16);
/// Outputs of a block of threads.
const BLOCK: usize = 64;
const THREADS: u32 = 128;

/// Writes the product of a matrix in [`TILES`] with rows to the rows of `out`: as many columns of a
/// limb at a time as the workspace holds.
///
/// # Errors
/// [`ckks_math::Error::OutOfMemory`], [`ckks_math::Error::Unsupported`] for grids beyond the
/// device, and failures of the device.
pub fn multiply(w: &Split, rows: Rows<'_>, out: &mut Block) -> Result<()> {
    let Rows { backend, t, .. } = rows;
    // Columns of a block of threads: long words take twice the registers.
    let across = BLOCK * 4 / t.word().bytes();
    let bytes = |columns: usize| w.bytes_of(rows, columns);
    let columns = rows.columns_at_once(across, bytes);
    let words = w.words.fetch(backend)?;
    let workspace = backend.buffer(bytes(columns))?;
    let blocks = [columns.div_ceil(across), out.shape.rows.div_ceil(BLOCK), 1];
    let grid = Grid::new(Kernel::TensorGemm, blocks, THREADS)?;
    for piece in rows.pieces(columns) {
        w.split_rows(rows, Kernel::TileRows, &workspace, piece)?;
        let arguments = arguments![
            out.at(t)?,
            words.address(),
            workspace.address(),
            w.small.address(),
            w.weights.address(),
            t.primes(),
            w.count as u32,
            out.rows(),
            rows.inputs() as u32,
            piece,
        ];
        // SAFETY: `checked::gemm`: the matrix has the inputs of the workspace and the rows of
        // `out`, and weights for all primes of this ring.
        unsafe { backend.launch(t, Kernel::TensorGemm, grid, &arguments)? };
    }
    Ok(())
}
