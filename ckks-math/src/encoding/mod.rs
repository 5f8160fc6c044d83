//! Encoding: real or complex vectors to integer polynomials and back, and integers to residues and
//! back.
//!
//! The way of a message is `values -> (slot transform) -> integer coefficients -> residues`, by
//! [`Encoder`] and [`IntegerCoeffs::to_rns`]; the way back is
//! `residues -> centred coefficients -> values`, by [`CrtReconstructor`] and [`Encoder`] again.
//! Everything here is plain host arithmetic: no keys, no ciphertexts.
//!
//! # Slot order
//!
//! With `n` slots, slot `j` is the value of the polynomial at `zeta^(5^j)`,
//! `zeta = exp(i pi / (2 n))`, where the polynomial is read in `Y = X^(N / 2n)` (standard ring) or
//! `Y = X^(N / n)` (conjugate-invariant ring). The automorphism `X -> X^5` therefore rotates the
//! slots left by one.

pub mod complex;
pub mod crt;
pub mod encode;
pub mod error;
pub mod fft;
pub mod integer;

pub use complex::Complex64;
pub use crt::CrtReconstructor;
pub use encode::{Encoder, SlotRing};
pub use error::EncodingError;
pub use fft::SlotFft;
pub use integer::{IntegerCoeffs, signed_to_rns};
