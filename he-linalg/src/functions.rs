//! Non-linear functions on encrypted tensors, each as a polynomial fitted on a stated range.
//!
//! | module | functions | how |
//! |---|---|---|
//! | [`fit`] | `1/sqrt`, `1/x`, `exp`, SiLU | minimax polynomial of least depth |
//! | [`norm`] | `1 / rms` | mean of squares, fitted `1/sqrt` |
//! | [`softmax`] | softmax | exponential of a fraction, then square and normalise |
//! | [`compare`] | sign, comparison, maximum | composite minimax polynomials |
//! | [`argmax`] | one-hot maximum along an axis | cyclic tournament |
//!
//! A polynomial is right on its range only: outside it grows like its degree's power, and one
//! stray slot spoils the ciphertext. Padding slots count, so zero padding must be in range too or
//! be filled first ([`Packed::fill_padding`](crate::packed::Packed::fill_padding)).

pub mod argmax;
pub mod compare;
pub mod fit;
pub mod norm;
pub mod softmax;

pub use argmax::{Argmax, Refresh};
pub use compare::Sign;
pub use fit::{Fit, fit_exp, fit_inv, fit_inv_sqrt, fit_silu};
pub use norm::InverseRms;
pub use softmax::{Mask, Round, Softmax};
