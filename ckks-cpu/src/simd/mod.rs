//! Kernels on registers of words, for each instruction set; all give the same bits.
//!
//! | module | holds |
//! |---|---|
//! | `words` | what an instruction set must offer: one trait |
//! | `avx512`, `avx2`, `neon` | the instruction sets |
//! | `residues` | arithmetic modulo a prime, as another trait |
//! | `narrow`, `double`, `wide` | 52-bit products and doubles for primes below `2^50`; any prime |
//! | `ntt`, `passes`, `butterfly`, `fold` | the transforms |
//! | `elementwise`, `linear`, `dot`, `gemm` | the other kernels |
//! | `products` | sums of products with compact polynomials |
//! | `chacha` | uniform residues from seeds: AVX-512 alone |
//! | `packed`, `gather` | residues as bit strings: AVX-512, and unpacking with AVX2 |
//! | `path` | the choice among all of these |
//!
//! [`Vector`] is the proof that instructions exist: it is only made by detection, and every kernel
//! is one of its methods. On other architectures it has no value.

#[cfg(not(target_arch = "x86_64"))]
mod absent;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod butterfly;
#[cfg(target_arch = "x86_64")]
mod chacha;
mod dot;
mod double;
mod elementwise;
mod fold;
#[cfg(target_arch = "x86_64")]
mod gather;
mod gemm;
mod linear;
#[cfg(target_arch = "x86_64")]
mod narrow;
#[cfg(target_arch = "aarch64")]
mod neon;
mod ntt;
#[cfg(target_arch = "x86_64")]
mod packed;
mod passes;
mod path;
mod products;
mod residues;
mod wide;
mod words;

#[cfg(not(target_arch = "x86_64"))]
pub use absent::{ChaCha, Packer};
pub use gemm::SCRATCH as GEMM_SCRATCH;
#[cfg(target_arch = "x86_64")]
pub use {chacha::ChaCha, packed::Packer};
pub use {linear::TARGETS, ntt::VectorNtt, path::Vector, residues::Constants};

/// Longest prime of the fast arithmetics: residues stay below `4q < 2^52` between reductions.
pub const NARROW_BITS: u32 = 50;
/// Smallest ring of the vector kernels: 8 rows of 8 words.
pub const MIN_DEGREE: usize = 64;
