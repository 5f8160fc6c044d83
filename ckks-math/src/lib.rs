//! The CKKS scheme [Cheon-Kim-Kim-Song 2017] in RNS form over an abstract compute backend.
//!
//! | module | holds |
//! |---|---|
//! | [`arith`] | arithmetic modulo word-sized primes, NTT primes |
//! | [`backend`] | the traits a device implements, bodies derived from them, shapes of data |
//! | [`params`] | parameter literals, presets, security |
//! | [`encoding`], [`sampling`] | slot transforms, integers and residues; seeds and samplers |
//! | [`cost`] | prices of operations from the times of a device's kernels |
//! | [`context`] | one parameter set on one device; plaintexts |
//! | [`keys`], [`encrypt`] | secret, public and switching keys; encryption, decryption |
//! | [`evaluator`] | arithmetic on ciphertexts |
//! | [`polyval`] | polynomial approximation and evaluation |
//! | [`wire`] | versioned bytes of every public object |
//! | [`error`] | the error type |
#![forbid(unsafe_code)]

pub mod arith;
pub mod backend;
pub mod bootstrap;
pub mod ciphertext;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod context;
pub mod cost;
pub mod encoding;
pub mod encrypt;
pub mod error;
pub mod evaluator;
pub mod keys;
pub mod params;
pub mod poly;
pub mod polyval;
pub mod sampling;
pub mod wire;

pub use ciphertext::{Ciphertext, Plaintext};
pub use context::Context;
pub use encrypt::{Decryptor, Encryptor};
pub use error::{Error, Result};
pub use evaluator::Evaluator;
pub use params::{Params, ParamsLiteral};
