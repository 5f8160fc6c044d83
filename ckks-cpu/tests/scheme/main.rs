//! The scheme on the CPU backend, on small insecure rings. (Operations one by one, on both rings
//! and with all word sizes, are laws of the conformance suite.)
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bootstrap;
mod common;
mod faults;
mod held;
mod iterated;
mod keys;
mod owners;
mod polynomial;
mod randomness;
mod real_bootstrap;
mod refreshes;
mod refusals;
mod words;
