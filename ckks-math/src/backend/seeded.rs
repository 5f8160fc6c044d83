//! What masked polynomials and seed-compressed keys are made of.

use super::Basis;
use crate::error::{Error, Result};
use crate::sampling::Seed;

/// Ingredients of [`super::RingKernels::masked`]: row `r` is `e_r - a_r s`, plus `m_r` if there are
/// messages, with `a_r` the uniform polynomial number `r` of a seed.
#[derive(Clone, Copy, Debug)]
pub struct Masks<'a, Block> {
    /// Seed of the `a_r`, see [`super::RingKernels::uniform`].
    pub seed: &'a Seed,
    /// `s`: one row of evaluations over a basis that contains that of the result.
    pub secret: &'a Block,
    /// Coefficients of the `e_r`, `N` of each.
    pub errors: &'a [i64],
    /// The `m_r`, one row of evaluations each, added on the primes that they have, which the
    /// result has too; or none.
    pub messages: &'a [&'a Block],
}

impl<Block> Masks<'_, Block> {
    /// Number of rows at degree `n`; fails when errors and messages disagree about it.
    ///
    /// # Errors
    /// [`Error::InvalidParameters`] with both numbers.
    pub fn check(&self, n: usize) -> Result<usize> {
        let rows = self.errors.len() / n;
        let messages = self.messages.len();
        if !self.errors.len().is_multiple_of(n) || (messages > 0 && messages != rows) {
            return Err(Error::InvalidParameters(format!(
                "masked: {} error coefficients and {messages} messages: give N = {n} coefficients a \
                 row, and one message for each row or none",
                self.errors.len()
            )));
        }
        Ok(rows)
    }
}

/// A seed-compressed switching key on its way to a device: as [`super::SwitchKeyData`], with `a_d`
/// the uniform polynomial number `d` of a seed and the `b_d` packed.
#[derive(Clone, Copy, Debug)]
pub struct SeededKeyData<'a> {
    /// The primes of the key.
    pub basis: Basis,
    /// Moduli in a digit.
    pub digit_size: usize,
    /// Seed of the `a_d`, see [`super::RingKernels::uniform`].
    pub seed: &'a Seed,
    /// Rows `b_d`, packed as [`super::packed`] defines, each residue below its modulus.
    pub b: &'a [u8],
}

impl SeededKeyData<'_> {
    /// Number of digits.
    pub const fn digits(&self) -> usize {
        self.basis.q_len().div_ceil(self.digit_size)
    }
}
