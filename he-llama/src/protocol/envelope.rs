//! Messages between client and server: a header, objects in wire format, and a digest over all.
//!
//! | bytes | field |
//! |---|---|
//! | 8 | mark `48 45 4c 4c 41 4d 41 0a` |
//! | 2 | [`Kind`] |
//! | 2 | version of the protocol, [`VERSION`] |
//! | 4 | length of the header |
//! | | header: JSON, see [`Header`] |
//! | 4 | CRC-32 of all bytes before |
//! | | objects in the wire format of the scheme, each with its own checksums |
//! | 32 | digest of all bytes before: BLAKE3 in its key derivation mode, context [`PURPOSE`] |
//!
//! Numbers are little-endian. A reader knows what it expects: the header only says whether that is
//! what came, and no allocation follows it beyond its own limited length. Every field of a header
//! is checked before it is used or shown. The last digest finds objects that are whole but in
//! another order, missing, or of another message.

use std::io::{ErrorKind, Read, Result as IoResult, Write};

use serde::{Deserialize, Serialize};

use crate::digest::{Digest, Digesting};
use crate::error::{Error, MessageFault, Result};
use crate::protocol::conversation::Conversation;
use crate::protocol::session::{Cached, Session, check_name};

const MARK: [u8; 8] = *b"HELLAMA\n";
/// Version of the protocol; part of what both sides agree on.
pub const VERSION: u16 = 2;
/// What the digest of a message is for.
pub const PURPOSE: &str = "he-llama 0.1 message";
/// Longest header in bytes.
const LIMIT: u32 = 1 << 16;
/// Most bytes of a message besides its objects.
pub(super) const MOST_AROUND: u64 = 1 << 17;
/// Most objects in a message: keys and values of every layer.
const MOST_UNITS: usize = 1 << 11;

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

    /// Whether messages of this kind belong to a conversation.
    fn in_conversation(self) -> bool {
        matches!(self, Self::Request | Self::Response | Self::State)
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
    /// The conversation: before a request, and behind it in its response and in a state. Key files
    /// belong to none.
    pub conversation: Option<Conversation>,
    /// What the cache holds behind a request, and so with its response or in a state.
    pub cached: Cached,
    /// What a stored 1 stands for, in each of the objects that follow.
    pub units: Vec<f64>,
}

impl Header {
    /// Fails unless session and key are those in use.
    ///
    /// # Errors
    ///
    /// [`Error::Session`] with the first field that differs, its value here and the one in use.
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

    /// The conversation that the message belongs to.
    ///
    /// # Errors
    ///
    /// Fails for messages without one.
    pub fn conversation(&self, kind: Kind) -> Result<Conversation> {
        self.conversation.ok_or_else(|| {
            kind.fault(MessageFault::Field {
                field: "conversation",
                found: "none".into(),
                admitted: "a name and a history".into(),
            })
        })
    }

    /// The units, as many as objects follow.
    ///
    /// # Errors
    ///
    /// Fails for another number of units.
    pub fn units<const N: usize>(&self, kind: Kind) -> Result<[f64; N]> {
        <[f64; N]>::try_from(self.units.as_slice()).map_err(|_| {
            kind.fault(MessageFault::Field {
                field: "units",
                found: format!("{:?}", self.units),
                admitted: format!("{N} finite positive numbers"),
            })
        })
    }

    /// # Errors
    ///
    /// For values that no program of this version writes.
    fn check(&self, kind: Kind) -> Result<()> {
        let named = self.session.check();
        let named = named.and_then(|()| check_name("key", &self.key));
        named.map_err(|fault| kind.fault(fault))?;
        let fault = |field, found, admitted: &str| {
            Err(kind.fault(MessageFault::Field {
                field,
                found,
                admitted: admitted.to_owned(),
            }))
        };
        let limit = self.session.capacity;
        let Cached { windows, positions } = self.cached;
        if windows > positions || positions > limit {
            let admitted = format!("at most {limit}, the positions of the session, in this order");
            return fault("positions", format!("{windows} and {positions}"), &admitted);
        }
        if self.units.len() > MOST_UNITS {
            let admitted = format!("at most {MOST_UNITS}");
            return fault("number of units", self.units.len().to_string(), &admitted);
        }
        if let Some(bad) = self.units.iter().find(|u| !u.is_normal() || **u <= 0.0) {
            return fault("units", bad.to_string(), "finite positive numbers");
        }
        match (kind.in_conversation(), self.conversation) {
            (true, None) | (false, Some(_)) => fault(
                "conversation",
                self.conversation
                    .map_or("none".into(), |c| c.id.to_string()),
                if kind.in_conversation() {
                    "one"
                } else {
                    "none"
                },
            ),
            _ => Ok(()),
        }
    }
}

/// Writes a message: objects are written to it like to a file.
pub struct Writer<W: Write> {
    kind: Kind,
    out: Digesting<W>,
}

impl<W: Write> Writer<W> {
    /// Writes a message up to where its objects follow.
    ///
    /// # Errors
    ///
    /// Fails where `out` does, and for headers longer than a reader admits.
    pub fn begin(kind: Kind, header: &Header, out: W) -> Result<Self> {
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
        let mut out = Digesting::new(PURPOSE, out);
        out.write_all(&bytes)
            .map_err(|e| kind.fault(MessageFault::Io(e)))?;
        Ok(Self { kind, out })
    }

    /// Closes the message and returns its digest.
    ///
    /// # Errors
    ///
    /// Fails where the writer does.
    pub fn finish(mut self) -> Result<Digest> {
        let digest = self.out.digest();
        let out = self.out.inner();
        out.write_all(digest.as_bytes())
            .and_then(|()| out.flush())
            .map_err(|e| self.kind.fault(MessageFault::Io(e)))?;
        Ok(digest)
    }
}

impl<W: Write> Write for Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> IoResult<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> IoResult<()> {
        self.out.flush()
    }
}

/// Reads a message: behind its header, the objects are read from it like from a file.
///
/// What is read is to be trusted only after [`Reader::finish`].
pub struct Reader<R: Read> {
    kind: Kind,
    header: Header,
    input: Digesting<R>,
}

impl<R: Read> Reader<R> {
    /// Reads and checks the header of a message of `kind`.
    ///
    /// # Errors
    ///
    /// [`Error::Message`] for bytes that are no message, of another kind or version, damaged, cut
    /// off, or with a header that no program of this version writes.
    pub fn begin(kind: Kind, input: R) -> Result<Self> {
        let mut input = Digesting::new(PURPOSE, input);
        let header = read_header(kind, &mut input)?;
        Ok(Self {
            kind,
            header,
            input,
        })
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What the message is read from.
    pub(super) fn get_mut(&mut self) -> &mut R {
        self.input.inner()
    }

    /// Checks the digest of the whole message and that nothing follows; returns the digest.
    ///
    /// # Errors
    ///
    /// [`MessageFault::Digest`] where the bytes are not those that were written, in their order;
    /// [`MessageFault::Trailing`] for bytes behind the message.
    pub fn finish(mut self) -> Result<Digest> {
        let (kind, computed) = (self.kind, self.input.digest());
        let mut stored = [0; Digest::LEN];
        take(kind, self.input.inner(), &mut stored)?;
        let stored = Digest::from_bytes(stored);
        if stored != computed {
            return Err(kind.fault(MessageFault::Digest {
                computed: computed.to_string(),
                stored: stored.to_string(),
            }));
        }
        match self.input.inner().read_exact(&mut [0]) {
            Err(end) if end.kind() == ErrorKind::UnexpectedEof => Ok(computed),
            Ok(()) => Err(kind.fault(MessageFault::Trailing)),
            Err(e) => Err(kind.fault(MessageFault::Io(e))),
        }
    }
}

impl<R: Read> Read for Reader<R> {
    fn read(&mut self, bytes: &mut [u8]) -> IoResult<usize> {
        self.input.read(bytes)
    }
}

/// Checks the digest of a message in memory, of which nothing but the header is looked at.
///
/// # Errors
///
/// As [`Reader::begin`]; [`MessageFault::Truncated`] and [`MessageFault::Digest`].
pub fn check_digest(kind: Kind, message: &[u8]) -> Result<()> {
    let mut message = Reader::begin(kind, message)?;
    let Some(objects) = message.get_mut().len().checked_sub(Digest::LEN) else {
        return Err(kind.fault(MessageFault::Truncated));
    };
    take(kind, &mut message, &mut vec![0; objects])?;
    message.finish().map(drop)
}

/// The digest of a message in memory; `None` where the bytes are not those that were written.
pub fn digest_of(message: &[u8]) -> Option<Digest> {
    let (digested, stored) = message.split_last_chunk::<{ Digest::LEN }>()?;
    let mut digesting = Digesting::new(PURPOSE, std::io::sink());
    digesting.write_all(digested).ok()?;
    let digest = digesting.digest();
    (digest.as_bytes() == stored).then_some(digest)
}

/// Reads a header and leaves `input` at the objects.
fn read_header(kind: Kind, input: &mut impl Read) -> Result<Header> {
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
    if version != VERSION {
        return Err(kind.fault(MessageFault::Version {
            found: version,
            expected: VERSION,
        }));
    }
    if number != kind as u16 {
        let name = Kind::from_number(number).map(|k| format!("a {}", k.name()));
        let found = name.unwrap_or_else(|| format!("of unknown kind {number}"));
        return Err(kind.fault(MessageFault::Kind { found }));
    }
    let header: Header = serde_json::from_slice(&bytes[16..]).map_err(|e| {
        kind.fault(MessageFault::Header {
            reason: e.to_string(),
        })
    })?;
    header.check(kind)?;
    Ok(header)
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
#[path = "envelope_tests.rs"]
mod tests;
