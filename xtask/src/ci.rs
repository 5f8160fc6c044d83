//! All that a change must pass, in the order that fails soonest.

use crate::workspace::{cargo, run as execute};
use crate::{Outcome, budget, contracts, cuda_check, neon};
use std::time::Instant;

/// The feature that runs CUDA kernels on the CPU, for lints and tests.
const EXECUTOR: [&str; 2] = ["--features", "ckks-gpu-cuda/executor"];

/// Formatting, contracts, budget, lints, kernels of other machines, documentation, one token of the
/// default model under 128-bit secure parameters, tests. Stops at the first failure; the last output
/// is the tests'.
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
        execute(cargo(&check).args(EXECUTOR).args(["--", "-D", "warnings"]))
    })?;
    step("kernels of aarch64", neon::check)?;
    step("CUDA kernels", || cuda_check::run(false))?;
    step("documentation", || {
        let check = ["doc", "--release", "--workspace", "--no-deps", "--quiet"];
        execute(cargo(&check).env("RUSTDOCFLAGS", "-D warnings"))
    })?;
    step("one encrypted token", || {
        let program = ["run", "--quiet", "--release", "--package", "he-llama", "--"];
        execute(cargo(&program).args(["generate", "--tokens", "1", "--quiet"]))
    })?;
    step("CUDA kernels run on the CPU", || {
        let tests = ["test", "--release", "--quiet", "--package", "ckks-gpu-cuda"];
        execute(cargo(&tests).args(EXECUTOR))
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
