//! The scheme on a backend, against clear slots: every operation within ten deviations of its
//! noise, on both rings, with levels of one long prime and of two short ones.
//!
//! Tolerances are put together from the parts of [`Noise`](crate::conformance::Noise), which are in
//! units of the encoded integers; divided by the scale they are in units of the message, whose
//! slots have absolute values of at most 1. Independent parts add as squares.

mod arithmetic;
mod encryption;
mod functions;
mod rotation;

pub use arithmetic::{levels_and_scales_align, products_match_the_clear, sums_match_the_clear};
pub use encryption::encryption_round_trips;
pub use functions::{polynomials_match_the_clear, transforms_match_the_clear};
pub use rotation::rotations_match_the_clear;

use super::{Verdict, ensure};
use crate::conformance::scheme::{Batch, Scheme, map, reals, rotated, zip};
