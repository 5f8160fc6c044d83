//! What is asked of an adapter: memory, kernels, commands in order.

mod adapter;
mod failure;
mod queue;

pub use adapter::{Card, Found, Options, RINGS, found};
pub use failure::Failure;
pub use queue::{Args, Bound, Dispatch, Queue};
