//! The `he-llama` program; everything is in the library.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use he_llama::Error;
use he_llama::cli::{Cli, run};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_env("HE_LLAMA_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever closed the pipe has read what it wanted.
        Err(Error::Closed) => ExitCode::SUCCESS,
        Err(error) => {
            // Without a standard error there is nobody to say it to; the exit code remains.
            let shown = writeln!(std::io::stderr(), "error: {error}");
            drop(shown);
            ExitCode::from(error.exit_code())
        }
    }
}
