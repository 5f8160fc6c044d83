//! Modular matrix products over rows.

use super::RingKernels;
use crate::error::Result;

/// Products of small integer matrices with rows of residues.
pub trait GemmKernels: RingKernels {
    /// A plaintext matrix prepared for this device.
    type PlainMatrix: Send + Sync + 'static;

    /// Prepares an integer matrix, row-major `[outputs, inputs]`.
    ///
    /// # Errors
    /// As [`super::checked::matrix`]; [`crate::Error::OutOfMemory`], and failures of the device.
    fn load_matrix(
        &self,
        t: &Self::Tables,
        outputs: usize,
        inputs: usize,
        entries: &[i64],
    ) -> Result<Self::PlainMatrix>;

    /// `out row i = sum_j w[i, j] * x row j`, for each limb.
    ///
    /// # Errors
    /// As [`super::checked::gemm`]; [`crate::Error::OutOfMemory`], and failures of the device.
    ///
    /// # Contract
    /// in: `x` with as many rows as the matrix has inputs, any basis, either domain · out: as many
    /// rows as outputs · exact · law: `gemm_matches_integers`
    fn gemm(&self, t: &Self::Tables, w: &Self::PlainMatrix, x: &Self::Block)
    -> Result<Self::Block>;
}
