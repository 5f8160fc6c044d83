//! Files and cargo runs of the workspace.

use crate::Outcome;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The crates, in the order of their dependencies.
pub const CRATES: [&str; 8] = [
    "ckks-math",
    "ckks-cpu",
    "ckks-gpu-cuda",
    "ckks-gpu-wgpu",
    "he-linalg",
    "he-llama",
    "he-bench",
    "xtask",
];

/// The root of the workspace.
pub fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent()
        .expect("this crate lies in the workspace")
        .into()
}

/// The cargo that runs this program.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

/// Where cargo puts what it builds.
///
/// # Errors
///
/// When cargo cannot be run, or names none.
pub fn target_directory() -> Result<PathBuf, String> {
    let metadata = ["metadata", "--format-version", "1", "--no-deps", "--quiet"];
    let output = cargo(&metadata).output();
    let output = output.map_err(|e| format!("cannot run cargo metadata: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let (_, rest) = text
        .split_once("\"target_directory\":\"")
        .ok_or("cargo metadata names no target directory")?;
    Ok(rest.split('"').next().unwrap_or_default().into())
}

/// Runs a command to its end; fails when it fails.
///
/// # Errors
///
/// When it cannot be started or does not exit with 0.
pub fn run(command: &mut Command) -> Outcome {
    let status = command
        .status()
        .map_err(|e| format!("cannot run {command:?}: {e}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{command:?} failed: {status}"))
    }
}

/// Runs a program of he-bench from the caller's directory, where its files are meant.
///
/// # Errors
///
/// When the program cannot be built, or fails.
pub fn he_bench(program: &str, options: &[OsString]) -> Outcome {
    let manifest = root().join("Cargo.toml");
    let here = std::env::current_dir().map_err(|e| format!("no current directory: {e}"))?;
    let fixed = [
        "run",
        "--quiet",
        "--release",
        "--package",
        "he-bench",
        "--bin",
        program,
    ];
    let mut command = cargo(&fixed);
    // The default build leaves the portable GPU backend and what it brings along out.
    if names_wgpu(options) {
        command.args(["--features", "wgpu"]);
    }
    command
        .current_dir(here)
        .arg("--manifest-path")
        .arg(manifest)
        .arg("--")
        .args(options);
    run(&mut command)
}

/// Whether options ask for the backend `wgpu`, or one of its adapters.
fn names_wgpu(options: &[OsString]) -> bool {
    let values = options.iter().filter_map(|o| o.to_str());
    let values = values.map(|o| o.strip_prefix("--backend=").unwrap_or(o));
    values
        .into_iter()
        .any(|o| o == "wgpu" || o.starts_with("wgpu:"))
}

/// A text file of the workspace.
pub struct SourceFile {
    /// Path from the root.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

impl SourceFile {
    /// Whether a file is part of a library or program rather than of its tests.
    pub fn is_library(&self) -> bool {
        let mut parts = self.path.components().skip(1);
        let source = parts.next().is_some_and(|c| c.as_os_str() == "src");
        let stem = self.path.file_stem().and_then(|s| s.to_str());
        source && !stem.is_some_and(|s| s == "tests" || s.ends_with("_tests"))
    }
}

/// All Rust files below a directory of the workspace, by path.
///
/// # Errors
///
/// When a directory or a file cannot be read.
pub fn rust_files(directory: &str) -> Result<Vec<SourceFile>, String> {
    files(directory, &["rs"])
}

/// All files with one of these extensions below a directory of the workspace, by path. What is
/// hidden, built or fetched is left out.
///
/// # Errors
///
/// When a directory or a file cannot be read.
pub fn files(directory: &str, extensions: &[&str]) -> Result<Vec<SourceFile>, String> {
    let mut files = Vec::new();
    let mut open = vec![root().join(directory)];
    while let Some(path) = open.pop() {
        let failed = |e: std::io::Error| format!("cannot read {}: {e}", path.display());
        let extension = path.extension().and_then(|e| e.to_str());
        if path.is_dir() {
            for entry in std::fs::read_dir(&path).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let name = entry.file_name();
                let left_out = name == "target" || name.to_string_lossy().starts_with('.');
                if !left_out {
                    open.push(entry.path());
                }
            }
        } else if extension.is_some_and(|e| extensions.contains(&e)) {
            let text = std::fs::read_to_string(&path).map_err(failed)?;
            let path = path.strip_prefix(root()).unwrap_or(&path).into();
            files.push(SourceFile { path, text });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_portable_backend_is_recognised() {
        let names = |options: &[&str]| {
            let options: Vec<OsString> = options.iter().map(OsString::from).collect();
            names_wgpu(&options)
        };
        assert!(names(&["--quick", "--backend", "wgpu"]));
        assert!(names(&["--backend=wgpu:1"]));
        assert!(!names(&["--backend", "cuda", "--json", "wgpu.json"]));
    }
}
