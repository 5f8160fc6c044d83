//! Matrix products by the tensor cores: residues modulo small coprime numbers, see
//! `tensor_gemm.cu`.

use super::rows::Rows;
use super::split::Split;
use crate::device::Block;
use crate::launch::{Grid, arguments};
use ckks_math::Result;

/// What brings entries into tiles, and outputs of one.
pub const TILES: (&str, usize) = ("tile_matrix", 16);
/// Outputs of a block of threads.
const BLOCK: usize = 64;
const THREADS: u32 = 128;

/// Writes the product of a matrix in [`TILES`] with rows to the rows of `out`: as many columns of a
/// limb at a time as the workspace holds.
pub fn multiply(w: &Split, rows: Rows<'_>, out: &mut Block) -> Result<()> {
    let Rows { backend, t, .. } = rows;
    // Columns of a block of threads: long words take twice the registers.
    let across = BLOCK * 4 / t.word().bytes();
    let bytes = |columns: usize| w.bytes_of(rows, columns);
    let columns = rows.columns_at_once(across, bytes);
    let words = w.words.fetch(backend)?;
    let workspace = backend.buffer(bytes(columns))?;
    let blocks = [columns.div_ceil(across), out.shape.rows.div_ceil(BLOCK), 1];
    let grid = Grid::new("tensor_gemm", blocks, THREADS)?;
    for piece in rows.pieces(columns) {
        w.split_rows(rows, "tile_rows", workspace.address(), piece)?;
        let arguments = arguments![
            out.address(),
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
        backend.launch_for(t, "tensor_gemm", grid, &arguments)?;
    }
    Ok(())
}
