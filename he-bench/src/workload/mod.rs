//! What is timed: each workload has an id and runs on a parameter set and a backend.
//!
//! | id | one run |
//! |---|---|
//! | `ntt/forward`, `ntt/inverse` | one polynomial, one prime |
//! | `ntt/forward_batch` | one polynomial, all primes of the top level |
//! | `gemm/mod50`, `gemm/f64` | 256 x 256 x 4096 modulo 50 bits (one prime or two), and in doubles (one thread) |
//! | `key_switch` | one polynomial at the top level |
//! | `multiply_relinearise_rescale` | one product of ciphertexts at the top level |
//! | `rotate`, `rotate_hoisted_8` | one rotation; rotations by 1 to 8 that share a decomposition |
//! | `rescale` | one ciphertext at the top level |
//! | `encode_encrypt` | all slots, under the public key, at the top level |
//! | `decrypt_decode` | all slots, at the top level |
//! | `keygen/rotation_8` | eight rotation keys for the top level, made and loaded |
//! | `half_boot` | ModRaise, CoeffsToSlots, EvalMod: all slots, real |
//! | `bootstrap`, `bootstrap/complex` | a refresh of all slots: real, complex |
//! | `bootstrap/sparse` | a refresh of 256 real slots |
//! | `bootstrap/conjugate_invariant` | a refresh of all slots, real, twice as many: the other ring |
//! | `layer` | the second decoder layer of the embedded model, the 16 tokens of the default prompt |
//! | `layer/step` | the same layer in the decoding step behind that prompt: one token and the cache |
//!
//! The layer needs the keys of a session in memory.

mod bootstrap;
mod filter;
mod gemm;
mod layer;
mod scheme;

pub use filter::Filter;
pub use layer::runs_layer;

use crate::error::Result;
use ckks_math::Params;
use ckks_math::backend::Backend;

/// All ids, in the order they run.
pub const IDS: &[&str] = &[
    "ntt/forward",
    "ntt/inverse",
    "ntt/forward_batch",
    "gemm/mod50",
    "gemm/f64",
    "key_switch",
    "multiply_relinearise_rescale",
    "rotate",
    "rotate_hoisted_8",
    "rescale",
    "encode_encrypt",
    "decrypt_decode",
    "keygen/rotation_8",
    "half_boot",
    "bootstrap",
    "bootstrap/complex",
    "bootstrap/sparse",
    "bootstrap/conjugate_invariant",
    "layer",
    "layer/step",
];

/// Which ids a parameter set is run for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Kernels and operations of the scheme.
    Scheme,
    /// Bootstrapping; needs a set made for it.
    Bootstrap,
    /// The encrypted model; needs a set that [`runs_layer`].
    Layer,
}

/// The body of a workload: one run, finished when it returns.
pub type Body<'b> = dyn FnMut() -> Result<()> + 'b;

/// Takes times of bodies, one after the other.
pub trait Harness {
    /// Whether a workload is asked for: what is not is not prepared either.
    fn wants(&self, id: &str) -> bool;

    /// Times a body; returns its error.
    ///
    /// # Errors
    ///
    /// The error of `body`.
    fn time(&mut self, id: &'static str, params: &Params, body: &mut Body<'_>) -> Result<()>;
}

/// Runs those workloads of a group that the harness wants.
///
/// Keys and messages come from fixed seeds and are dropped at the end, so that groups do not add
/// up in memory.
///
/// # Errors
///
/// Where the scheme, the model or the device refuses; [`crate::Error::Argument`] for a set of a
/// preset's name with other sizes.
pub fn run<B: Backend>(
    backend: &B,
    params: &Params,
    group: Group,
    harness: &mut impl Harness,
) -> Result<()> {
    match group {
        Group::Scheme => scheme::run(backend, params, harness),
        Group::Bootstrap => bootstrap::run(backend, params, harness),
        Group::Layer => layer::run(backend, params, harness),
    }
}

/// The ids of a group.
pub fn ids_of(group: Group) -> impl Iterator<Item = &'static str> {
    IDS.iter().copied().filter(move |id| group_of(id) == group)
}

fn group_of(id: &str) -> Group {
    match id {
        "half_boot" => Group::Bootstrap,
        _ if id.starts_with("bootstrap") => Group::Bootstrap,
        "layer" | "layer/step" => Group::Layer,
        _ => Group::Scheme,
    }
}

/// `count` values in `[-1, 1]` without structure that an encoder could profit from.
pub(crate) fn message(count: usize) -> Vec<f64> {
    (0..count)
        .map(|i| ((i * 7919 + 13) % 1009) as f64 / 504.5 - 1.0)
        .collect()
}

#[cfg(test)]
mod tests;
