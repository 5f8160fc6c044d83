//! Encrypted tensors.

use ckks_math::backend::Backend;
use he_linalg::Packed;

/// An encrypted tensor: ciphertexts of `value / unit`.
pub struct Tensor<B: Backend> {
    pub(crate) packed: Packed<B>,
    pub(crate) unit: f64,
    /// Its index along [`he_linalg::Axis::PART`], where others share its ciphertext.
    pub(crate) part: Option<usize>,
}

impl<B: Backend> Clone for Tensor<B> {
    fn clone(&self) -> Self {
        Self {
            packed: self.packed.clone(),
            ..*self
        }
    }
}

impl<B: Backend> Tensor<B> {
    /// Ciphertexts that hold `value / unit`.
    pub fn new(packed: Packed<B>, unit: f64) -> Self {
        Self {
            packed,
            unit,
            part: None,
        }
    }

    /// The same tensor as one of those side by side in its ciphertext.
    pub(crate) fn in_part(self, part: Option<usize>) -> Self {
        Self { part, ..self }
    }

    /// The ciphertexts.
    pub fn packed(&self) -> &Packed<B> {
        &self.packed
    }

    /// What a stored 1 stands for.
    pub fn unit(&self) -> f64 {
        self.unit
    }

    /// Its index along [`he_linalg::Axis::PART`] of its layout, where others share its ciphertext.
    pub fn part(&self) -> Option<usize> {
        self.part
    }

    /// Level of its ciphertexts.
    pub fn level(&self) -> usize {
        self.packed.level()
    }
}
