//! Versioned wire format of every public object.
//!
//! Nothing that is read is trusted: a reader is told the parameters it works with and the largest
//! object it admits, checks every count against both before it allocates, and refuses what does
//! not fit with a [`WireFault`]. Checksums detect damage, not forgery: whoever may forge must be
//! kept out by the transport.
//!
//! # Format
//!
//! All numbers are little-endian. An object is
//!
//! | bytes | field |
//! |---|---|
//! | 8 | mark `43 4b 4b 53 0d 0a 1a 0a` |
//! | 2 | [`Kind`] |
//! | 2 | version of that kind's payload, from 2 |
//! | 4 | flags, 0 in version 2 |
//! | 32 | hash of the parameters ([`Params::hash`]) |
//! | 8 | length of the payload |
//! | 4 | CRC-32 of the 56 bytes before |
//! | | payload |
//! | 4 | CRC-32 of all bytes before |
//!
//! CRC-32 is that of IEEE 802.3: it detects every flip of one bit, or of any bits within 32 of
//! each other. The payload of each kind is described where it is written. The first 60 bytes keep
//! this layout in all versions from 2; version 1, with a shorter hash, was never released.
//!
//! # Residues
//!
//! Polynomials are in evaluation order ([`crate::backend::RingSpec`]), row-major, then limb-major.
//! Each limb is one bit string, least significant bit first, of `N` residues of as many bits as
//! the modulus has. `N` is a multiple of 8, so a limb takes whole bytes. Residues not below their
//! modulus are refused.
//!
//! Uniform halves of keys, and of ciphertexts fresh from an encryption under the secret key, are
//! sent as their 32-byte seed: [`crate::sampling`] defines the expansion.
//!
//! # Owners
//!
//! Keys and ciphertexts carry the 16 bytes of their [`crate::keys::OwnerTag`], zeros for none.
//!
//! # Secrets
//!
//! [`crate::keys::SecretKey`] does not implement [`Wire`]; [`write_secret_key`] and
//! [`read_secret_key`] make and read the owner's key file and nothing else does.

mod ciphertext;
mod fault;
mod frame;
mod key_set;
mod keys;
mod parameters;
mod residues;
mod secret;

pub use fault::WireFault;
pub use frame::Kind;
pub use key_set::{KeySetReader, KeySetWriter, key_set_len, read_evaluation_keys};
pub use parameters::read_params_insecure_for_tests;
pub use secret::{read_secret_key, write_secret_key};

#[cfg(doc)]
use crate::params::Params;

use crate::error::{Error, Result};
use crate::params::ParamsHash;
use std::io::{Read, Write};

/// A public object with a wire form.
pub trait Wire: Sized {
    /// What reading and writing need besides the bytes: the backend's limits for parameters, the
    /// parameters for keys, the context for what lives on a device.
    type Scope;

    /// The kind in the header.
    const KIND: Kind;

    /// Length of the wire form in bytes, header and checksums included.
    ///
    /// # Errors
    /// [`Error::WrongParameters`] for an object of other parameters than those of `scope`.
    fn wire_len(&self, scope: &Self::Scope) -> Result<u64>;

    /// Writes the wire form.
    ///
    /// `out` receives it in pieces of up to a limb (0.5 MB): a file needs no further buffer but
    /// for small rings.
    ///
    /// # Errors
    /// [`Error::WrongParameters`] for an object of other parameters, [`Error::Wire`] when `out`
    /// fails, and what the device of the object reports.
    fn write(&self, scope: &Self::Scope, out: &mut impl Write) -> Result<()>;

    /// Reads one object of at most `limit` bytes and leaves `input` right behind it.
    ///
    /// Memory grows with the bytes that arrived, never with a declared count, to at most
    /// `64 / b` times those bytes for the shortest modulus of `b` bits.
    ///
    /// # Errors
    /// [`Error::WrongParameters`] for an object of other parameters, [`Error::Wire`] for everything
    /// else that is wrong with the bytes, and what the device reports that the object is for.
    fn read(scope: &Self::Scope, limit: u64, input: &mut impl Read) -> Result<Self>;

    /// The wire form in memory.
    ///
    /// # Errors
    /// As [`Wire::wire_len`] and [`Wire::write`].
    fn to_bytes(&self, scope: &Self::Scope) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(self.wire_len(scope)? as usize);
        self.write(scope, &mut out)?;
        Ok(out)
    }

    /// Reads an object that takes all of `bytes`; bytes behind it are refused.
    ///
    /// # Errors
    /// As [`Wire::read`], and [`Error::Wire`] for bytes behind the object.
    fn from_bytes(scope: &Self::Scope, bytes: &[u8]) -> Result<Self> {
        let mut input = bytes;
        let object = Self::read(scope, bytes.len() as u64, &mut input)?;
        expect_end(Self::KIND, input)?;
        Ok(object)
    }
}

/// Fails when bytes are left behind an object.
fn expect_end(kind: Kind, rest: &[u8]) -> Result<()> {
    if rest.is_empty() {
        return Ok(());
    }
    Err(Error::Wire {
        object: kind.name(),
        fault: WireFault::Trailing {
            bytes: rest.len() as u64,
        },
    })
}

/// Fails with [`Error::WrongParameters`] unless an object's fingerprint is that in use.
fn same_parameters(kind: Kind, found: ParamsHash, expected: ParamsHash) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::WrongParameters {
        op: kind.name(),
        found,
        expected,
    })
}
