//! The public encryption key.

/// A public encryption key at the top level: the seed of its uniform half `a`, and `b = -a s + e`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    pub(crate) hash: u64,
    pub(crate) seed: [u8; 32],
    /// One row, evaluations, [packed](crate::backend::packed).
    pub(crate) b: Vec<u8>,
}
