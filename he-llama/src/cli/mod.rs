//! The command line.

pub mod args;
mod calibrate;
mod devices;
mod eval;
mod generate;
mod inspect;
mod keygen;
mod outline;
mod output;
mod owner;
mod simulate;

pub use args::{Cli, Command};

use crate::error::Result;

/// Runs the command that `cli` names.
pub fn run(cli: &Cli) -> Result<()> {
    match &cli.command {
        Command::Generate(args) => generate::run(args),
        Command::Simulate(args) => simulate::run(args),
        Command::Calibrate(args) => calibrate::run(args),
        Command::Keygen(args) => keygen::run(args),
        Command::Encrypt(args) => owner::encrypt(args),
        Command::Decrypt(args) => owner::decrypt(args),
        Command::Eval(args) => eval::run(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Devices(args) => devices::run(args),
    }
}
