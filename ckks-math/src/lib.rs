//! The CKKS scheme [Cheon-Kim-Kim-Song 2017] in RNS form over an abstract compute backend.
//!
//! | module | holds |
//! |---|---|
//! | [`arith`] | arithmetic modulo word-sized primes, NTT primes |
//! | [`backend`] | the traits a device implements, bodies derived from them, shapes of data |
//! | [`error`] | the error type |
#![forbid(unsafe_code)]

pub mod arith;
pub mod backend;
pub mod error;

pub use error::{Error, Result};
