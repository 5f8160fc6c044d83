//! The public encryption key.

use super::OwnerTag;
use crate::params::ParamsHash;

/// A public encryption key at the top level: the seed of its uniform half `a`, and `b = -a s + e`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    pub(crate) hash: ParamsHash,
    pub(crate) owner: OwnerTag,
    pub(crate) seed: [u8; 32],
    /// One row, evaluations, [packed](crate::backend::packed).
    pub(crate) b: Vec<u8>,
}

impl PublicKey {
    /// The tag of the secret key that it belongs to.
    pub fn owner(&self) -> OwnerTag {
        self.owner
    }
}
