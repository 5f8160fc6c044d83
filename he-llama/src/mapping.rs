//! Bytes of weights: a file mapped into memory, or bytes of this program.
//!
//! This is the only module of the crate that contains `unsafe` code: the one call that maps a file.

use std::borrow::Cow;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use memmap2::Mmap;

use crate::error::{Error, Result};

/// Bytes that tensors share: those of a mapped file, or bytes held in memory.
#[derive(Debug)]
pub enum Bytes {
    /// A file, read by the operating system page by page when its bytes are used.
    Mapped(Mapping),
    /// Bytes that are part of the program, or made by it.
    Held(Cow<'static, [u8]>),
}

impl Bytes {
    /// All bytes.
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Self::Mapped(mapping) => &mapping.map,
            Self::Held(bytes) => bytes,
        }
    }

    /// Checks that a mapped file still has the length and the time of its opening.
    ///
    /// # Errors
    ///
    /// [`Error::Changed`] when it has not, [`Error::Read`] when the system cannot say.
    pub fn check_unchanged(&self) -> Result<()> {
        match self {
            Self::Mapped(mapping) => mapping.check_unchanged(),
            Self::Held(_) => Ok(()),
        }
    }
}

/// A plain file, mapped read-only as a whole.
///
/// The file is held open, so a file that is replaced by renaming or is deleted stays readable here
/// as it was. A file that another program shortens while it is mapped is the known hazard of every
/// mapping: reading behind its new end stops the process (SIGBUS on Unix).
#[derive(Debug)]
pub struct Mapping {
    map: Mmap,
    file: File,
    path: PathBuf,
    stamp: Stamp,
}

/// What changes when a file is written.
type Stamp = (u64, Option<SystemTime>);

impl Mapping {
    /// Maps the file at `path`.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] when it cannot be opened or mapped, and when it is no plain file.
    pub fn open(path: &Path) -> Result<Self> {
        let failed = || Error::read(path);
        let file = File::open(path).map_err(failed())?;
        let metadata = file.metadata().map_err(failed())?;
        if !metadata.is_file() {
            let reason = "it is not a plain file, which weights must be";
            return Err(failed()(std::io::Error::other(reason)));
        }
        let stamp = (metadata.len(), metadata.modified().ok());
        let map = map(&file).map_err(failed())?;
        let path = path.to_path_buf();
        Ok(Self {
            map,
            file,
            path,
            stamp,
        })
    }

    fn check_unchanged(&self) -> Result<()> {
        let metadata = self.file.metadata().map_err(Error::read(&self.path))?;
        let now = (metadata.len(), metadata.modified().ok());
        if now == self.stamp {
            return Ok(());
        }
        Err(Error::Changed {
            path: self.path.clone(),
            before: self.stamp.0,
            after: now.0,
        })
    }
}

fn map(file: &File) -> std::io::Result<Mmap> {
    // SAFETY: the caller has opened `file` read-only and keeps it open as long as the map, and this
    // program writes no weights file, so the bytes change only where another program writes into
    // the same file. No memory safety depends on their values: offsets and lengths are checked
    // against the length of the map when the file is opened and kept apart from it, numbers are
    // copied out byte by byte, and every byte pattern is a number. Reading behind the end of a file
    // that another program has shortened stops the process and gives nothing away.
    #[expect(unsafe_code, reason = "a file can be mapped in no other way")]
    unsafe {
        Mmap::map(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_written_after_its_opening_is_noticed() {
        let path = std::env::temp_dir().join(format!("he-llama-mapping-{}", std::process::id()));
        std::fs::write(&path, b"abcd").expect("writable");
        let bytes = Bytes::Mapped(Mapping::open(&path).expect("a plain file"));
        assert_eq!(bytes.as_slice(), b"abcd");
        bytes.check_unchanged().expect("nobody wrote");
        std::fs::write(&path, b"abcdef").expect("writable");
        let changed = bytes.check_unchanged();
        assert!(
            matches!(
                changed,
                Err(Error::Changed {
                    before: 4,
                    after: 6,
                    ..
                })
            ),
            "{changed:?}"
        );
        std::fs::remove_file(&path).expect("was created");
    }

    #[test]
    fn a_file_that_is_replaced_or_deleted_stays_readable_as_it_was() {
        let path = std::env::temp_dir().join(format!("he-llama-renamed-{}", std::process::id()));
        let other = path.with_extension("new");
        std::fs::write(&path, b"old").expect("writable");
        let bytes = Bytes::Mapped(Mapping::open(&path).expect("a plain file"));
        std::fs::write(&other, b"new text").expect("writable");
        std::fs::rename(&other, &path).expect("same directory");
        std::fs::remove_file(&path).expect("exists");
        assert_eq!(bytes.as_slice(), b"old");
        bytes
            .check_unchanged()
            .expect("the open file is the old one");
    }

    #[test]
    fn a_directory_and_an_absent_file_are_refused() {
        let directory = std::env::temp_dir();
        for path in [directory.as_path(), Path::new("/no/such/file")] {
            assert!(matches!(Mapping::open(path), Err(Error::Read { .. })));
        }
    }
}
