//! The command line.

pub mod args;
mod calibrate;
mod output;
mod simulate;

pub use args::{Cli, Command};

use crate::error::Result;

/// Runs the command that `cli` names.
pub fn run(cli: &Cli) -> Result<()> {
    match &cli.command {
        Command::Simulate(args) => simulate::run(args),
        Command::Calibrate(args) => calibrate::run(args),
    }
}
