//! Header, payload and checksums of one object.

use super::{WireFault, same_parameters};
use crate::error::{Error, Result};
use crate::params::ParamsHash;
use crc32fast::Hasher;
use std::io::{ErrorKind, Read, Write};

/// First bytes of every object: a name, then bytes that text-mode transfers damage.
const MARK: [u8; 8] = *b"CKKS\r\n\x1a\n";
/// Bytes before the payload.
const HEADER: usize = 60;
/// Bytes of the checksum behind the payload.
const TRAILER: u64 = 4;
/// The version of every kind.
const VERSION: u16 = 2;
/// The version whose header was shorter.
const SHORT_HEADER: u16 = 1;

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// [`crate::Params`].
    Params = 1,
    /// [`crate::keys::PublicKey`].
    PublicKey = 2,
    /// [`crate::keys::SwitchingKey`].
    SwitchingKey = 3,
    /// The list of keys of a set, see [`super::KeySetWriter`].
    KeySet = 4,
    /// [`crate::Ciphertext`].
    Ciphertext = 5,
    /// [`crate::Plaintext`].
    Plaintext = 6,
    /// The seed of a [`crate::keys::SecretKey`].
    SecretKey = 7,
}

impl Kind {
    /// The name in error messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Params => "parameters",
            Self::PublicKey => "public key",
            Self::SwitchingKey => "switching key",
            Self::KeySet => "key set",
            Self::Ciphertext => "ciphertext",
            Self::Plaintext => "plaintext",
            Self::SecretKey => "secret key",
        }
    }

    fn from_number(number: u16) -> Option<Self> {
        [
            Self::Params,
            Self::PublicKey,
            Self::SwitchingKey,
            Self::KeySet,
            Self::Ciphertext,
            Self::Plaintext,
            Self::SecretKey,
        ]
        .into_iter()
        .find(|&kind| kind as u16 == number)
    }

    pub(super) fn fault(self, fault: WireFault) -> Error {
        Error::Wire {
            object: self.name(),
            fault,
        }
    }
}

/// Length of an object with this payload.
pub(super) const fn object_len(payload: u64) -> u64 {
    payload.saturating_add(HEADER as u64 + TRAILER)
}

/// Writes one object.
pub(super) struct FrameWriter<'w, W> {
    kind: Kind,
    out: &'w mut W,
    crc: Hasher,
    declared: u64,
    written: u64,
}

impl<'w, W: Write> FrameWriter<'w, W> {
    /// Writes the header of an object with `payload` bytes to come.
    pub(super) fn begin(
        kind: Kind,
        hash: ParamsHash,
        payload: u64,
        out: &'w mut W,
    ) -> Result<Self> {
        let mut header = [0; HEADER];
        header[..8].copy_from_slice(&MARK);
        header[8..10].copy_from_slice(&(kind as u16).to_le_bytes());
        header[10..12].copy_from_slice(&VERSION.to_le_bytes());
        header[16..48].copy_from_slice(hash.as_bytes());
        header[48..56].copy_from_slice(&payload.to_le_bytes());
        let crc = crc32fast::hash(&header[..56]);
        header[56..].copy_from_slice(&crc.to_le_bytes());
        let mut frame = Self {
            kind,
            out,
            crc: Hasher::new(),
            declared: object_len(payload) - TRAILER,
            written: 0,
        };
        frame.put(&header)?;
        Ok(frame)
    }

    /// Appends bytes.
    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.crc.update(bytes);
        self.written += bytes.len() as u64;
        send(self.kind, self.out, bytes)
    }

    /// Appends a number.
    pub(super) fn put_u32(&mut self, value: u32) -> Result<()> {
        self.put(&value.to_le_bytes())
    }

    /// Appends a count, which must fit 32 bits.
    pub(super) fn put_count(&mut self, field: &'static str, value: usize) -> Result<()> {
        let short = u32::try_from(value).map_err(|_| {
            self.kind
                .fault(WireFault::field(field, &value, "less than 2^32"))
        })?;
        self.put_u32(short)
    }

    /// Appends the checksum; fails when the payload is not as long as announced.
    pub(super) fn finish(self) -> Result<()> {
        if self.written != self.declared {
            return Err(self.kind.fault(WireFault::Length {
                declared: self.declared - HEADER as u64,
                needed: self.written - HEADER as u64,
            }));
        }
        let crc = self.crc.finalize().to_le_bytes();
        send(self.kind, self.out, &crc)
    }
}

fn send(kind: Kind, out: &mut impl Write, bytes: &[u8]) -> Result<()> {
    out.write_all(bytes).map_err(|source| {
        kind.fault(WireFault::Io {
            action: "writing",
            source,
        })
    })
}

/// Reads one object.
pub(super) struct FrameReader<'r, R> {
    kind: Kind,
    input: &'r mut R,
    crc: Hasher,
    hash: ParamsHash,
    /// Length of the payload.
    payload: u64,
    /// Bytes of header and payload read so far.
    position: u64,
}

impl<'r, R: Read> FrameReader<'r, R> {
    /// Reads and checks a header: mark, checksum, kind, version, flags, parameters (unless `hash`
    /// is `None`) and length against `limit`, in this order.
    pub(super) fn open(
        kind: Kind,
        hash: Option<ParamsHash>,
        limit: u64,
        input: &'r mut R,
    ) -> Result<Self> {
        let mut frame = Self {
            kind,
            input,
            crc: Hasher::new(),
            hash: ParamsHash::from_bytes([0; 32]),
            payload: 0,
            position: 0,
        };
        let mark: [u8; 8] = frame.array()?;
        if mark != MARK {
            return Err(frame.fault(WireFault::Mark { found: mark }));
        }
        let number = u16::from_le_bytes(frame.array()?);
        let version = u16::from_le_bytes(frame.array()?);
        if version == SHORT_HEADER {
            return Err(frame.unknown_version(version));
        }
        let flags = u32::from_le_bytes(frame.array()?);
        frame.hash = ParamsHash::from_bytes(frame.array()?);
        let payload = u64::from_le_bytes(frame.array()?);
        frame.compare("header")?;
        frame.payload = payload;
        if number != kind as u16 {
            let found = Kind::from_number(number)
                .map_or_else(|| format!("unknown kind {number}"), |k| k.name().into());
            let expected = kind.name();
            return Err(frame.fault(WireFault::Kind { found, expected }));
        }
        if version != VERSION {
            return Err(frame.unknown_version(version));
        }
        if flags != 0 {
            return Err(frame.fault(WireFault::Flags { found: flags }));
        }
        if let Some(expected) = hash {
            same_parameters(kind, frame.hash, expected)?;
        }
        let bytes = object_len(payload);
        if bytes > limit {
            return Err(frame.fault(WireFault::Limit { bytes, limit }));
        }
        Ok(frame)
    }

    /// The kind of the object.
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// Hash of the parameters in the header.
    pub(super) fn hash(&self) -> ParamsHash {
        self.hash
    }

    /// Bytes of the payload not read yet.
    pub(super) fn left(&self) -> u64 {
        self.payload - (self.position - HEADER as u64)
    }

    /// Fails unless exactly `needed` bytes of the payload are left.
    pub(super) fn expect_left(&self, needed: u128) -> Result<()> {
        if u128::from(self.left()) == needed {
            return Ok(());
        }
        let before = self.payload - self.left();
        Err(self.fault(WireFault::Length {
            declared: self.payload,
            needed: u64::try_from(needed)
                .unwrap_or(u64::MAX)
                .saturating_add(before),
        }))
    }

    /// Fills `bytes` from the payload.
    pub(super) fn take(&mut self, bytes: &mut [u8]) -> Result<()> {
        let needed = bytes.len() as u64;
        if needed > self.left() {
            return Err(self.fault(WireFault::Length {
                declared: self.payload,
                needed: self.position - HEADER as u64 + needed,
            }));
        }
        self.receive(bytes)
    }

    /// The next number of the payload.
    pub(super) fn take_u32(&mut self) -> Result<u32> {
        let mut bytes = [0; 4];
        self.take(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    /// The next 64-bit number of the payload.
    pub(super) fn take_u64(&mut self) -> Result<u64> {
        let mut bytes = [0; 8];
        self.take(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// The next number, if `range` has it.
    pub(super) fn take_in(
        &mut self,
        field: &'static str,
        range: std::ops::RangeInclusive<u32>,
    ) -> Result<u32> {
        let found = self.take_u32()?;
        if range.contains(&found) {
            return Ok(found);
        }
        let admitted = format!("{} to {}", range.start(), range.end());
        Err(self.fault(WireFault::field(field, &found, admitted)))
    }

    /// Checks that the payload is used up, and its checksum.
    pub(super) fn finish(mut self) -> Result<()> {
        self.expect_left(0)?;
        self.compare("object")
    }

    pub(super) fn fault(&self, fault: WireFault) -> Error {
        self.kind.fault(fault)
    }

    fn unknown_version(&self, found: u16) -> Error {
        self.fault(WireFault::Version {
            found,
            known: VERSION,
        })
    }

    /// The next bytes, as many as the array has.
    pub(super) fn take_array<const LEN: usize>(&mut self) -> Result<[u8; LEN]> {
        let mut bytes = [0; LEN];
        self.take(&mut bytes)?;
        Ok(bytes)
    }

    fn array<const LEN: usize>(&mut self) -> Result<[u8; LEN]> {
        let mut bytes = [0; LEN];
        self.receive(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads the checksum of everything before and compares.
    fn compare(&mut self, part: &'static str) -> Result<()> {
        let computed = self.crc.clone().finalize();
        let stored = u32::from_le_bytes(self.array()?);
        if stored != computed {
            return Err(self.fault(WireFault::Checksum {
                part,
                computed,
                stored,
            }));
        }
        Ok(())
    }

    fn receive(&mut self, bytes: &mut [u8]) -> Result<()> {
        let needed = self.position + bytes.len() as u64;
        let total = if self.position < HEADER as u64 {
            HEADER as u64
        } else {
            object_len(self.payload)
        };
        self.input.read_exact(bytes).map_err(|source| {
            self.kind.fault(match source.kind() {
                ErrorKind::UnexpectedEof => WireFault::Truncated { needed, total },
                _ => WireFault::Io {
                    action: "reading",
                    source,
                },
            })
        })?;
        self.crc.update(bytes);
        self.position = needed;
        Ok(())
    }
}
