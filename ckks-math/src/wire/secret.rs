//! The owner's key file: the only bytes that hold a secret.
//!
//! The payload is the 32-byte seed from which the secret follows.

use super::frame::{FrameReader, FrameWriter, object_len};
use super::{Kind, WireFault, same_parameters};
use crate::error::Result;
use crate::keys::SecretKey;
use crate::params::Params;
use crate::sampling::Seed;
use std::io::{ErrorKind, Read, Write};
use zeroize::Zeroizing;

/// Writes a secret key's seed: 96 bytes **that nobody but the owner may see**.
///
/// `out` should be unbuffered, or wipe its buffer.
///
/// # Errors
/// [`Error::WrongParameters`](crate::Error::WrongParameters) for a key of other parameters, and
/// [`Error::Wire`](crate::Error::Wire) when `out` fails.
pub fn write_secret_key(key: &SecretKey, params: &Params, out: &mut impl Write) -> Result<()> {
    same_parameters(Kind::SecretKey, key.hash, params.hash())?;
    let mut frame = FrameWriter::begin(Kind::SecretKey, params.hash(), 32, out)?;
    frame.put(key.seed().as_bytes())?;
    frame.finish()
}

/// Reads what [`write_secret_key`] wrote, for the same parameters, and expands the secret.
///
/// Nothing may follow: `input` is a whole key file.
///
/// # Errors
/// [`Error::WrongParameters`](crate::Error::WrongParameters) for a key of other parameters,
/// [`Error::Wire`](crate::Error::Wire) for everything else that is wrong with the bytes, and as
/// [`SecretKey::from_seed`].
pub fn read_secret_key(params: &Params, input: &mut impl Read) -> Result<SecretKey> {
    let hash = Some(params.hash());
    let mut frame = FrameReader::open(Kind::SecretKey, hash, object_len(32), input)?;
    frame.expect_left(32)?;
    let mut seed = Zeroizing::new([0; 32]);
    frame.take(seed.as_mut())?;
    frame.finish()?;
    // One more byte than there may be.
    match input.read_exact(&mut [0]) {
        Err(end) if end.kind() == ErrorKind::UnexpectedEof => {
            SecretKey::from_seed(params, Seed::from_bytes(*seed))
        }
        Ok(()) => Err(Kind::SecretKey.fault(WireFault::Trailing { bytes: 1 })),
        Err(source) => Err(Kind::SecretKey.fault(WireFault::Io {
            action: "reading",
            source,
        })),
    }
}
