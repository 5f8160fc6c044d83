//! Calibration files: beside the model, else in the user's cache directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::calibrate::fitting::Accuracy;
use crate::digest::Digester;
use crate::error::{Error, Result};
use crate::files;
use crate::length::Length;
use crate::model::{Circuit, Llama, Site};

/// Format of the file; files of another are refused.
pub const VERSION: u32 = 3;
/// Name of the file in a model directory.
pub const FILE: &str = "calibration.json";
/// Longest file that is read.
const LIMIT: u64 = 1 << 28;

/// Everything that an encrypted run needs to know about a model besides its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Hash of the model, see [`Llama::fingerprint`], in hexadecimal.
    pub fingerprint: String,
    /// Longest text, in tokens, for which the ranges hold.
    pub positions: usize,
    /// Number of texts seen.
    pub texts: usize,
    /// What was asked of the polynomials.
    pub accuracy: Accuracy,
    /// Bound on the magnitude of each tensor, margin included.
    pub bounds: BTreeMap<Site, f64>,
    /// The polynomials.
    pub circuit: Circuit,
}

/// What every version of the file starts with.
#[derive(Deserialize)]
struct Format {
    version: u32,
}

/// The file.
#[derive(Serialize, Deserialize)]
struct File<C> {
    version: u32,
    /// [`Calibration::fingerprint_of_contents`].
    digest: String,
    contents: C,
}

impl Calibration {
    /// The calibration of `llama` with these parts.
    ///
    /// # Errors
    ///
    /// Those of [`Calibration::validate`] and of [`Llama::fingerprint`].
    pub fn new(
        llama: &Llama,
        positions: usize,
        texts: usize,
        accuracy: Accuracy,
        bounds: BTreeMap<Site, f64>,
        circuit: Circuit,
    ) -> Result<Self> {
        let calibration = Self {
            fingerprint: fingerprint(llama)?,
            positions,
            texts,
            accuracy,
            bounds,
            circuit,
        };
        calibration.validate(&llama.config)?;
        Ok(calibration)
    }

    /// The text of a calibration file.
    pub fn to_text(&self) -> String {
        let file = File {
            version: VERSION,
            digest: self.fingerprint_of_contents(),
            contents: self,
        };
        serde_json::to_string(&file).expect("numbers, strings and lists serialize")
    }

    /// Parses the text of a calibration file and checks that it was made for `llama`; `path` is
    /// named in errors.
    ///
    /// # Errors
    ///
    /// [`Error::StaleCalibration`] for other weights and other versions of the file,
    /// [`Error::DamagedCalibration`] when its contents were changed or cannot be those of a model.
    pub fn parse(bytes: &[u8], path: &Path, llama: &Llama) -> Result<Self> {
        let json = |source| Error::Json {
            path: path.to_path_buf(),
            what: "calibration file",
            source,
        };
        let stale = |expected, found| Error::StaleCalibration {
            path: path.to_path_buf(),
            expected,
            found,
        };
        let damaged = |source| Error::DamagedCalibration {
            path: path.to_path_buf(),
            source: Box::new(source),
        };
        // First of all: the fields of another format are others.
        let Format { version } = serde_json::from_slice(bytes).map_err(json)?;
        if version != VERSION {
            return Err(stale(
                format!("format {VERSION}"),
                format!("format {version}"),
            ));
        }
        let file: File<Self> = serde_json::from_slice(bytes).map_err(json)?;
        let calibration = file.contents;
        let (found, stored) = (calibration.fingerprint_of_contents(), file.digest);
        if found != stored {
            return Err(damaged(Error::CalibrationDigest { found, stored }));
        }
        let expected = fingerprint(llama)?;
        if calibration.fingerprint != expected {
            let found = calibration.fingerprint;
            return Err(stale(
                format!("weights {expected}"),
                format!("weights {found}"),
            ));
        }
        calibration.validate(&llama.config).map_err(damaged)?;
        Ok(calibration)
    }

    /// Checks that a prompt and the tokens behind it fit into the positions that the ranges hold
    /// for. Only real tokens count: the ranges hold for the padding behind them as well.
    ///
    /// # Errors
    ///
    /// Those of [`Length::new`] and [`Length::check`].
    pub fn check_length(&self, prompt: usize, tokens: usize) -> Result<()> {
        let of = "of the calibration: run `he-llama calibrate` with a larger --positions";
        Length::new(prompt, tokens)?.check(self.positions, of)?;
        Ok(())
    }

    /// Names the contents, in hexadecimal: BLAKE3 of the file's text.
    pub fn fingerprint_of_contents(&self) -> String {
        let text = serde_json::to_string(self).expect("numbers, strings and lists serialize");
        let mut digester = Digester::new("he-llama 0.1 calibration");
        digester.field(text.as_bytes()).finish().to_string()
    }

    /// The calibration stored for `llama`, beside the model or in the cache; `None` when there is
    /// none.
    ///
    /// # Errors
    ///
    /// Those of [`Calibration::parse`] for the file that is there, and [`Error::Read`].
    pub fn load(llama: &Llama, directory: Option<&Path>) -> Result<Option<(Self, PathBuf)>> {
        let Some(path) = Self::stored(llama, directory)? else {
            return Ok(None);
        };
        let calibration = Self::parse(&files::read(&path, LIMIT)?, &path, llama)?;
        Ok(Some((calibration, path)))
    }

    /// Where [`Calibration::load`] finds a file.
    ///
    /// # Errors
    ///
    /// Those of [`Llama::fingerprint`].
    pub fn stored(llama: &Llama, directory: Option<&Path>) -> Result<Option<PathBuf>> {
        let mut places = places(&fingerprint(llama)?, directory).into_iter();
        Ok(places.find(|path| path.symlink_metadata().is_ok()))
    }

    /// Writes the file beside the model, or into the cache when that fails; returns where. It is
    /// written whole or not at all.
    ///
    /// A directory marked read-only is left alone, also by a user whom the mark does not stop.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`] when there is a calibration already, unless it is to be replaced;
    /// [`Error::Write`] when the file that is there cannot be replaced, and when none can be
    /// written.
    pub fn store(&self, llama: &Llama, directory: Option<&Path>, replace: bool) -> Result<PathBuf> {
        if let Some(path) = Self::stored(llama, directory)?
            && !replace
        {
            return Err(Error::Exists { path });
        }
        let text = self.to_text();
        let mut failure = None;
        for path in places(&self.fingerprint, directory) {
            match write(&path, &text) {
                Ok(()) => return Ok(path),
                // The old file would be found before one that is written elsewhere.
                Err(e) if path.exists() => return Err(Error::write(&path)(e)),
                Err(e) => failure = Some(Error::write(&path)(e)),
            }
        }
        Err(failure.unwrap_or_else(|| Error::Write {
            path: FILE.into(),
            source: std::io::Error::other("neither a model directory nor $HOME is known"),
        }))
    }
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent)?;
    if std::fs::metadata(parent)?.permissions().readonly() {
        let reason = "the directory is marked read-only";
        return Err(std::io::Error::new(
            std::io::ErrorKind::PermissionDenied,
            reason,
        ));
    }
    files::write_whole(path, text.as_bytes())
}

/// The fingerprint of a model as it is written in files.
///
/// # Errors
///
/// Those of [`Llama::fingerprint`].
pub fn fingerprint(llama: &Llama) -> Result<String> {
    Ok(llama.fingerprint()?.to_string())
}

fn places(fingerprint: &str, directory: Option<&Path>) -> Vec<PathBuf> {
    let set = |name| {
        std::env::var_os(name)
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    };
    let cache = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    // Files of other versions in the cache are none of this program's.
    let name = format!("{fingerprint}.v{VERSION}.{FILE}");
    let beside = directory.map(|d| d.join(FILE));
    beside
        .into_iter()
        .chain(cache.map(|c| c.join("he-llama").join(name)))
        .collect()
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
