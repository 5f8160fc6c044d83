//! The owner's secret key file, and messages in files.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use ckks_math::keys::SecretKey;
use ckks_math::params::Params;
use ckks_math::wire::{read_secret_key, write_secret_key};

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::outputs::{Access, Finished, Output};
use crate::protocol::client::key_name;
use crate::protocol::envelope::{Header, Kind, Reader, Writer, check_digest};
use crate::protocol::session::{Cached, Session};

/// Writes a secret key with the session it was made for, readable by its owner alone; the file gets
/// its name when it is published.
///
/// # Errors
///
/// Fails when the file cannot be written, and for a key of other parameters.
pub(crate) fn write_secret(
    path: &Path,
    session: &Session,
    params: &Params,
    secret: &SecretKey,
) -> Result<Finished> {
    let header = Header {
        session: session.clone(),
        key: key_name(secret),
        conversation: None,
        cached: Cached::default(),
        units: Vec::new(),
    };
    let mut file = Output::create(path, Access::Owner)?;
    let mut message = Writer::begin(Kind::SecretKey, &header, &mut file)?;
    write_secret_key(secret, params, &mut message)?;
    message.finish()?;
    file.finish()
}

/// An open secret key file of which the header was read.
pub struct SecretFile {
    /// The session that it was made for.
    pub session: Session,
    key: String,
    length: u64,
    rest: Reader<File>,
}

impl SecretFile {
    /// Opens a secret key file.
    ///
    /// # Errors
    ///
    /// Fails for files that cannot be read, and for any but a secret key file of this version.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::read(path))?;
        let length = file.metadata().map_err(Error::read(path))?.len();
        let rest = Reader::begin(Kind::SecretKey, file).map_err(|e| e.in_file(path))?;
        let header = rest.header();
        Ok(Self {
            session: header.session.clone(),
            key: header.key.clone(),
            length,
            rest,
        })
    }

    /// Name of the key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Reads the key itself.
    ///
    /// # Errors
    ///
    /// Fails for damaged files, for a key of other parameters, and where the key is not the one
    /// that the header names.
    pub fn secret(mut self, params: &Params) -> Result<SecretKey> {
        let position = self.rest.get_mut().stream_position();
        let position = position.map_err(|e| Error::System {
            what: "reading the secret key file",
            reason: e.to_string(),
        })?;
        let object = self.length.saturating_sub(position + Digest::LEN as u64);
        let secret = read_secret_key(params, &mut (&mut self.rest).take(object))?;
        self.rest.finish()?;
        let found = key_name(&secret);
        if found == self.key {
            return Ok(secret);
        }
        Err(Error::Session {
            what: Kind::SecretKey.name(),
            field: "key",
            found,
            expected: self.key,
            way_out: "restore the file from a copy, or make keys again",
        })
    }
}

/// The header of the message in a file, of which nothing else is read.
///
/// # Errors
///
/// Fails for files that cannot be read, and for any but a message of this kind and version.
pub fn header_of(kind: Kind, path: &Path) -> Result<Header> {
    let file = File::open(path).map_err(Error::read(path))?;
    let message = Reader::begin(kind, file).map_err(|e| e.in_file(path))?;
    Ok(message.header().clone())
}

/// A whole message of this kind and of at most `limit` bytes, its digest checked.
///
/// # Errors
///
/// Fails for files that cannot be read, for longer ones, and for those that were cut or damaged.
pub fn read_message(kind: Kind, path: &Path, limit: u64) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(Error::read(path))?;
    let found = file.metadata().map_err(Error::read(path))?.len();
    let mut bytes = Vec::new();
    let mut input = file.take(limit.saturating_add(1));
    input.read_to_end(&mut bytes).map_err(Error::read(path))?;
    if bytes.len() as u64 > limit {
        let found = found.max(bytes.len() as u64);
        return Err(Error::MessageLength { found, limit }.in_file(path));
    }
    check_digest(kind, &bytes).map_err(|e| e.in_file(path))?;
    Ok(bytes)
}
