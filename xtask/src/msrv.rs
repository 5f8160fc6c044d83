//! The workspace compiles with the oldest Rust that it declares.

use crate::Verdict;
use crate::tools::{cargo_of, has_toolchain};
use crate::workspace::{root, run as execute};

/// Type-checks libraries and programs with the declared toolchain, where rustup has it.
///
/// # Errors
///
/// When the manifest declares none, or a crate does not compile.
pub fn check() -> Result<Verdict, String> {
    let path = root().join("Cargo.toml");
    let manifest =
        std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let version = declared(&manifest).ok_or("Cargo.toml declares no rust-version")?;
    if !has_toolchain(version, &["--version"]) {
        let why =
            format!("no Rust {version}: rustup toolchain install {version} --profile minimal");
        return Ok(Verdict::Skipped(why));
    }
    let check = [
        "check",
        "--quiet",
        "--workspace",
        "--target-dir",
        "target/msrv",
    ];
    execute(cargo_of(version, &check).args(["--features", "he-llama/wgpu"]))?;
    Ok(Verdict::Passed)
}

/// The value of `rust-version` in a manifest.
fn declared(manifest: &str) -> Option<&str> {
    let line = manifest.lines().find(|l| l.starts_with("rust-version"))?;
    line.split('"').nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_declared_version_is_read() {
        assert_eq!(
            declared("[package]\nrust-version = \"1.90\"\n"),
            Some("1.90")
        );
        assert_eq!(declared("rust-version.workspace = true"), None);
    }
}
