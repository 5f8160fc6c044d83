//! The reference kernels and the buffers under Miri, which finds undefined behaviour.

use crate::Verdict;
use crate::tools::{cargo_of, has_toolchain};
use crate::workspace::run as execute;

/// Tests whose names hold one of these, by package: those of integers and of `unsafe` code that
/// ends in minutes.
const TESTS: [(&str, &[&str]); 2] = [
    ("ckks-math", &["arith::"]),
    (
        "ckks-cpu",
        &[
            "scalar_tests::",
            "aligned::tests::buffers_are_aligned_and_zero",
        ],
    ),
];

/// Runs them, where the nightly toolchain has Miri.
///
/// # Errors
///
/// When Miri finds undefined behaviour, or a test fails.
pub fn check() -> Result<Verdict, String> {
    if !has_toolchain("nightly", &["miri", "--version"]) {
        let why = "no Miri: rustup component add --toolchain nightly miri rust-src";
        return Ok(Verdict::Skipped(why.into()));
    }
    for (package, names) in TESTS {
        let test = ["miri", "test", "--package", package, "--lib", "--"];
        let mut command = cargo_of("nightly", &test);
        // Fewer cases than natively: an instruction takes a thousand times as long.
        command
            .env("PROPTEST_CASES", "4")
            .env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1");
        execute(
            command
                .env("MIRIFLAGS", "-Zmiri-disable-isolation")
                .args(names),
        )?;
    }
    Ok(Verdict::Passed)
}
