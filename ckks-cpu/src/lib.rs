//! The CPU backend of [`ckks_math`]: reference kernels in plain Rust, and kernels with AVX-512
//! (with and without IFMA), AVX2 or NEON chosen at run time.
//!
//! | module | holds |
//! |---|---|
//! | `options` | what a caller may choose: threads, kernels |
//! | `device` | [`CpuBackend`], its memory and transfers |
//! | `pool`, `regions`, `aligned` | recycled, cache-line aligned buffers |
//! | `threads` | the caller and its helpers, which share the tasks of a kernel |
//! | `tables` | the constants of one ring |
//! | `kernels` | the reference kernels, on slices, and the choice between them and `simd` |
//! | `simd` | the same kernels with vector instructions, fastest for primes below `2^50` |
//! | `ring`, `permuted`, `switch`, `gemm` | the kernels over blocks, in parallel |
//! | `compact` | polynomials of subrings, each value once, and products with them |
//! | `key` | switching keys in memory |
//! | `seeded`, `transfer` | what follows from seeds; packed transfers |
//! | `pieces` | key switching with base conversion, transform and product fused in cache |
//!
//! All kernels leave canonical residues: results do not depend on the kernels or on the number of
//! threads.
//!
//! ```
//! use ckks_cpu::{CpuBackend, CpuOptions};
//! use ckks_math::backend::{Basis, Device, RingKernels, RingKind, RingSpec};
//!
//! let backend = CpuBackend::open(CpuOptions::default())?;
//! let ring = RingSpec::new(RingKind::Standard, 2, &[17], &[])?;
//! let tables = backend.tables(&ring)?;
//! let mut x = backend.upload(&tables, 1, Basis::q(1), &[3, 0, 0, 0])?;
//! backend.ntt(&tables, &mut x)?;
//! assert_eq!(backend.download(&tables, &x)?, [3, 3, 3, 3]);
//! # Ok::<(), ckks_math::Error>(())
//! ```
#![deny(unsafe_code)]

#[allow(unsafe_code)]
mod aligned;
mod compact;
mod device;
mod failure;
mod fused_switch;
mod gemm;
mod kernels;
mod key;
mod options;
mod permuted;
mod pool;
mod regions;
mod ring;
#[cfg(test)]
mod scalar_tests;
mod seeded;
#[allow(unsafe_code)]
mod simd;
mod switch;
mod tables;
mod threads;
mod transfer;

pub use device::{Block, CpuBackend};
pub use gemm::PlainMatrix;
pub use key::SwitchKey;
pub use options::{CpuOptions, KernelChoice, available_kernels};
pub use tables::Tables;
