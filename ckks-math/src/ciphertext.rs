//! Plaintexts and ciphertexts on a device.

use crate::backend::Backend;
use crate::keys::OwnerTag;
use crate::params::ParamsHash;
use crate::poly::{Eval, Poly};
use std::sync::Arc;

/// An encoded polynomial; clones share the data.
pub struct Plaintext<B: Backend> {
    pub(crate) poly: Arc<Poly<Eval, B>>,
    pub(crate) level: usize,
    pub(crate) scale: f64,
    pub(crate) slots: usize,
    pub(crate) hash: ParamsHash,
}

impl<B: Backend> Clone for Plaintext<B> {
    fn clone(&self) -> Self {
        Self {
            poly: Arc::clone(&self.poly),
            ..*self
        }
    }
}

impl<B: Backend> Plaintext<B> {
    /// Its level.
    pub fn level(&self) -> usize {
        self.level
    }

    /// Its scale.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// Number of slots (the period of its slot vector).
    pub fn slots(&self) -> usize {
        self.slots
    }
}

/// A batch of `count` ciphertexts of the same level, scale and number of slots; clones share data.
///
/// Rows are component-major: the `count` constant terms, then the `count` linear terms (and the
/// quadratic ones of an unrelinearised product). A ciphertext with `n` slots holds a vector of
/// period `n`, so it may be used where more slots are expected.
pub struct Ciphertext<B: Backend> {
    pub(crate) poly: Arc<Poly<Eval, B>>,
    pub(crate) count: usize,
    pub(crate) components: usize,
    pub(crate) level: usize,
    pub(crate) scale: f64,
    pub(crate) slots: usize,
    pub(crate) hash: ParamsHash,
    /// `None` for zeros that no key was needed for.
    pub(crate) owner: Option<OwnerTag>,
}

impl<B: Backend> Clone for Ciphertext<B> {
    fn clone(&self) -> Self {
        Self {
            poly: Arc::clone(&self.poly),
            ..*self
        }
    }
}

impl<B: Backend> Ciphertext<B> {
    /// Number of ciphertexts in the batch.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Its residues on the device: evaluations, rows as above.
    pub fn block(&self) -> &B::Block {
        self.poly.block()
    }

    /// Number of polynomials of each: 2, or 3 before relinearisation.
    pub fn components(&self) -> usize {
        self.components
    }

    /// The level: how many more rescalings it admits.
    pub fn level(&self) -> usize {
        self.level
    }

    /// The scale: stored values are the message times this.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// Number of slots (the period of the slot vector).
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// The tag of the secret key that decrypts it; `None` for zeros that no key was needed for.
    pub fn owner(&self) -> Option<OwnerTag> {
        self.owner
    }

    /// The same ciphertext read as holding `slots` slots, a multiple of the present number.
    ///
    /// Periodic vectors are vectors of every multiple of their period.
    ///
    /// # Errors
    /// [`Error::SlotMismatch`](crate::Error::SlotMismatch) when `slots` is not a power of two at
    /// least the present number.
    pub fn with_slots(&self, slots: usize) -> crate::Result<Self> {
        if !slots.is_power_of_two() || slots < self.slots {
            return Err(crate::Error::SlotMismatch {
                op: "with_slots",
                found: slots,
                expected: self.slots,
            });
        }
        Ok(Self {
            slots,
            ..self.clone()
        })
    }

    /// The same ciphertext read as holding `slots` slots, where the caller knows that the slot
    /// vector repeats with that period (after a sum over its slowest axis, say).
    ///
    /// # Errors
    /// [`Error::SlotMismatch`](crate::Error::SlotMismatch) when `slots` is not a power of two at
    /// most the present number.
    pub fn with_period(&self, slots: usize) -> crate::Result<Self> {
        if !slots.is_power_of_two() || slots > self.slots {
            return Err(crate::Error::SlotMismatch {
                op: "with_period",
                found: slots,
                expected: self.slots,
            });
        }
        Ok(Self {
            slots,
            ..self.clone()
        })
    }

    /// The same data under another scale: multiplies the message by `old / new` for free.
    pub fn with_scale(&self, scale: f64) -> Self {
        Self {
            scale,
            ..self.clone()
        }
    }
}
