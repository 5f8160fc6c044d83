//! The records that `cargo xtask bench --json` writes.

use crate::error::{Error, Result};
use crate::machine;
use crate::measure::Samples;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::path::Path;

/// One benchmark's times on one parameter set. Field names are stable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What was timed, such as `rotate`.
    pub id: String,
    /// Name of the parameter set.
    pub params: String,
    /// Threads that the backend worked with.
    pub threads: usize,
    /// Number of samples.
    pub samples: usize,
    /// Median wall time of one run in nanoseconds.
    pub median_ns: u64,
    /// Shortest.
    pub min_ns: u64,
    /// First quartile.
    pub q1_ns: u64,
    /// Third quartile.
    pub q3_ns: u64,
    /// The backend and its kernels.
    pub backend: String,
    /// Where it ran.
    #[serde(flatten)]
    pub origin: Origin,
}

/// Where and when a record was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Commit, with `+` for a changed working tree.
    pub commit: String,
    /// Processor.
    pub cpu: String,
    /// UTC date, `YYYY-MM-DD`.
    pub date: String,
}

impl Origin {
    /// This machine and checkout, today.
    pub fn here() -> Self {
        Self {
            commit: machine::commit(),
            cpu: machine::cpu(),
            date: machine::date(),
        }
    }
}

impl Record {
    /// The record of some samples.
    pub fn new(
        id: &str,
        params: &str,
        threads: usize,
        backend: &str,
        samples: &Samples,
        origin: &Origin,
    ) -> Self {
        Self {
            id: id.into(),
            params: params.into(),
            threads,
            samples: samples.count(),
            median_ns: samples.quantile(0.5),
            min_ns: samples.min(),
            q1_ns: samples.quantile(0.25),
            q3_ns: samples.quantile(0.75),
            backend: backend.into(),
            origin: origin.clone(),
        }
    }

    /// Distance of the quartiles relative to the median: how far a rerun may wander.
    pub fn spread(&self) -> f64 {
        self.q3_ns.saturating_sub(self.q1_ns) as f64 / self.median_ns.max(1) as f64
    }
}

/// Reads a file of records.
///
/// # Errors
///
/// [`Error::File`] where the file cannot be read, [`Error::Records`] where it holds something else.
pub fn read(path: &Path) -> Result<Vec<Record>> {
    let file = |source| Error::File {
        action: "read",
        path: path.into(),
        source,
    };
    let text = std::fs::read_to_string(path).map_err(file)?;
    serde_json::from_str(&text).map_err(|source| Error::Records {
        path: path.into(),
        source,
    })
}

/// A file of records, opened before the measurement so that a wrong path fails at once.
pub struct RecordFile<'p> {
    path: &'p Path,
    file: File,
}

impl<'p> RecordFile<'p> {
    /// Creates or empties the file.
    ///
    /// # Errors
    ///
    /// [`Error::File`] where the file cannot be created.
    pub fn create(path: &'p Path) -> Result<Self> {
        let file = File::create(path).map_err(|source| Error::File {
            action: "write",
            path: path.into(),
            source,
        })?;
        Ok(Self { path, file })
    }

    /// Writes the records as one array.
    ///
    /// # Errors
    ///
    /// [`Error::File`] where the file cannot be written.
    pub fn write(mut self, records: &[Record]) -> Result<()> {
        use std::io::Write as _;
        let text = serde_json::to_string_pretty(records)
            .expect("records hold strings and finite numbers only");
        writeln!(self.file, "{text}").map_err(|source| Error::File {
            action: "write",
            path: self.path.into(),
            source,
        })
    }
}
