//! The backend on the first adapter of this machine, beyond the conformance suite: a layer at
//! secure parameters, the degrees that are used, blocks of several buffers, failures that last.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
mod failures;
mod layer;
mod parity;
