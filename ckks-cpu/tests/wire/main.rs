//! The wire format on the CPU backend: round trips, golden bytes, hostile bytes.

#![expect(
    clippy::unwrap_used,
    reason = "a fixture that fails fails the test that asked for it"
)]

mod fixture;
mod golden;
mod hostile;
mod memory;
mod mutations;
mod round_trip;
