//! Matrix products by the vendor's library: residues modulo small coprime numbers, whose products
//! on the tensor cores it sums; see `library_gemm.cu`.

use super::rows::Rows;
use super::split::{DEPTH, Split, WIDTH};
use crate::device::Block;
use crate::driver::ByteProduct;
use crate::kernels::Kernel;
use crate::launch::{Grid, arguments};
use ckks_math::Result;

/// What brings entries into rows of bytes, and what the outputs are padded to a multiple of.
pub const BYTES: (Kernel, usize) = (Kernel::ByteMatrix, WIDTH);
/// Fewest columns that are worth a call.
const LEAST: usize = 64;
/// Threads of a block that joins sums, and most blocks on the axis of outputs.
const THREADS: usize = 128;
const MOST_BLOCKS: usize = 65_535;
/// Bytes that the library may work in: what its manual advises for cards of capability 9.0 and
/// newer.
const SCRATCH: usize = 32 << 20;

/// Writes the product of a matrix in [`BYTES`] with rows to the rows of `out`: as many columns of a
/// limb at a time as the workspace holds, with their sums of 32 bits.
///
/// # Errors
/// As the other forms, and [`ckks_math::Error::Unsupported`] where the library is missing.
pub fn multiply(w: &Split, rows: Rows<'_>, out: &mut Block) -> Result<()> {
    let Rows { backend, t, .. } = rows;
    let outputs = out.shape.rows.next_multiple_of(WIDTH);
    let bytes = |columns: usize| w.bytes_of(rows, columns);
    let sums = |columns: usize| w.count * outputs * columns.next_multiple_of(WIDTH) * 4;
    let columns = rows.columns_at_once(LEAST, |columns| bytes(columns) + sums(columns));
    let words = w.words.fetch(backend)?;
    let of_x = backend.buffer(bytes(columns))?;
    let of_out = backend.buffer(sums(columns))?;
    let scratch = backend.buffer(SCRATCH)?;
    let product = ByteProduct {
        a: of_x.address(),
        b: words.address(),
        c: of_out.address(),
        rows: columns.next_multiple_of(WIDTH),
        columns: outputs,
        depth: rows.inputs().next_multiple_of(DEPTH),
        batch: w.count,
        scratch: (scratch.address(), scratch.len()),
    };
    let down = out.shape.rows.min(MOST_BLOCKS);
    let blocks = [columns.div_ceil(THREADS), down, 1];
    let grid = Grid::new(Kernel::JoinSums, blocks, THREADS as u32)?;
    for piece in rows.pieces(columns) {
        w.split_rows(rows, Kernel::ByteRows, &of_x, piece)?;
        // SAFETY: the three buffers have the bytes of the product, and the scratch its own.
        unsafe { backend.queue.raw().multiply(&product)? };
        let arguments = arguments![
            out.at(t)?,
            of_out.address(),
            w.small.address(),
            w.weights.address(),
            t.primes(),
            w.count as u32,
            out.rows(),
            piece,
        ];
        // SAFETY: `checked::gemm`: the sums are those of all rows of `out` and of this piece's
        // columns, and there are weights for all primes of this ring.
        unsafe { backend.launch(t, Kernel::JoinSums, grid, &arguments)? };
    }
    Ok(())
}
