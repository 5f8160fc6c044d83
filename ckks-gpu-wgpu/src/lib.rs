//! The portable GPU backend of [`ckks_math`]: every kernel of [`ckks_math::backend`] on Vulkan,
//! Metal and DirectX 12, with the bits of the CPU.
//!
//! WGSL has 32-bit integers only, so rings have primes of at most 31 bits: a level is then a group
//! of primes. Adapters are looked for at run time: where there is none the crate builds and loads,
//! and [`WgpuBackend::open`] says so.
//!
//! | part | holds |
//! |---|---|
//! | `wgsl/` | the kernels; products of words by halves of 16 bits, or by 64-bit integers where the adapter has them |
//! | [`mod@kernels`] | their sources, and the pipelines made of them on first use |
//! | `driver` | the adapter and what it admits, commands recorded and submitted in batches, failures that last |
//! | `pool` | recycled device memory |
//! | `block` | residues cut into buffers that the adapter can bind, and the runs of rows that a launch can see |
//! | `device`, `ring`, `switch`, `gemm` | the traits of [`ckks_math::backend`] |
//! | `launches`, `transform`, `packed`, `seeded` | launches that several of their methods share |
//!
//! Inside, residues are in Montgomery form [Montgomery 1985]; `upload` and `download` convert.
#![forbid(unsafe_code)]

mod backend;
mod block;
mod device;
mod driver;
mod gemm;
pub mod kernels;
mod launch;
mod launches;
mod packed;
mod pool;
mod ring;
mod seeded;
mod switch;
mod tables;
mod transform;

pub use backend::WgpuBackend;
pub use block::Block;
pub use driver::{Found, Options};
pub use gemm::PlainMatrix;
pub use switch::SwitchKey;
pub use tables::Tables;
