//! Calibration files: beside the model, else in the user's cache directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::calibrate::fitting::Accuracy;
use crate::digest::Digester;
use crate::error::{Error, Result};
use crate::length::Length;
use crate::model::{Circuit, Llama, Site};

/// Format of the file; files of another are refused.
pub const VERSION: u32 = 2;
/// Name of the file in a model directory.
pub const FILE: &str = "calibration.json";

/// Everything that an encrypted run needs to know about a model besides its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// [`VERSION`] at the time of writing.
    pub version: u32,
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

impl Calibration {
    /// Parses the text of a calibration file and checks that it was made for `llama`; `path` is
    /// named in errors.
    pub fn parse(bytes: &[u8], path: &Path, llama: &Llama) -> Result<Self> {
        let damaged = |source| Error::Json {
            path: path.to_path_buf(),
            what: "calibration file",
            source,
        };
        let stale = |expected, found| Error::StaleCalibration {
            path: path.to_path_buf(),
            expected,
            found,
        };
        // First of all: the fields of another format are others.
        let Format { version } = serde_json::from_slice(bytes).map_err(damaged)?;
        if version != VERSION {
            return Err(stale(
                format!("format {VERSION}"),
                format!("format {version}"),
            ));
        }
        let calibration: Self = serde_json::from_slice(bytes).map_err(damaged)?;
        let expected = fingerprint(llama)?;
        if calibration.fingerprint != expected {
            let found = calibration.fingerprint;
            return Err(stale(
                format!("weights {expected}"),
                format!("weights {found}"),
            ));
        }
        let (expected, found) = (llama.config.layers, calibration.circuit.layers.len());
        if expected != found {
            return Err(stale(
                format!("{expected} layers"),
                format!("{found} layers"),
            ));
        }
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
    /// none. Fails on a stale or damaged file.
    pub fn load(llama: &Llama, directory: Option<&Path>) -> Result<Option<(Self, PathBuf)>> {
        for path in places(&fingerprint(llama)?, directory) {
            match std::fs::read(&path) {
                Ok(bytes) => return Ok(Some((Self::parse(&bytes, &path, llama)?, path))),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => (),
                Err(e) => return Err(Error::read(&path)(e)),
            }
        }
        Ok(None)
    }

    /// Writes the file beside the model, or into the cache when that fails; returns where.
    ///
    /// A directory marked read-only is left alone, also by a user whom the mark does not stop.
    pub fn store(&self, llama: &Llama, directory: Option<&Path>) -> Result<PathBuf> {
        let text = serde_json::to_string(self).expect("numbers, strings and lists serialize");
        let mut failure = None;
        for path in places(&fingerprint(llama)?, directory) {
            match write(&path, &text) {
                Ok(()) => return Ok(path),
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
    std::fs::write(path, text)
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
mod tests {
    use super::*;

    /// Holds for root as well, whom the mode bits alone do not stop.
    #[test]
    fn a_directory_marked_read_only_is_left_alone() {
        let directory = std::env::temp_dir().join(format!("he-llama-store-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("writable");
        let path = directory.join(FILE);
        let original = std::fs::metadata(&directory).expect("exists").permissions();
        let mut marked = original.clone();
        marked.set_readonly(true);
        std::fs::set_permissions(&directory, marked).expect("own directory");
        let refused = write(&path, "{}").expect_err("marked read-only");
        assert_eq!(refused.kind(), std::io::ErrorKind::PermissionDenied);
        assert!(!path.exists());

        std::fs::set_permissions(&directory, original).expect("own directory");
        write(&path, "{}").expect("writable again");
        std::fs::remove_dir_all(&directory).expect("was created");
    }
}
