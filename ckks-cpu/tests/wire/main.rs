//! The wire format on the CPU backend: round trips, golden bytes, hostile bytes.

mod fixture;
mod golden;
mod hostile;
mod memory;
mod round_trip;
