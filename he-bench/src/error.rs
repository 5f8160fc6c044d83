//! What can go wrong around a measurement.

use std::path::PathBuf;
use std::process::ExitCode;

/// Result of the crate's operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The exit status of a program; an error is printed before.
pub fn exit_status(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Errors of measuring, of records and of their comparison.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The scheme or the backend refused.
    #[error(transparent)]
    Scheme(#[from] ckks_math::Error),
    /// The model refused, or the parameters that it is run with.
    #[error(transparent)]
    Model(#[from] he_llama::Error),
    /// A packing refused.
    #[error(transparent)]
    Packing(#[from] he_linalg::Error),
    /// A filter that no benchmark answers to.
    #[error("no benchmark is named {filter:?} or lies below it: choose one of {}", known.join(", "))]
    UnknownId {
        /// The filter given.
        filter: String,
        /// All ids.
        known: Vec<&'static str>,
    },
    /// A known benchmark that the parameter set has nothing to run for.
    #[error(
        "{filter} does not run on {params}: bootstrapping and the layer need a preset with `boot` in its name, the layer one with enough levels, and the refresh of a conjugate-invariant ring has the id bootstrap/conjugate_invariant"
    )]
    NothingToRun {
        /// The filter given.
        filter: String,
        /// The parameter sets asked for.
        params: String,
    },
    /// An argument out of range.
    #[error("{what} = {value}: {way_out}")]
    Argument {
        /// The argument.
        what: &'static str,
        /// The value given.
        value: String,
        /// What to give instead.
        way_out: String,
    },
    /// A file that cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// A file that does not hold records.
    #[error("{} holds no benchmark records ({source}): make one with `cargo xtask bench --json`", path.display())]
    Records {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
}
