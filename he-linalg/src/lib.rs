//! Linear algebra on packed CKKS ciphertexts.
//!
//! A ciphertext holds a vector of `S` slots. The scheme adds and multiplies such vectors slot by
//! slot, and rotates them cyclically; a vector with fewer than `S` values is held periodically.
//! This crate expresses tensors and their linear algebra in those three operations, in two halves:
//! plans made in the clear before anything is encrypted, and their execution on ciphertexts. Every
//! plan has an `apply_clear` that does on `f64` vectors what is done on ciphertexts.
//!
//! # From a tensor to slots
//!
//! [`Layout`] sends an index `(i_1, ..., i_d)` to the address `sum_j i_j 2^(a_j)`, where axis `j`
//! owns the address bits from `a_j`. The low `log2 S` bits are the slot `s`, the others the number
//! of the ciphertext. Replica fields hold copies of a value along some bits, and a period `p < S`
//! is a replica field on top of all others.
//!
//! # From a matrix to rotations
//!
//! With `rot_k(x)[s] = x[s + k]`, a matrix `M` between two packed vectors is the sum
//!
//! ```text
//! M x = sum over k of  diag_k * rot_k(x),       diag_k[s] = M[s, s + k]
//! ```
//!
//! over the amounts `k` for which `diag_k` is not zero: [`LinearMap`]. A layout is good when its
//! matrices have few such amounts. A matrix that acts on an axis of `c` channels and leaves the
//! others alone has at most `2c - 1` of them, and `c` if the axis stands at the top of the period,
//! however many tokens stand below it. Since `rot_{g+b} = rot_g rot_b`, [`BsgsPlan`] gets by with
//! about `2 sqrt(c)` rotations:
//!
//! ```text
//! M x = sum over g of  rot_g( sum over b of  rot_{-g}(diag_{g+b}) * rot_b(x) )
//! ```
//!
//! and several matrices applied to the same `x` share all `rot_b(x)`. It takes one level.
//! [`KeySet`] picks the rotation keys for a set of plans.
//!
//! # Sums
//!
//! Products of two ciphertexts (scores, attention outputs, norms) are slot-wise products followed
//! by a sum over an axis, which [`ReducePlan`] plans: without a level if the axis stands at the
//! top of the period or counts ciphertexts, with one mask otherwise. [`Contraction`] is the product
//! with the sum.
//!
//! # On ciphertexts
//!
//! [`Packed`] is a layout with the batch of its ciphertexts; [`Matrix`] is a plaintext matrix
//! prepared once, and its encoded forms live in a [`MatrixStore`](matrix::MatrixStore).
//! [`ReducePlan::apply`] adds along axes, and [`functions`] holds non-linear functions. All are
//! generic over the backend. Results are at exactly the canonical scale of their level wherever a
//! level is used.

#![forbid(unsafe_code)]

pub mod apply;
pub mod attention;
pub mod bsgs;
pub mod error;
pub mod field;
pub mod functions;
pub mod layout;
pub mod linear_map;
pub mod matrix;
mod overlay;
pub mod packed;
pub mod reduce;
pub mod rotations;
pub mod terms;
#[cfg(test)]
mod testing;

pub use apply::{EncodedMap, PreparedMap};
pub use attention::Contraction;
pub use bsgs::{BsgsPlan, CostModel, PlanWork};
pub use error::{Error, Result};
pub use field::{Axis, Field, Padding};
pub use layout::Layout;
pub use linear_map::LinearMap;
pub use matrix::{Coefficients, Matrix};
pub use packed::Packed;
pub use reduce::{ReducePlan, Spread, Step, SumOptions};
pub use rotations::{KeySet, Rotation};
pub use terms::Terms;
