//! Comparisons of encrypted tensors, as polynomials fitted on a stated range.
//!
//! | module | functions | how |
//! |---|---|---|
//! | [`compare`] | sign, comparison, maximum | composite minimax polynomials |
//! | [`argmax`] | one-hot maximum along an axis | cyclic tournament |
//!
//! A polynomial is right on its range only: outside it grows like its degree's power, and one
//! stray slot spoils the ciphertext. Padding slots count, so zero padding must be in range too or
//! be filled first ([`Packed::fill_padding`](crate::packed::Packed::fill_padding)).

pub mod argmax;
pub mod compare;

pub use argmax::{Argmax, Refresh};
pub use compare::Sign;
