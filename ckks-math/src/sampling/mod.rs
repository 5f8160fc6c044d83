//! Sampling from ChaCha20 seeds: uniform residues, ternary secrets, Gaussian errors.
//!
//! Every sampler is a function of a 32-byte [`Seed`] and derives its own key from it, so one seed
//! may feed different samplers without overlap; equal seeds and arguments give equal output on
//! every machine. Secrets come in buffers that are wiped when dropped.
//!
//! Uniform residues are part of the wire format (keys carry a seed in place of their uniform half);
//! [`uniform`] defines them to the byte. The other samplers are private to the client.

mod chacha;
pub mod gaussian;
pub mod seed;
pub mod ternary;
pub mod uniform;

pub use gaussian::{DiscreteGaussian, SIGMA, rounded_gaussian};
pub use seed::Seed;
pub use ternary::{ternary, ternary_fixed_weight};
pub use uniform::{UniformStream, uniform_mod};

use thiserror::Error;

/// What can be wrong with the arguments of a sampler.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum SamplingError {
    /// The modulus is out of range.
    #[error("modulus {modulus} is not between 2 and 2^63; use the primes of the parameter set")]
    Modulus {
        /// The modulus given.
        modulus: u64,
    },
    /// The limb index has no stream.
    #[error("limb index {limb} is not below 2^63; number the limbs by their primes")]
    Limb {
        /// The index given.
        limb: u64,
    },
    /// A row is longer than the stream layout allows.
    #[error("{length} coefficients asked of one stream, which holds 2^32; use a smaller ring")]
    Length {
        /// The length asked for.
        length: usize,
    },
    /// More non-zero coefficients than coefficients.
    #[error("Hamming weight {weight} exceeds the {length} coefficients; use a smaller weight")]
    Weight {
        /// The weight given.
        weight: usize,
        /// Number of coefficients.
        length: usize,
    },
    /// The standard deviation is out of range.
    #[error("standard deviation {sigma} is not between {min} and {max} for this sampler")]
    Sigma {
        /// The deviation given.
        sigma: f64,
        /// Smallest accepted.
        min: f64,
        /// Largest accepted.
        max: f64,
    },
}
