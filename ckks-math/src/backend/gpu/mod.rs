//! The host half of backends that launch kernels: what CUDA and WGSL devices share, whatever their
//! driver.
//!
//! Both keep residues in Montgomery form ([`super::montgomery`]) and are given the same constants:
//! [`constants`] computes them, [`Memo`] keeps those that are made on first use. Operations that
//! take several launches are written once in [`bodies`], over the launches of the trait
//! [`Launches`]. How a launch is cut into blocks of threads, and where memory lies, is each
//! backend's own affair.

pub mod bodies;
pub mod constants;
mod memo;

pub use bodies::{Launches, Lift};
pub use memo::Memo;
