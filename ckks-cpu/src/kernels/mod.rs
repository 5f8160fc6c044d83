//! Kernels on slices of one limb: the reference in plain Rust, and the choice of kernels.
//!
//! A [`Prime`] chooses once, when tables are built, between the reference (any ring) and
//! [`crate::simd`] (rings of degree 64 and more).

mod column_transform;
mod convert;
mod dot;
mod linear;
mod neighbours;
mod ntt;
mod permute;
mod pointwise;
mod prime;
mod products;

pub use column_transform::ColumnTransform;
pub use convert::{CHUNK, Conversion, Source, Target};
pub use dot::KeyLimb;
pub use neighbours::add_neighbours;
pub use ntt::{ReferenceNtt, Twiddles};
pub use permute::{PATTERN_BITS, Permutation};
pub use prime::Prime;

use crate::simd::Vector;

/// Words that kernels may move together: one cache line.
pub const LANES: usize = 8;

/// The kernels of a backend.
#[derive(Clone, Copy)]
pub enum Kernels {
    /// Plain Rust for every ring.
    Reference,
    /// One of the instruction sets where the degree allows.
    Vector(Vector),
}
