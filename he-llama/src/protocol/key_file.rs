//! Files that only their owner may read: the secret key, and the text in the clear.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::path::Path;

use ckks_math::keys::SecretKey;
use ckks_math::params::Params;
use ckks_math::wire::{read_secret_key, write_secret_key};

use crate::error::{Error, Result};
use crate::protocol::client::key_name;
use crate::protocol::envelope::{Header, Kind, Reader, Writer};
use crate::protocol::session::Session;

/// Fails when `path` exists and must not be replaced.
pub fn check_absent(path: &Path, force: bool) -> Result<()> {
    if !force && path.symlink_metadata().is_ok() {
        return Err(Error::Exists {
            path: path.to_path_buf(),
        });
    }
    Ok(())
}

/// A new file that nobody else may read from its first moment on (mode 0600); an old one is
/// replaced with `force` and refused without.
pub fn create_private(path: &Path, force: bool) -> Result<File> {
    check_absent(path, force)?;
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(Error::write(path)(e)),
        _ => (),
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(Error::write(path))
}

/// Writes a secret key with the session it was made for.
pub fn write_secret(
    path: &Path,
    force: bool,
    session: &Session,
    params: &Params,
    secret: &SecretKey,
) -> Result<()> {
    let header = Header {
        session: session.clone(),
        key: key_name(secret),
        conversation: None,
        position: 0,
        units: Vec::new(),
    };
    let mut file = create_private(path, force)?;
    let mut message = Writer::begin(Kind::SecretKey, &header, &mut file)?;
    write_secret_key(secret, params, &mut message)?;
    message.finish().map(drop)
}

/// An open secret key file of which the header was read.
pub struct SecretFile {
    /// The session that it was made for.
    pub session: Session,
    key: String,
    rest: Reader<File>,
}

impl SecretFile {
    /// Opens a file that [`write_secret`] wrote.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::read(path))?;
        let rest = Reader::begin(Kind::SecretKey, file).map_err(|e| e.in_file(path))?;
        let header = rest.header();
        Ok(Self {
            session: header.session.clone(),
            key: header.key.clone(),
            rest,
        })
    }

    /// Name of the key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Reads the key itself.
    pub fn secret(mut self, params: &Params) -> Result<SecretKey> {
        let secret = read_secret_key(params, &mut self.rest)?;
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
pub fn header_of(kind: Kind, path: &Path) -> Result<Header> {
    let file = File::open(path).map_err(Error::read(path))?;
    let message = Reader::begin(kind, file).map_err(|e| e.in_file(path))?;
    Ok(message.header().clone())
}

/// A whole message of at most `limit` bytes.
pub fn read_message(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(Error::read(path))?;
    let mut bytes = Vec::new();
    file.take(limit)
        .read_to_end(&mut bytes)
        .map_err(Error::read(path))?;
    Ok(bytes)
}

/// Writes a file that replaces an old one as a whole or not at all.
pub fn replace(
    path: &Path,
    fill: impl FnOnce(&mut dyn std::io::Write) -> Result<()>,
) -> Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = path.with_file_name(name);
    let mut file = create_private(&part, true)?;
    let done =
        fill(&mut file).and_then(|()| std::fs::rename(&part, path).map_err(Error::write(path)));
    if done.is_err() {
        // What is left of a failed attempt is of no use; the first error is the one to tell.
        let _ = std::fs::remove_file(&part);
    }
    done
}
