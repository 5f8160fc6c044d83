//! All that a change must pass, in the order that fails soonest.

use crate::workspace::{cargo, run as execute};
use crate::{Outcome, budget, contracts, cuda_check, neon};
use std::process::Command;
use std::time::Instant;

/// Features that the default build lacks: CUDA kernels on the CPU, and the portable backend in
/// programs.
const FEATURES: [&str; 2] = ["--features", "he-llama/executor,he-bench/wgpu"];
/// The variable that names the driver file of SwiftShader, a Vulkan without 64-bit integers.
const SWIFTSHADER: &str = "CKKS_SWIFTSHADER";

/// Formatting, contracts, budget, lints, kernels of other machines, documentation, one token of the
/// default model under 128-bit secure parameters, tests. Stops at the first failure; the last
/// output is the tests'.
///
/// Where a Vulkan is installed the tests run the WGSL kernels on it; `.ci/run` installs Mesa's and
/// makes its absence a failure.
///
/// Everything is built in the release profile, so that the steps share what they build.
///
/// # Errors
///
/// The error of the first step that fails, with its name.
pub fn run() -> Outcome {
    step("format", || {
        execute(&mut cargo(&["fmt", "--all", "--check"]))
    })?;
    step("contracts", || contracts::run(false, false))?;
    step("budget", budget::run)?;
    step("lints", || {
        let check = [
            "clippy",
            "--release",
            "--workspace",
            "--all-targets",
            "--quiet",
        ];
        execute(cargo(&check).args(FEATURES).args(["--", "-D", "warnings"]))
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
    step("GPU kernels run on the CPU", || {
        let tests = ["executor", "table", "captured", "wgpu"];
        let tests = tests.iter().flat_map(|name| ["--test", name]);
        execute(test(&["--lib"]).args(tests))
    })?;
    step("WGSL kernels on SwiftShader", wgsl_without_long_integers)?;
    println!("== tests");
    execute(&mut cargo(&["test", "--release", "--workspace"]))
}

/// Tests of the workspace with all features: of the whole, so that dependencies are built once for
/// all steps.
fn test(arguments: &[&str]) -> Command {
    let mut command = cargo(&["test", "--release", "--quiet", "--workspace"]);
    command.args(FEATURES).args(arguments);
    command
}

/// One suite of the laws on a Vulkan that has no 64-bit integers, which keeps the portable path
/// honest.
fn wgsl_without_long_integers() -> Outcome {
    let Some(driver) = std::env::var_os(SWIFTSHADER) else {
        println!("SKIPPED ({SWIFTSHADER} names no driver)");
        return Ok(());
    };
    // Those of this backend: names of others have a module before.
    let laws = ["poisoned::", "--skip", "::poisoned::"];
    execute(
        test(&["--test", "conformance", "--"])
            .args(laws)
            .env("VK_DRIVER_FILES", driver)
            .env("CKKS_REQUIRE_DEVICE", "wgpu"),
    )
}

fn step(name: &str, work: impl FnOnce() -> Outcome) -> Outcome {
    println!("== {name}");
    let start = Instant::now();
    work().map_err(|error| format!("{name}: {error}"))?;
    println!("== {name}: passed, {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}
