//! What a matrix is multiplied with.

use crate::backend::CudaBackend;
use crate::device::Block;
use crate::launch::Columns;
use crate::tables::Tables;

/// Bytes that what is made of columns may take at a time.
pub const WORKSPACE: usize = 256 << 20;

/// The rows of a block, one for each input of a matrix.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    /// Where they are multiplied.
    pub backend: &'a CudaBackend,
    /// Tables of their ring.
    pub t: &'a Tables,
    /// The block.
    pub x: &'a Block,
    /// Bytes that what is made of columns may take at a time.
    pub workspace: usize,
}

impl Rows<'_> {
    /// Inputs of the matrix.
    pub const fn inputs(&self) -> usize {
        self.x.shape.rows
    }

    /// How many columns of a limb to work on at a time, when so many take so many bytes: all if the
    /// workspace holds them, else a part of them by a power of two, about `least` at least.
    pub fn columns_at_once(&self, least: usize, bytes: impl Fn(usize) -> usize) -> usize {
        let mut columns = self.x.shape.degree;
        while columns > least && bytes(columns) > self.workspace {
            columns /= 2;
        }
        columns
    }

    /// All columns of all limbs, so many at a time.
    pub fn pieces(&self, columns: usize) -> impl Iterator<Item = Columns> {
        let (limbs, log_n) = (self.x.limbs(self.t), self.x.log_n());
        let shape = self.x.shape;
        (0..shape.basis.limbs() as u32).flat_map(move |limb| {
            (0..shape.degree)
                .step_by(columns)
                .map(move |first| Columns {
                    limbs,
                    limb,
                    first: first as u32,
                    count: columns as u32,
                    log_n,
                })
        })
    }
}
