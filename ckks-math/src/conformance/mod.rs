//! Laws that every backend keeps, as a test suite that a backend crate runs in three lines.
//!
//! ```ignore
//! ckks_math::conformance::suite! { mod plain,    backend = open() }
//! ckks_math::conformance::suite! { mod poisoned, backend = open().map(Device::poisoned) }
//! ckks_math::conformance::suite! { mod defaults, backend = open().map(DefaultsOnly) }
//! ```
//!
//! | tier | law | against |
//! |---|---|---|
//! | [`laws::device`] | transfer, independence, order, memory | the device itself |
//! | [`laws::kernels`] | one for each required kernel | naive integers in [`oracle`] |
//! | [`laws::derived`] | an override gives the bits of the default body | [`DefaultsOnly`] |
//! | [`laws::meaning`] | digits, divisions, key switching mean what they say | the definitions |
//! | [`laws::scheme`] | encryption and every operation on ciphertexts, within the noise | clear slots |
//! | [`laws::parity`] | residues after a fixed circuit | committed hashes |
//!
//! The suite owns the list of laws ([`LAWS`]), so a backend cannot forget one. Seeds are fixed.

mod data;
mod defaults_only;
mod fixture;
pub mod laws;
mod noise;
pub mod oracle;
mod scheme;
mod suite;

#[cfg(test)]
mod fault;
#[cfg(test)]
mod naive;
#[cfg(test)]
mod tests;

pub use crate::__conformance_suite as suite;
pub use data::Rng;
pub use defaults_only::DefaultsOnly;
pub use fixture::Fixture;
pub use noise::{Noise, TAIL};
pub use scheme::{Batch, Scheme};
pub use suite::{LAWS, Law, Skip, Verdict, Violation, run, table};
