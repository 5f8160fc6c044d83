//! The files of a tokenizer, as they are stored.

use std::path::{Path, PathBuf};

use super::Tokenizer;
use crate::error::{Error, Result};
use crate::files;

/// The file that there must be.
const VOCABULARY: &str = "tokenizer.json";
/// The longest that is read; published ones have up to 34 MB.
const VOCABULARY_LIMIT: u64 = 1 << 28;
/// The file that may be beside it.
const SETTINGS: &str = "tokenizer_config.json";
/// The longest that is read.
const SETTINGS_LIMIT: u64 = 1 << 24;

/// The bytes of a tokenizer's files, within their limits.
///
/// Whoever stores a tokenizer, checks its digest or uses it has the same bytes: a file is read
/// once.
#[derive(Clone, Debug)]
pub struct Stored {
    directory: PathBuf,
    vocabulary: Vec<u8>,
    settings: Option<Vec<u8>>,
}

impl Stored {
    /// Names of the files, the first of which there must be.
    pub const NAMES: [&str; 2] = [VOCABULARY, SETTINGS];

    /// A tokenizer without settings, from the bytes of its `tokenizer.json`; `directory` is named
    /// in errors.
    pub fn of(vocabulary: &[u8], directory: &Path) -> Self {
        Self {
            directory: directory.to_path_buf(),
            vocabulary: vocabulary.to_vec(),
            settings: None,
        }
    }

    /// Reads `tokenizer.json` of a model's directory, and `tokenizer_config.json` where there is
    /// one.
    ///
    /// # Errors
    ///
    /// [`Error::Incomplete`] when there is no `tokenizer.json`, else those of
    /// [`Stored::read_only`].
    pub fn read(directory: &Path) -> Result<Self> {
        if !directory.join(VOCABULARY).exists() {
            let other = "tokenizer.model";
            let known = directory.join(other).exists();
            return Err(Error::Incomplete {
                directory: directory.to_path_buf(),
                expected: VOCABULARY,
                found: if known {
                    format!(", but {other}")
                } else {
                    String::new()
                },
                way_out: match known {
                    true => "convert it: load it with transformers' AutoTokenizer and save it",
                    false => "download the model's tokenizer.json",
                },
            });
        }
        Self::read_only(directory, directory.join(SETTINGS).exists())
    }

    /// Reads `tokenizer.json` of `directory`, and `tokenizer_config.json` where `settings` says so,
    /// whatever else is there.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] when one cannot be read, [`Error::TooLong`] when it is longer than any of
    /// its kind, [`Error::LfsPointer`] when Git LFS has not fetched it.
    pub fn read_only(directory: &Path, settings: bool) -> Result<Self> {
        let read = |name, limit| files::read(&directory.join(name), limit);
        Ok(Self {
            directory: directory.to_path_buf(),
            vocabulary: read(VOCABULARY, VOCABULARY_LIMIT)?,
            settings: match settings {
                true => Some(read(SETTINGS, SETTINGS_LIMIT)?),
                false => None,
            },
        })
    }

    /// Names and bytes of the files that there are.
    pub fn files(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        let settings = self.settings.as_deref().map(|bytes| (SETTINGS, bytes));
        std::iter::once((VOCABULARY, &self.vocabulary[..])).chain(settings)
    }

    /// The tokenizer.
    ///
    /// # Errors
    ///
    /// Those of [`Tokenizer::parse`] and [`Tokenizer::apply_settings`].
    pub fn tokenizer(&self) -> Result<Tokenizer> {
        let mut tokenizer = Tokenizer::parse(&self.vocabulary, &self.directory.join(VOCABULARY))?;
        if let Some(settings) = &self.settings {
            tokenizer.apply_settings(settings, &self.directory.join(SETTINGS))?;
        }
        Ok(tokenizer)
    }
}
