//! Prices of operations on whole batches.

/// Seconds of an operation on a batch of ciphertexts: what a call costs whatever its size, and what
/// each ciphertext of the batch adds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Batched {
    /// Seconds of the kernel calls alone.
    pub call: f64,
    /// Seconds of the work for each ciphertext.
    pub each: f64,
}

impl Batched {
    /// The price of an operation that takes `one` for one ciphertext and `two` for a batch of two:
    /// all counted work is proportional to the rows, and the calls are the same.
    pub(super) fn between(one: f64, two: f64) -> Self {
        let each = two - one;
        Self {
            call: one - each,
            each,
        }
    }

    /// An operation that cannot be done.
    pub(super) const IMPOSSIBLE: Self = Self {
        call: f64::INFINITY,
        each: f64::INFINITY,
    };

    /// Seconds for a batch of `count`.
    pub fn of(&self, count: usize) -> f64 {
        self.call + count as f64 * self.each
    }
}
