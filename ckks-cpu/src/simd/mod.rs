//! Kernels with AVX-512 and its 52-bit multiply-add (IFMA); fastest for primes below `2^50`.
//!
//! [`Ifma`] is the proof that the instructions exist: it is only made by detection, and every
//! kernel is one of its methods. On other architectures it has no value.

#[cfg(not(target_arch = "x86_64"))]
mod absent;
#[cfg(target_arch = "x86_64")]
mod arith;
#[cfg(target_arch = "x86_64")]
mod butterfly;
#[cfg(target_arch = "x86_64")]
mod chacha;
#[cfg(target_arch = "x86_64")]
mod dot;
#[cfg(target_arch = "x86_64")]
mod elementwise;
#[cfg(target_arch = "x86_64")]
mod fold;
#[cfg(target_arch = "x86_64")]
mod gemm;
#[cfg(target_arch = "x86_64")]
mod ifma;
#[cfg(target_arch = "x86_64")]
mod linear;
#[cfg(target_arch = "x86_64")]
mod ntt;
#[cfg(target_arch = "x86_64")]
mod packed;
#[cfg(target_arch = "x86_64")]
mod passes;
#[cfg(target_arch = "x86_64")]
mod products;

#[cfg(not(target_arch = "x86_64"))]
pub use absent::{ChaCha, Constants, Ifma, IfmaNtt, Packer, TARGETS};
#[cfg(target_arch = "x86_64")]
pub use {
    arith::Constants, chacha::ChaCha, ifma::Ifma, linear::TARGETS, ntt::IfmaNtt, packed::Packer,
};

/// Longest prime of 52-bit products: residues stay below `4q < 2^52` between reductions.
pub const NARROW_BITS: u32 = 50;
/// Smallest ring of the vector kernels: 8 registers of 8 words.
pub const MIN_DEGREE: usize = 64;
