//! All that a change must pass, in the order that fails soonest.

use crate::workspace::{cargo, run as execute};
use crate::{Outcome, budget, contracts, neon};
use std::time::Instant;

/// Formatting, contracts, budget, lints, the kernels of aarch64, documentation, one token of the default model under
/// 128-bit secure parameters, tests. Stops at the first failure; the last output is the tests'.
///
/// Everything is built in the release profile, so that the steps share what they build.
pub fn run() -> Outcome {
    step("format", || {
        execute(&mut cargo(&["fmt", "--all", "--check"]))
    })?;
    step("contracts", contracts::run)?;
    step("budget", budget::run)?;
    step("lints", || {
        let check = [
            "clippy",
            "--release",
            "--workspace",
            "--all-targets",
            "--quiet",
        ];
        execute(cargo(&check).args(["--", "-D", "warnings"]))
    })?;
    step("kernels of aarch64", neon::check)?;
    step("documentation", || {
        let check = ["doc", "--release", "--workspace", "--no-deps", "--quiet"];
        execute(cargo(&check).env("RUSTDOCFLAGS", "-D warnings"))
    })?;
    step("one encrypted token", || {
        let program = ["run", "--quiet", "--release", "--package", "he-llama", "--"];
        execute(cargo(&program).args(["generate", "--tokens", "1", "--quiet"]))
    })?;
    println!("== tests");
    execute(&mut cargo(&["test", "--release", "--workspace"]))
}

fn step(name: &str, work: impl FnOnce() -> Outcome) -> Outcome {
    println!("== {name}");
    let start = Instant::now();
    work().map_err(|error| format!("{name}: {error}"))?;
    println!("== {name}: passed, {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}
