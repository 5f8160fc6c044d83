//! What kernels are asked to do, and with which rows.

use std::ops::Range;

/// A binary operation on residues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pointwise {
    /// `x + y`.
    Add,
    /// `x - y`.
    Sub,
    /// `x * y`.
    Mul,
}

/// A neighbour of a coefficient, for
/// [`RingKernels::add_neighbours`](crate::backend::RingKernels::add_neighbours).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Neighbour {
    /// The coefficient behind; 0 behind the last.
    Next,
    /// The coefficient before; the first is its own.
    Previous,
}

/// Some rows of a block under an automorphism: `y(X^galois)`.
#[derive(Clone, Debug)]
pub struct Permuted<'a, Block> {
    /// Evaluations.
    pub block: &'a Block,
    /// The rows meant.
    pub rows: Range<usize>,
    /// Odd, below the order of the roots; 1 leaves them as they are.
    pub galois: u64,
}

impl<'a, Block> Permuted<'a, Block> {
    /// Rows as they are.
    pub const fn rows(block: &'a Block, rows: Range<usize>) -> Self {
        Self {
            block,
            rows,
            galois: 1,
        }
    }

    /// The same rows under an automorphism.
    #[must_use]
    pub fn by(self, galois: u64) -> Self {
        Self { galois, ..self }
    }
}
