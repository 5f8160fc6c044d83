//! Switching keys in canonical, seed-compressed form.

use super::{GaloisElement, OwnerTag};
use crate::backend::{Backend, Basis, SeededKeyData};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::params::{Params, ParamsHash, special_primes_for};
use crate::sampling::Seed;
use std::fmt;

/// What a switching key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyPurpose {
    /// From `s^2` to `s`.
    Relinearization,
    /// From `s(X^g)` to `s`.
    Galois(GaloisElement),
    /// From `s` to the ephemeral sparse secret, before ModRaise.
    ToEphemeral,
    /// From the ephemeral sparse secret to `s`, after ModRaise.
    FromEphemeral,
}

impl fmt::Display for KeyPurpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relinearization => write!(f, "relinearisation key"),
            Self::Galois(g) => write!(f, "Galois key for X -> X^{g}"),
            Self::ToEphemeral => write!(f, "key to the ephemeral secret"),
            Self::FromEphemeral => write!(f, "key from the ephemeral secret"),
        }
    }
}

/// A key to make: its purpose and the highest level it must serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyRequest {
    /// What it is for.
    pub purpose: KeyPurpose,
    /// Highest level of ciphertexts it is used on.
    pub level: usize,
}

impl KeyRequest {
    /// Whether the parameters admit a key of this request.
    ///
    /// # Errors
    /// [`Error::LevelMismatch`] for a level above the top, [`Error::GaloisElement`] for an element
    /// of another ring, [`Error::NoBootstrapping`] for keys of an ephemeral secret that the set has
    /// not.
    pub fn check(&self, params: &Params) -> Result<()> {
        if self.level > params.max_level() {
            return Err(Error::LevelMismatch {
                op: "switching key",
                found: self.level,
                expected: params.max_level(),
            });
        }
        match self.purpose {
            KeyPurpose::Galois(g) => GaloisElement::new(params.ring(), g.get()).map(|_| ()),
            KeyPurpose::ToEphemeral | KeyPurpose::FromEphemeral
                if params.literal().bootstrap.is_none() =>
            {
                Err(Error::NoBootstrapping {
                    params: params.name().to_owned(),
                })
            }
            _ => Ok(()),
        }
    }

    /// The basis of such a key: the moduli of its level, and as many special primes as its widest
    /// digit needs for the switching noise to vanish in the rounding by `P`.
    ///
    /// Keys of low levels are much smaller than those of the top: fewer limbs, fewer digits. A
    /// level above the top counts as the top.
    pub fn basis(&self, params: &Params) -> Basis {
        let primes = params.primes_at(self.level.min(params.max_level()));
        let special = special_primes_for(params.ring(), params.digit_size(), primes);
        Basis::qp(primes, special)
    }
}

/// A switching key on the host: the seed of its uniform half and the other half, packed.
///
/// Digit `d` holds `b_d` with `b_d + a_d s = P g_d s' + e`, see
/// [`SwitchKeyData`](crate::backend::SwitchKeyData).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwitchingKey {
    pub(crate) request: KeyRequest,
    pub(crate) basis: Basis,
    pub(crate) digit_size: usize,
    pub(crate) hash: ParamsHash,
    pub(crate) owner: OwnerTag,
    /// Seed of the `a_d`; public.
    pub(crate) seed: [u8; 32],
    /// Rows `b_d`, evaluations, [packed](crate::backend::packed).
    pub(crate) b: Vec<u8>,
}

impl SwitchingKey {
    /// What the key is for and up to which level.
    pub fn request(&self) -> KeyRequest {
        self.request
    }

    /// The tag of the secret key that it belongs to.
    pub fn owner(&self) -> OwnerTag {
        self.owner
    }

    /// Bytes of the compressed form: the stored half and the seed.
    pub fn bytes(&self) -> usize {
        self.b.len() + self.seed.len()
    }

    /// Bytes of both halves, with as many bits for each residue as its prime has: what a device
    /// that keeps keys packed holds.
    pub fn expanded_bytes(&self) -> u64 {
        2 * self.b.len() as u64
    }

    /// Brings the key to a device and expands it there.
    ///
    /// # Errors
    /// [`Error::WrongParameters`] for a key of another set, and what the device reports.
    pub fn load<B: Backend>(&self, context: &Context<B>) -> Result<B::SwitchKey> {
        context.check_hash("load switching key", self.hash)?;
        let data = SeededKeyData {
            basis: self.basis,
            digit_size: self.digit_size,
            seed: &Seed::from_bytes(self.seed),
            b: &self.b,
        };
        context.backend().load_seeded_key(context.tables(), &data)
    }
}
