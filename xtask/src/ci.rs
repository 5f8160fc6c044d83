//! All that a change must pass, in the order that fails soonest.

use crate::workspace::{cargo, run as execute};
use crate::{
    Outcome, Verdict, budget, contracts, cuda_check, dependencies, msrv, neon, package, readme,
    soak,
};
use std::process::Command;
use std::time::Instant;

/// Features that the default build lacks: CUDA kernels on the CPU, and the portable backend in
/// programs.
const FEATURES: [&str; 2] = ["--features", "he-llama/executor,he-bench/wgpu"];
/// The variable that names the driver file of SwiftShader, a Vulkan without 64-bit integers.
const SWIFTSHADER: &str = "CKKS_SWIFTSHADER";

/// Formatting, contracts, budget, dependencies, packages, lints, the oldest compiler, fuzz targets,
/// kernels of other machines, documentation, one token of the default model under 128-bit secure
/// parameters, tests. Stops at the first failure; the last output is the tests'. What was skipped
/// is named before them, and never counts as passed.
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
    let mut steps = Steps::default();
    steps.run("format", || {
        execute(&mut cargo(&["fmt", "--all", "--check"]))
    })?;
    steps.run("contracts", || contracts::run(false, false))?;
    steps.run("budget", budget::run)?;
    steps.run("dependencies", dependencies::check)?;
    steps.run("advisories", dependencies::advisories)?;
    steps.run("packages", package::check)?;
    steps.run("lints", || {
        let check = [
            "clippy",
            "--release",
            "--workspace",
            "--all-targets",
            "--quiet",
        ];
        execute(cargo(&check).args(FEATURES).args(["--", "-D", "warnings"]))
    })?;
    steps.run("oldest compiler", msrv::check)?;
    steps.run("fuzz targets", soak::check_targets)?;
    steps.run("kernels of aarch64", neon::check)?;
    steps.run("CUDA kernels", || cuda_check::run(false))?;
    steps.run("documentation", || {
        let check = ["doc", "--release", "--workspace", "--no-deps", "--quiet"];
        execute(cargo(&check).env("RUSTDOCFLAGS", "-D warnings"))
    })?;
    steps.run("README in a new crate", readme::check)?;
    steps.run("one encrypted token", || {
        let program = ["run", "--quiet", "--release", "--package", "he-llama", "--"];
        execute(cargo(&program).args(["generate", "--tokens", "1", "--quiet"]))
    })?;
    steps.run("GPU kernels run on the CPU", || {
        let tests = ["executor", "table", "captured", "wgpu"];
        let tests = tests.iter().flat_map(|name| ["--test", name]);
        execute(test(&["--lib"]).args(tests))
    })?;
    steps.run("WGSL kernels on SwiftShader", wgsl_without_long_integers)?;
    for step in &steps.skipped {
        println!("== SKIPPED: {step}");
    }
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
///
/// # Errors
///
/// When a law fails.
fn wgsl_without_long_integers() -> Result<Verdict, String> {
    let Some(driver) = std::env::var_os(SWIFTSHADER) else {
        return Ok(Verdict::Skipped(format!("{SWIFTSHADER} names no driver")));
    };
    // Those of this backend: names of others have a module before.
    let laws = ["poisoned::", "--skip", "::poisoned::"];
    execute(
        test(&["--test", "conformance", "--"])
            .args(laws)
            .env("VK_DRIVER_FILES", driver)
            .env("CKKS_REQUIRE_DEVICE", "wgpu"),
    )?;
    Ok(Verdict::Passed)
}

/// The steps of a run, and those that were skipped.
#[derive(Default)]
struct Steps {
    skipped: Vec<String>,
}

impl Steps {
    /// Does a step and prints what came of it and how long it took.
    fn run<V: Into<Verdict>>(
        &mut self,
        name: &str,
        work: impl FnOnce() -> Result<V, String>,
    ) -> Outcome {
        println!("== {name}");
        let start = Instant::now();
        let verdict = work().map_err(|error| format!("{name}: {error}"))?.into();
        let seconds = start.elapsed().as_secs_f64();
        match verdict {
            Verdict::Passed => println!("== {name}: passed, {seconds:.0} s"),
            Verdict::Skipped(why) => {
                println!("== {name}: SKIPPED ({why}), {seconds:.0} s");
                self.skipped.push(format!("{name} ({why})"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skipped_step_is_not_passed() {
        let mut steps = Steps::default();
        steps.run("done", || Ok(())).expect("did not fail");
        let skip = || Ok(Verdict::Skipped("no such machine".into()));
        steps.run("other", skip).expect("did not fail");
        assert_eq!(steps.skipped, ["other (no such machine)"]);
        let failure = steps.run("last", || Err::<(), _>("reason".into()));
        assert_eq!(failure, Err("last: reason".into()));
    }
}
