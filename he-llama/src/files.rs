//! Reading the small files of a model.

use std::fs::File;
use std::io::Read;
use std::path::Path;

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
