//! Products that the vendor's library makes.

use super::Address;

/// Products of matrices of signed bytes, summed in 32 bits, for each `i` of a batch:
///
/// `c_i[column][row] = sum_k a_i[row][k] b_i[column][k]`, the last index of each consecutive.
///
/// A library that stores columns one after the other reads it as `C = A^T B` ("TN"), the one form
/// of which tensor cores multiply bytes. Products of a batch follow each other. Where each row of a
/// matrix begins is a multiple of 16 bytes, which those want: so are the addresses (that of scratch
/// of 256 bytes) and the depth, and rows and columns are multiples of 8. What is written shares no
/// memory with anything else. Sums must fit 32 bits.
#[derive(Clone, Copy, Debug)]
pub struct ByteProduct {
    /// `[batch][rows][depth]` signed bytes.
    pub a: Address,
    /// `[batch][columns][depth]` signed bytes.
    pub b: Address,
    /// `[batch][columns][rows]` signed words of 32 bits, written.
    pub c: Address,
    /// Rows of `A^T`.
    pub rows: usize,
    /// Columns of `B`.
    pub columns: usize,
    /// Terms of a sum.
    pub depth: usize,
    /// Products.
    pub batch: usize,
    /// Memory that the library may write to, and its bytes: its content means nothing before or
    /// after.
    pub scratch: (Address, usize),
}
