//! The command line.

#[macro_use]
mod screen;

pub mod args;
mod calibrate;
mod device;
mod devices;
mod eval;
mod export;
mod generate;
mod inspect;
mod keygen;
mod memory;
mod outline;
mod owner;
mod progress;
mod prompt;
mod simulate;
mod sources;
mod targets;
pub mod text;

pub use args::{Cli, Command};

use crate::error::Result;

/// Runs the command that `cli` names.
///
/// # Errors
///
/// Whatever ends the command: each error says what was found, what was expected, and the way out.
pub fn run(cli: &Cli) -> Result<()> {
    match &cli.command {
        Command::Generate(args) => generate::run(args),
        Command::Simulate(args) => simulate::run(args),
        Command::Calibrate(args) => calibrate::run(args),
        Command::ExportClient(args) => export::run(args),
        Command::Keygen(args) => keygen::run(args),
        Command::Encrypt(args) => owner::encrypt(args),
        Command::Decrypt(args) => owner::decrypt(args),
        Command::Show(args) => owner::print(args),
        Command::Eval(args) => eval::run(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Devices(args) => devices::run(args),
    }
}
