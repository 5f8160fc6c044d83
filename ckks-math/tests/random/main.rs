//! Random tests against independent arithmetic.
//!
//! The number of cases is bounded by default and follows `PROPTEST_CASES`; a case that failed is
//! kept in `proptest-regressions` and tried first from then on.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod arith;
mod encoding;
mod parameters;

use proptest::test_runner::Config;

/// `cases` of them, unless `PROPTEST_CASES` says otherwise.
fn config(cases: u32) -> Config {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => Config::default(),
        None => Config::with_cases(cases),
    }
}
