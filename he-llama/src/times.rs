//! Times of a device's kernels, measured once and kept in a file.
//!
//! `he-llama devices --measure` writes it into the user's cache directory; commands that plan a run
//! on this device read it there. Where there is none, plans are made by the default times.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use ckks_math::backend::Backend;
use ckks_math::cost::{KernelTimes, MeasureOptions};
use serde::{Deserialize, Serialize};

use crate::backends::{self, Visitor};
use crate::digest::Digester;
use crate::error::{Error, Result};
use crate::outputs::{Access, Output};

/// Format of the file; files of another are refused.
pub const VERSION: u32 = 1;
/// Longest file that is read: one that this program writes has less than 1 kB.
const LIMIT: u64 = 1 << 16;
/// What a file is called in errors.
const WHAT: &str = "file of measured times";

/// The measured times of one device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasuredTimes {
    /// [`VERSION`] at the time of writing.
    pub version: u32,
    /// The version of the program that measured.
    pub program: String,
    /// Name of the device, with its kernels and its threads.
    pub device: String,
    /// Threads of the host.
    pub threads: usize,
    /// Seconds from 1970 to the measurement.
    pub date: u64,
    /// The times.
    pub times: KernelTimes,
}

/// What every version of the file starts with.
#[derive(Deserialize)]
struct Format {
    version: u32,
}

/// Measures the kernels of a backend.
struct Measure(MeasureOptions);

impl Visitor for Measure {
    type Output = Result<MeasuredTimes>;

    fn visit<B: Backend>(self, backend: B, threads: usize) -> Result<MeasuredTimes> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Ok(MeasuredTimes {
            version: VERSION,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            device: backend.name(),
            threads,
            date: since.map_or(0, |since| since.as_secs()),
            times: KernelTimes::measure(&backend, self.0)?,
        })
    }
}

/// The times that a run is planned by.
#[derive(Clone, Debug, PartialEq)]
pub struct TimesInUse {
    /// The times.
    pub times: KernelTimes,
    /// The file they are from; `None` for the default times.
    pub file: Option<PathBuf>,
}

impl TimesInUse {
    /// The times measured for a device of this name, or the default ones.
    ///
    /// # Errors
    /// As [`MeasuredTimes::read`], for a file that is there.
    pub fn of_device(device: &str) -> Result<Self> {
        Self::in_directory(device, cache().as_deref())
    }

    fn in_directory(device: &str, directory: Option<&Path>) -> Result<Self> {
        let default = Self {
            times: KernelTimes::default(),
            file: None,
        };
        let Some(path) = directory.map(|directory| directory.join(file_name(device))) else {
            return Ok(default);
        };
        if !path.exists() {
            return Ok(default);
        }
        let found = MeasuredTimes::read(&path)?;
        // A file that was moved there says nothing about this device.
        Ok(if found.device == device {
            Self {
                times: found.times,
                file: Some(path),
            }
        } else {
            default
        })
    }
}

/// Says where the times are from, with their name.
impl fmt::Display for TimesInUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.times.fingerprint();
        match &self.file {
            Some(path) => write!(f, "times {name:016x}, measured: {}", path.display()),
            None => write!(
                f,
                "times {name:016x}, the default: `he-llama devices --measure` measures this device"
            ),
        }
    }
}

impl MeasuredTimes {
    /// Measures the kernels of a backend, see [`backends::visit`].
    ///
    /// # Errors
    /// As [`backends::visit`] and [`KernelTimes::measure`].
    pub fn measure(backend: &str, threads: Option<usize>, options: MeasureOptions) -> Result<Self> {
        backends::visit(backend, threads, Measure(options))?
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::Read`] for a file that cannot be read, [`Error::Json`] for one that is damaged,
    /// [`Error::StaleTimes`] for one of another version, and the refusal of
    /// [`KernelTimes::check`] for times that no device has.
    pub fn read(path: &Path) -> Result<Self> {
        let damaged = |source| Error::Json {
            path: path.to_path_buf(),
            what: WHAT,
            source,
        };
        let file = File::open(path).map_err(Error::read(path))?;
        let mut bytes = Vec::new();
        let read = file.take(LIMIT).read_to_end(&mut bytes);
        read.map_err(Error::read(path))?;
        // First of all: the fields of another format are others.
        let Format { version } = serde_json::from_slice(&bytes).map_err(damaged)?;
        if version != VERSION {
            return Err(Error::StaleTimes {
                path: path.to_path_buf(),
                found: version,
                expected: VERSION,
            });
        }
        let measured: Self = serde_json::from_slice(&bytes).map_err(damaged)?;
        let fault = measured.times.check();
        fault.map_err(|fault| Error::from(fault).in_file(path))?;
        Ok(measured)
    }

    /// Writes the file, as a whole or not at all.
    ///
    /// # Errors
    /// [`Error::Write`] where that is not possible.
    pub fn write(&self, path: &Path) -> Result<()> {
        if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent).map_err(Error::write(parent))?;
        }
        let mut text = serde_json::to_string_pretty(self).map_err(|source| Error::Json {
            path: path.to_path_buf(),
            what: WHAT,
            source,
        })?;
        text.push('\n');
        Output::write(path, Access::Umask, text.as_bytes())
    }

    /// Writes the file to where [`TimesInUse::of_device`] finds it; returns the path.
    ///
    /// # Errors
    /// [`Error::Write`] where that is not possible, or when the user has no cache directory.
    pub fn store(&self) -> Result<PathBuf> {
        let Some(directory) = cache() else {
            return Err(Error::Write {
                path: file_name(&self.device).into(),
                source: std::io::Error::other("$HOME is not known: give a file with --out"),
            });
        };
        let path = directory.join(file_name(&self.device));
        self.write(&path)?;
        Ok(path)
    }
}

/// The directory of this program in the user's cache.
fn cache() -> Option<PathBuf> {
    let set = |name| {
        let value = std::env::var_os(name).filter(|value| !value.is_empty());
        value.map(PathBuf::from)
    };
    let cache = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    cache.map(|cache| cache.join("he-llama"))
}

/// The name of the file of a device: files of other versions are none of this program's.
fn file_name(device: &str) -> String {
    let digest = Digester::new("he-llama device")
        .field(device.as_bytes())
        .finish();
    format!("{digest}.v{VERSION}.times.json")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A directory of its own for each test, removed at the end.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let name = format!("he-llama-times-{name}-{}", std::process::id());
            let path = std::env::temp_dir().join(name);
            std::fs::create_dir_all(&path).expect("writable");
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn measured(device: &str) -> MeasuredTimes {
        MeasuredTimes {
            version: VERSION,
            program: "0.1.0".into(),
            device: device.into(),
            threads: 2,
            date: 1_790_000_000,
            times: KernelTimes {
                ntt_limb_ns: 61_230.0,
                transfer_byte_ns: 0.071_23,
                ..KernelTimes::default()
            },
        }
    }

    #[test]
    fn times_are_found_by_the_name_of_their_device() {
        let scratch = Scratch::new("found");
        let (one, other) = (measured("cpu (avx2, 2 threads)"), "cpu (avx2, 1 thread)");
        let path = scratch.0.join(file_name(&one.device));
        one.write(&path).expect("writable");
        assert_eq!(MeasuredTimes::read(&path).expect("as written"), one);
        let found = |device: &str| TimesInUse::in_directory(device, Some(&scratch.0));
        let in_use = found(&one.device).expect("readable");
        assert_eq!((in_use.times, in_use.file), (one.times, Some(path.clone())));
        let in_use = found(other).expect("no file");
        assert_eq!((in_use.times, in_use.file), (KernelTimes::default(), None));
        // A file under the name of another device does not count.
        std::fs::copy(&path, scratch.0.join(file_name(other))).expect("writable");
        assert_eq!(found(other).expect("readable").file, None);
        // Writing again replaces the file and leaves nothing beside it.
        one.write(&path).expect("writable");
        let files = std::fs::read_dir(&scratch.0).expect("readable").count();
        assert_eq!(files, 2);
    }

    #[test]
    fn files_that_cannot_be_used_are_refused_by_name() {
        let scratch = Scratch::new("refused");
        let path = scratch.0.join("times.json");
        let json = serde_json::to_value(measured("cpu")).expect("serializable");
        let refusal = |edit: &dyn Fn(&mut serde_json::Value)| {
            let mut edited = json.clone();
            edit(&mut edited);
            std::fs::write(&path, edited.to_string()).expect("writable");
            let error = MeasuredTimes::read(&path).expect_err("damaged");
            assert!(error.to_string().contains("times.json"), "{error}");
            error
        };
        let stale = refusal(&|json| json["version"] = (VERSION + 1).into());
        assert!(matches!(stale, Error::StaleTimes { found, .. } if found == VERSION + 1));
        let odd = refusal(&|json| json["times"]["ntt_limb_ns"] = (-1.0).into());
        assert!(odd.to_string().contains("ntt_limb_ns"), "{odd}");
        let unknown = refusal(&|json| json["more"] = 1.into());
        assert!(matches!(unknown, Error::Json { .. }), "{unknown}");
        let text = serde_json::Value::String("x".repeat(2 << 16)).to_string();
        std::fs::write(&path, text).expect("writable");
        let long = MeasuredTimes::read(&path).expect_err("cut off");
        assert!(matches!(long, Error::Json { .. }), "{long}");
        let missing = MeasuredTimes::read(&scratch.0.join("none")).expect_err("no file");
        assert!(matches!(missing, Error::Read { .. }), "{missing}");
    }

    #[test]
    fn a_backend_is_measured_by_name() {
        let options = MeasureOptions {
            log_degree: 8,
            each: Duration::ZERO,
        };
        let measured = MeasuredTimes::measure("cpu", Some(1), options).expect("is always there");
        assert!(measured.device.contains("1 thread"), "{}", measured.device);
        assert_eq!((measured.threads, measured.times.degree), (1, 256));
        let refused = MeasuredTimes::measure("tpu", None, options).expect_err("no such backend");
        assert!(matches!(refused, Error::Backend { .. }), "{refused}");
    }
}
