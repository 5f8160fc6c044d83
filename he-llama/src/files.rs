//! Reading the small files of a model.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

/// How a file begins that Git LFS has put in the place of another.
const LFS: &[u8] = b"version https://git-lfs.github.com/spec/";

/// The bytes of the file at `path`, at most `limit` of them.
///
/// # Errors
///
/// [`Error::Read`] when it cannot be read, [`Error::TooLong`] when it has more than `limit` bytes,
/// [`Error::LfsPointer`] when Git LFS has not fetched it.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(Error::read(path))?;
    let mut bytes = Vec::new();
    let mut limited = file.take(limit + 1);
    limited.read_to_end(&mut bytes).map_err(Error::read(path))?;
    if bytes.len() as u64 > limit {
        let whole = limited.into_inner().metadata().map(|m| m.len());
        return Err(Error::TooLong {
            path: path.to_path_buf(),
            found: whole.unwrap_or(0).max(limit + 1),
            limit,
        });
    }
    check_fetched(&bytes, path)?;
    Ok(bytes)
}

/// Checks that `bytes`, the contents of `path`, are not those of a pointer of Git LFS.
///
/// # Errors
///
/// [`Error::LfsPointer`].
pub(crate) fn check_fetched(bytes: &[u8], path: &Path) -> Result<()> {
    if bytes.starts_with(LFS) {
        return Err(Error::LfsPointer {
            path: path.to_path_buf(),
        });
    }
    Ok(())
}

/// Writes `bytes` to `path` as a whole or not at all: into a temporary file beside it that then
/// takes its name. What was there stays as it was when anything fails.
///
/// # Errors
///
/// What the operating system says.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    name.push(format!(".{}-{count}.part", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = File::create_new(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let renamed = written.and_then(|()| std::fs::rename(&temporary, path));
    if renamed.is_err() {
        // It may not have been created; that is no further failure.
        let _ = std::fs::remove_file(&temporary);
    }
    renamed
}
