//! Whose keys and ciphertexts they are.

use crate::error::{Error, Result};
use crate::sampling::Seed;
use std::fmt;

/// A public mark of one secret key under one parameter set, on every key and ciphertext made with
/// it.
///
/// It follows from the secret's seed by a one-way function. Objects of two owners do not combine:
/// the result would decrypt to noise under either key, without notice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnerTag([u8; 16]);

impl OwnerTag {
    /// The tag of the secret that follows from `seed`, which is bound to its parameters.
    pub(super) fn of(seed: &Seed) -> Self {
        let derived = seed.derive("owner's tag", 0);
        let mut tag = [0; 16];
        tag.copy_from_slice(&derived.as_bytes()[..16]);
        Self(tag)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The tag with these bytes; `None` for zeros, which stand for no owner on the wire.
    pub(crate) fn from_wire(bytes: [u8; 16]) -> Option<Self> {
        (bytes != [0; 16]).then_some(Self(bytes))
    }

    /// The bytes of an owner or of none.
    pub(crate) fn to_wire(owner: Option<Self>) -> [u8; 16] {
        owner.map_or([0; 16], |tag| tag.0)
    }

    /// The common owner of two objects, either of which may have none: a ciphertext of zeros, a set
    /// without keys.
    ///
    /// # Errors
    /// [`Error::WrongOwner`] for two different owners.
    pub(crate) fn common(
        op: &'static str,
        found: Option<Self>,
        expected: Option<Self>,
    ) -> Result<Option<Self>> {
        match (found, expected) {
            (Some(found), Some(expected)) if found != expected => Err(Error::WrongOwner {
                op,
                found,
                expected,
            }),
            _ => Ok(found.or(expected)),
        }
    }
}

impl fmt::Display for OwnerTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(
            &self
                .0
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>(),
        )
    }
}

impl fmt::Debug for OwnerTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnerTag({self})")
    }
}
