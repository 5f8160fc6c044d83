//! Headers of the messages between client and server, in front of objects in wire format.
//!
//! | bytes | field |
//! |---|---|
//! | 8 | mark `48 45 4c 4c 41 4d 41 0a` |
//! | 2 | [`Kind`] |
//! | 2 | version, from 1 |
//! | 4 | length of the header |
//! | | header: JSON, see [`Header`] |
//! | 4 | CRC-32 of all bytes before |
//! | | objects in the wire format of the scheme, each with its own checksums |
//!
//! Numbers are little-endian. A reader knows what it expects: the header only says whether that is
//! what came, and no allocation follows it beyond its own limited length.

use std::io::{ErrorKind, Read, Write};

use serde::{Deserialize, Serialize};

use crate::error::{Error, MessageFault, Result};
use crate::protocol::session::Session;

const MARK: [u8; 8] = *b"HELLAMA\n";
const VERSION: u16 = 1;
/// Longest header in bytes.
const LIMIT: u32 = 4096;

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The owner's secret key file.
    SecretKey = 1,
    /// Evaluation keys for the server.
    EvaluationKeys = 2,
    /// Encrypted tokens, from client to server.
    Request = 3,
    /// Encrypted logits, from server to client.
    Response = 4,
    /// The server's encrypted cache between passes.
    State = 5,
}

impl Kind {
    /// The name in error messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SecretKey => "secret key file",
            Self::EvaluationKeys => "server key file",
            Self::Request => "request",
            Self::Response => "response",
            Self::State => "state file",
        }
    }

    fn from_number(number: u16) -> Option<Self> {
        use Kind::{EvaluationKeys, Request, Response, SecretKey, State};
        let all = [SecretKey, EvaluationKeys, Request, Response, State];
        all.into_iter().find(|&kind| kind as u16 == number)
    }

    pub(crate) fn fault(self, fault: MessageFault) -> Error {
        Error::Message {
            what: self.name(),
            fault,
        }
    }
}

/// What a message says about itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The session.
    pub session: Session,
    /// Names the secret key that everything is encrypted under; not secret.
    pub key: String,
    /// Position of the first token (of a state: the number of positions held).
    pub position: usize,
    /// What a stored 1 stands for, in each of the objects that follow.
    pub units: Vec<f64>,
}

impl Header {
    /// Fails unless session and key are those in use.
    pub fn expect(&self, kind: Kind, session: &Session, key: &str) -> Result<()> {
        session.expect(&self.session, kind.name())?;
        if self.key == key {
            return Ok(());
        }
        Err(Error::Session {
            what: kind.name(),
            field: "key",
            found: self.key.clone(),
            expected: key.to_owned(),
            way_out: "use files made with the same secret key",
        })
    }

    /// The units, as many as objects follow. Fails for another number, and for units that are not
    /// finite and positive.
    pub fn units<const N: usize>(&self, kind: Kind) -> Result<[f64; N]> {
        let good = self.units.iter().all(|u| u.is_finite() && *u > 0.0);
        match <[f64; N]>::try_from(self.units.as_slice()) {
            Ok(units) if good => Ok(units),
            _ => Err(kind.fault(MessageFault::Field {
                field: "units",
                found: format!("{:?}", self.units),
                admitted: format!("{N} finite positive numbers"),
            })),
        }
    }
}

/// Writes a message up to where its objects follow.
pub fn write(kind: Kind, header: &Header, out: &mut impl Write) -> Result<()> {
    let text = serde_json::to_vec(header).map_err(|e| {
        kind.fault(MessageFault::Header {
            reason: e.to_string(),
        })
    })?;
    let found = u32::try_from(text.len()).unwrap_or(u32::MAX);
    if found > LIMIT {
        return Err(kind.fault(MessageFault::Limit {
            found,
            limit: LIMIT,
        }));
    }
    let mut bytes = MARK.to_vec();
    bytes.extend((kind as u16).to_le_bytes());
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend(found.to_le_bytes());
    bytes.extend(text);
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    out.write_all(&bytes)
        .map_err(|e| kind.fault(MessageFault::Io(e)))
}

/// Reads the header of a message of `kind` and leaves `input` at its objects.
pub fn read(kind: Kind, input: &mut impl Read) -> Result<Header> {
    let mut bytes = vec![0; 16];
    take(kind, input, &mut bytes)?;
    let (mark, rest) = bytes.split_at(8);
    if mark != MARK {
        let mut found = [0; 8];
        found.copy_from_slice(mark);
        return Err(kind.fault(MessageFault::Mark { found }));
    }
    let short = |at: usize| u16::from_le_bytes([rest[at], rest[at + 1]]);
    let (number, version) = (short(0), short(2));
    let length = u32::from_le_bytes([rest[4], rest[5], rest[6], rest[7]]);
    // Damage must not be taken for a newer version: the checksum comes first where it can.
    if length > LIMIT {
        return Err(kind.fault(MessageFault::Limit {
            found: length,
            limit: LIMIT,
        }));
    }
    bytes.resize(16 + length as usize, 0);
    take(kind, input, &mut bytes[16..])?;
    let mut stored = [0; 4];
    take(kind, input, &mut stored)?;
    let (stored, computed) = (u32::from_le_bytes(stored), crc32fast::hash(&bytes));
    if stored != computed {
        return Err(kind.fault(MessageFault::Checksum { computed, stored }));
    }
    if !(1..=VERSION).contains(&version) {
        return Err(kind.fault(MessageFault::Version {
            found: version,
            newest: VERSION,
        }));
    }
    if number != kind as u16 {
        let name = Kind::from_number(number).map(|k| format!("a {}", k.name()));
        let found = name.unwrap_or_else(|| format!("of unknown kind {number}"));
        return Err(kind.fault(MessageFault::Kind { found }));
    }
    serde_json::from_slice(&bytes[16..]).map_err(|e| {
        kind.fault(MessageFault::Header {
            reason: e.to_string(),
        })
    })
}

/// Fails when bytes are left behind a message.
pub fn expect_end(kind: Kind, input: &mut impl Read) -> Result<()> {
    match input.read_exact(&mut [0]) {
        Err(end) if end.kind() == ErrorKind::UnexpectedEof => Ok(()),
        Ok(()) => Err(kind.fault(MessageFault::Trailing)),
        Err(e) => Err(kind.fault(MessageFault::Io(e))),
    }
}

fn take(kind: Kind, input: &mut impl Read, bytes: &mut [u8]) -> Result<()> {
    input.read_exact(bytes).map_err(|e| {
        kind.fault(match e.kind() {
            ErrorKind::UnexpectedEof => MessageFault::Truncated,
            _ => MessageFault::Io(e),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (Header, Vec<u8>) {
        let session = Session {
            preset: "n16-boot".into(),
            model: "0123456789abcdef".into(),
            calibration: "fedcba9876543210".into(),
            prompt: 16,
            tokens: 8,
        };
        let header = Header {
            session,
            key: "00ff".into(),
            position: 0,
            units: vec![1.5, 0.25],
        };
        let mut bytes = Vec::new();
        write(Kind::Request, &header, &mut bytes).expect("fits");
        (header, bytes)
    }

    fn fault(bytes: &[u8]) -> MessageFault {
        match read(Kind::Request, &mut &bytes[..]) {
            Err(Error::Message { fault, .. }) => fault,
            other => panic!("{other:?}"),
        }
    }

    /// Makes the checksum fit again.
    fn reseal(bytes: &mut [u8]) {
        let end = bytes.len() - 4;
        let sum = crc32fast::hash(&bytes[..end]).to_le_bytes();
        bytes[end..].copy_from_slice(&sum);
    }

    #[test]
    fn what_is_written_is_read_back_and_leaves_what_follows() {
        let (header, mut bytes) = sample();
        bytes.extend(b"rest");
        let mut input = &bytes[..];
        assert_eq!(read(Kind::Request, &mut input).expect("own bytes"), header);
        assert_eq!(input, b"rest");
    }

    #[test]
    fn every_truncation_and_every_flipped_bit_is_refused() {
        let (_, bytes) = sample();
        for end in 0..bytes.len() {
            assert!(
                matches!(fault(&bytes[..end]), MessageFault::Truncated),
                "{end}"
            );
        }
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(read(Kind::Request, &mut &flipped[..]).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn other_kinds_versions_lengths_and_fields_are_named() {
        let (_, bytes) = sample();
        let changed = |at: usize, value: u8| {
            let mut bytes = bytes.clone();
            bytes[at] = value;
            reseal(&mut bytes);
            fault(&bytes)
        };
        assert!(
            matches!(changed(8, 4), MessageFault::Kind { found } if found.contains("response"))
        );
        assert!(matches!(changed(8, 99), MessageFault::Kind { found } if found.contains("99")));
        assert!(matches!(
            changed(10, 2),
            MessageFault::Version {
                found: 2,
                newest: 1
            }
        ));
        assert!(matches!(
            changed(14, 1),
            MessageFault::Limit { limit: LIMIT, .. }
        ));
        assert!(matches!(changed(16, b'['), MessageFault::Header { .. }));
    }

    /// A header that declares far more than arrives costs no more than the limit.
    #[test]
    fn a_declared_length_is_bounded_before_anything_is_read() {
        let (_, mut bytes) = sample();
        bytes[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
        let endless = bytes.as_slice().chain(std::io::repeat(0));
        let refused = read(Kind::Request, &mut { endless });
        assert!(matches!(
            refused,
            Err(Error::Message {
                fault: MessageFault::Limit {
                    found: u32::MAX,
                    ..
                },
                ..
            })
        ));
    }

    #[test]
    fn units_are_counted_and_positive() {
        let (header, _) = sample();
        assert_eq!(header.units::<2>(Kind::Request).expect("two"), [1.5, 0.25]);
        assert!(header.units::<1>(Kind::Request).is_err());
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let header = Header {
                units: vec![1.0, bad],
                ..header.clone()
            };
            assert!(header.units::<2>(Kind::Request).is_err(), "{bad}");
        }
    }

    #[test]
    fn sessions_that_differ_name_the_field() {
        let (header, _) = sample();
        let other = Session {
            preset: "n15-boot".into(),
            ..header.session.clone()
        };
        let refused = header
            .expect(Kind::Request, &other, "00ff")
            .expect_err("another preset");
        assert!(refused.to_string().contains("preset"), "{refused}");
        let refused = header
            .expect(Kind::Request, &header.session, "11")
            .expect_err("other key");
        assert!(refused.to_string().contains("key"), "{refused}");
    }
}
