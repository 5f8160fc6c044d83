//! Files that this program writes: whole or not at all, and only over what may be replaced.
//!
//! A file is written under a temporary name beside its own, flushed to the disk and renamed, so
//! that at every moment its name holds the old contents or the new ones. Temporary names are
//! random: two runs never write one file.

use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{ErrorKind, Result as IoResult, Write};
use std::path::{Path, PathBuf};

use rand_core::{OsRng, TryRngCore};

use crate::error::{Error, Result};

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Its owner alone (mode 0600), from its first moment on.
    Owner,
    /// Whoever the user's umask admits.
    Umask,
}

/// A file that gets its name when it is complete, and is removed when it never is.
pub struct Output {
    path: PathBuf,
    temporary: PathBuf,
    file: Option<File>,
}

impl Output {
    /// Starts a file that shall be named `path`.
    ///
    /// # Errors
    ///
    /// Those of [`check_target`].
    pub fn create(path: &Path, access: Access) -> Result<Self> {
        check_plain(path)?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        if access == Access::Owner {
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        }
        #[cfg(not(unix))]
        let _ = access;
        let temporary = temporary(path)?;
        let file = options.open(&temporary).map_err(Error::write(path))?;
        Ok(Self {
            path: path.to_path_buf(),
            temporary,
            file: Some(file),
        })
    }

    /// Writes all of a file.
    ///
    /// # Errors
    ///
    /// Those of [`check_target`], and [`Error::Write`] when the disk is full, say. An old file is
    /// then as before.
    pub fn write(path: &Path, access: Access, bytes: &[u8]) -> Result<()> {
        let mut output = Self::create(path, access)?;
        output.write_all(bytes).map_err(Error::write(path))?;
        output.commit()
    }

    /// Brings all bytes to the disk and gives the file its name; a file that had it is replaced.
    ///
    /// # Errors
    ///
    /// [`Error::Write`]; the old file is then as before.
    pub fn commit(self) -> Result<()> {
        self.finish()?.publish()
    }

    /// Brings all bytes to the disk; the name is left for [`Finished::publish`]. So several files
    /// are complete before the first of them is replaced.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] when not all of it can be stored.
    pub fn finish(mut self) -> Result<Finished> {
        if let Some(file) = self.file.take() {
            file.sync_all().map_err(Error::write(&self.path))?;
        }
        Ok(Finished(self))
    }
}

/// A complete file that waits for its name.
pub struct Finished(Output);

impl Finished {
    /// Gives the file its name.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] when the directory does not admit it; the old file is then as before.
    pub fn publish(self) -> Result<()> {
        let Self(output) = self;
        check_plain(&output.path)?;
        std::fs::rename(&output.temporary, &output.path).map_err(Error::write(&output.path))?;
        // The name itself must survive a loss of power; systems that cannot say so do not fail.
        #[cfg(unix)]
        if let Ok(directory) = File::open(directory_of(&output.path)) {
            let _ = directory.sync_all();
        }
        Ok(())
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> IoResult<usize> {
        match &mut self.file {
            Some(file) => file.write(bytes),
            None => Err(ErrorKind::NotConnected.into()),
        }
    }

    fn flush(&mut self) -> IoResult<()> {
        self.file.as_mut().map_or(Ok(()), File::flush)
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        // Renamed, there is nothing of this name; else what is left is of no use to anybody.
        let _ = std::fs::remove_file(&self.temporary);
    }
}

/// Checks before a long run that a file named `path` can be written, leaving what is there.
///
/// # Errors
///
/// [`Error::NotPlain`] where the name is a directory's, a link's, a pipe's or a device's;
/// [`Error::Write`] where no file can be made beside it.
pub fn check_target(path: &Path) -> Result<()> {
    Output::create(path, Access::Owner).map(drop)
}

/// Fails when something of this name exists and `force` does not allow to replace it.
///
/// # Errors
///
/// [`Error::Exists`].
pub fn check_absent(path: &Path, force: bool) -> Result<()> {
    if !force && path.symlink_metadata().is_ok() {
        return Err(Error::Exists {
            path: path.to_path_buf(),
        });
    }
    Ok(())
}

/// Fails when two of `files` are one, by whatever names: an output must be no other output and no
/// input. Each is a role, as in `--out`, and a path.
///
/// # Errors
///
/// [`Error::SameFile`] with both.
pub fn check_distinct(files: &[(&'static str, &Path)]) -> Result<()> {
    for (i, (second, path)) in files.iter().enumerate() {
        for (first, other) in &files[..i] {
            if same(path, other) {
                return Err(Error::SameFile {
                    first,
                    second,
                    path: path.to_path_buf(),
                });
            }
        }
    }
    Ok(())
}

/// Whether two names are of one file, which need not exist.
fn same(one: &Path, other: &Path) -> bool {
    let place = |path: &Path| {
        let directory = std::fs::canonicalize(directory_of(path)).ok()?;
        Some(directory.join(path.file_name()?))
    };
    if one == other || place(one).is_some_and(|p| place(other) == Some(p)) {
        return true;
    }
    let identity = |path: &Path| std::fs::metadata(path).ok().and_then(|m| identity(&m));
    identity(one).is_some_and(|id| identity(other) == Some(id))
}

#[cfg(unix)]
fn identity(metadata: &Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> Option<(u64, u64)> {
    None
}

/// A lock that one process holds on a file while it reads and replaces it.
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Locks `path`, which need not exist, by a file of its name with `.lock` behind it.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] while another process holds it.
    pub fn take(path: &Path) -> Result<Self> {
        let name = with_suffix(path, ".lock");
        check_plain(&name)?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&name).map_err(Error::write(&name))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Error::Locked {
                path: path.to_path_buf(),
            }),
            Err(TryLockError::Error(e)) => Err(Error::write(&name)(e)),
        }
    }
}

/// `path` with more behind its file name.
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

/// # Errors
///
/// When something that is no plain file has this name.
fn check_plain(path: &Path) -> Result<()> {
    let refuse = |found| {
        Err(Error::NotPlain {
            path: path.to_path_buf(),
            found,
        })
    };
    if path.file_name().is_none() {
        return refuse("a directory");
    }
    match path.symlink_metadata() {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        Err(e) => Err(Error::write(path)(e)),
        Ok(metadata) if metadata.is_file() => match metadata.permissions().readonly() {
            true => refuse("a file marked read-only"),
            false => Ok(()),
        },
        Ok(metadata) if metadata.is_dir() => refuse("a directory"),
        Ok(metadata) if metadata.is_symlink() => refuse("a symbolic link"),
        Ok(_) => refuse("a pipe, a socket or a device"),
    }
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A name beside `path` that nobody else uses.
fn temporary(path: &Path) -> Result<PathBuf> {
    let number = OsRng.try_next_u64().map_err(|e| Error::System {
        what: "the random generator of the system",
        reason: e.to_string(),
    })?;
    Ok(with_suffix(path, &format!(".{number:016x}.part")))
}

#[cfg(test)]
#[path = "outputs_tests.rs"]
mod tests;
