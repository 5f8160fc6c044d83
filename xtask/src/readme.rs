//! The library example of the README, as the one program of a new crate.

use crate::Outcome;
use crate::workspace::{cargo, root, run as execute, target_directory};
use std::path::Path;

/// The folder that the README's dependencies name in place of this one.
const CHECKOUT: &str = "../checkout/";

/// Makes a crate of the README's block of dependencies and its program, and type-checks it.
///
/// # Errors
///
/// When the README lacks one of them, or the crate does not compile.
pub fn check() -> Outcome {
    let readme = read(&root().join("README.md"))?;
    let block = |kind| fenced(&readme, kind).ok_or(format!("README.md has no block of {kind}"));
    let dependencies = block("toml")?.replace(CHECKOUT, &format!("{}/", root().display()));
    let package = "[package]\nname = \"readme\"\nversion = \"0.0.0\"\nedition = \"2024\"\n";
    let folder = target_directory()?.join("readme");
    write(&folder.join("src/main.rs"), block("rust")?)?;
    write(
        &folder.join("Cargo.toml"),
        &format!("{package}\n[workspace]\n\n{dependencies}"),
    )?;
    // The versions that the workspace was tested with.
    write(
        &folder.join("Cargo.lock"),
        &read(&root().join("Cargo.lock"))?,
    )?;
    execute(cargo(&["check", "--quiet"]).current_dir(&folder))
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}

fn write(path: &Path, text: &str) -> Outcome {
    let folder = path.parent().unwrap_or(path);
    let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(path, text));
    written.map_err(|e| format!("{}: {e}", path.display()))
}

/// The first code block of a language.
fn fenced<'t>(text: &'t str, language: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(&format!("```{language}\n"))?;
    Some(rest.split_once("```")?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_by_language() {
        let text = "a\n```toml\nx = 1\n```\n```rust\nfn main() {}\n```\n";
        assert_eq!(fenced(text, "toml"), Some("x = 1\n"));
        assert_eq!(fenced(text, "rust"), Some("fn main() {}\n"));
        assert_eq!(fenced(text, "bash"), None);
    }
}
