//! What would be published: each crate is whole without the folders around it.

use crate::Outcome;
use crate::workspace::{cargo, run as execute, rust_files};
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

/// The crates that are published.
const PUBLISHED: [&str; 6] = [
    "ckks-math",
    "ckks-cpu",
    "ckks-gpu-cuda",
    "ckks-gpu-wgpu",
    "he-linalg",
    "he-llama",
];
/// What every one of them holds.
const HELD: [&str; 3] = ["README.md", "LICENSE-MIT", "LICENSE-APACHE"];

/// Packages all crates that are published without building them, after a look at what they hold:
/// README, licences, and every file that their sources include.
///
/// # Errors
///
/// When a file is missing from a package, or cargo refuses a manifest.
pub fn check() -> Outcome {
    let mut faults = Vec::new();
    for name in PUBLISHED {
        let files = listed(name)?;
        let held = HELD
            .iter()
            .map(PathBuf::from)
            .map(|file| (file, "the package"));
        let mut needed: Vec<(PathBuf, &str)> = held.collect();
        let sources = rust_files(&format!("{name}/src"))?;
        // Tests run in the workspace, and may read its documents.
        for source in sources.into_iter().filter(|file| file.is_library()) {
            let path = source.path.strip_prefix(name).unwrap_or(&source.path);
            for literal in included(&source.text) {
                needed.push((beside(path, literal), "a source"));
            }
        }
        for (file, of) in needed {
            if !files.contains(&file) {
                faults.push(format!(
                    "{name}: {} is needed by {of} and not packed",
                    file.display()
                ));
            }
        }
    }
    if !faults.is_empty() {
        return Err(faults.join("\n"));
    }
    let left_out = ["--exclude", "he-bench", "--exclude", "xtask"];
    let package = [
        "package",
        "--workspace",
        "--no-verify",
        "--allow-dirty",
        "--quiet",
    ];
    execute(cargo(&package).args(left_out))
}

/// The files of a package.
fn listed(name: &str) -> Result<BTreeSet<PathBuf>, String> {
    let mut command = cargo(&[
        "package",
        "--list",
        "--allow-dirty",
        "--quiet",
        "--package",
        name,
    ]);
    let output = command.output();
    let output = output.map_err(|e| format!("cannot run {command:?}: {e}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().map(PathBuf::from).collect())
}

/// The paths that a source includes by a plain literal.
fn included(text: &str) -> Vec<&str> {
    let macros = ["include_str!(\"", "include_bytes!(\"", "include!(\""];
    let after = |name| text.split(name).skip(1);
    let all = macros.into_iter().flat_map(after);
    all.filter_map(|rest| rest.split('"').next()).collect()
}

/// A path that is meant relative to a source file.
fn beside(source: &Path, relative: &str) -> PathBuf {
    let mut path = source.parent().unwrap_or(Path::new("")).to_path_buf();
    for part in Path::new(relative).components() {
        match part {
            Component::ParentDir if !path.pop() => path.push(".."),
            Component::ParentDir | Component::CurDir => {}
            other => path.push(other),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn included_files_are_named_relative_to_the_package() {
        let text = "const A: &str = include_str!(\"../a/b.txt\"); include_bytes!(\"c\")";
        let found: Vec<PathBuf> = included(text)
            .into_iter()
            .map(|literal| beside(Path::new("src/x.rs"), literal))
            .collect();
        assert_eq!(found, [PathBuf::from("a/b.txt"), PathBuf::from("src/c")]);
        assert_eq!(
            beside(Path::new("src/x.rs"), "../../out"),
            PathBuf::from("../out")
        );
    }

    /// The list of packages and the manifests say the same.
    #[test]
    fn crates_are_published_unless_their_manifest_says_no() {
        for name in crate::workspace::CRATES {
            let path = crate::workspace::root().join(name).join("Cargo.toml");
            let manifest = std::fs::read_to_string(path).expect("every crate has a manifest");
            let kept = manifest.contains("publish = false");
            assert_eq!(PUBLISHED.contains(&name), !kept, "{name}");
        }
    }
}
