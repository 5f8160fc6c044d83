//! A type check of the kernels that this machine cannot run.

use crate::Verdict;
use crate::workspace::{cargo, run as execute};
use std::process::Command;

const TARGET: &str = "aarch64-unknown-linux-gnu";

/// Checks `ckks-cpu` for aarch64, where its standard library is installed; says SKIPPED otherwise,
/// which is no failure: everything but the instructions themselves is checked on every target.
///
/// # Errors
///
/// When the kernels do not pass the type check.
pub fn check() -> Result<Verdict, String> {
    if !installed() {
        let why = format!("no standard library of {TARGET}: rustup target add {TARGET}");
        return Ok(Verdict::Skipped(why));
    }
    execute(&mut cargo(&[
        "check",
        "--package",
        "ckks-cpu",
        "--target",
        TARGET,
    ]))?;
    Ok(Verdict::Passed)
}

/// Whether the compiler in use has a standard library for the target.
fn installed() -> bool {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .args(["--print", "target-libdir", "--target", TARGET])
        .output();
    output.is_ok_and(|output| {
        let folder = String::from_utf8_lossy(&output.stdout);
        let files = std::fs::read_dir(folder.trim()).into_iter().flatten();
        files
            .flatten()
            .any(|file| file.file_name().to_string_lossy().starts_with("libstd-"))
    })
}
