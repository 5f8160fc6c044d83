//! The CUDA kernels on the CPU: conformance, equality with the CPU backend at large degrees, and
//! faults that must be found.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../circuit/mod.rs"]
mod circuit;
mod compressed;
mod conformance;
mod faults;
mod graphs;
#[path = "../library/mod.rs"]
mod library;
mod matrices;
mod parity;
mod ranks;
mod refusals;
