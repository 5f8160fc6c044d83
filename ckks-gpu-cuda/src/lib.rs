//! The CUDA backend of [`ckks_math`]: every kernel of [`ckks_math::backend`] on the card, with the
//! bits of the CPU.
//!
//! The driver is looked for at run time: without one the crate builds and loads, and
//! [`CudaBackend::open`] says which library is missing.
//!
//! | part | holds |
//! |---|---|
//! | `cuda/` | the kernels, templates over the word: 32 bits for rings whose primes are all below `2^31`, else 64 |
//! | [`mod@kernels`] | their sources, the embedded PTX, and NVRTC that compiles for the card at hand |
//! | `driver` | what is asked of a device: memory, queues, launches, the vendor's library of products; the real one and the executor |
//! | `pool`, `open_queue` | recycled device memory in the order of the queues; queues, and notes of captured work |
//! | `device`, `ring`, `switch`, `gemm` | the traits of [`ckks_math::backend`] |
//! | `options` | how a card is used, in words |
//! | `key`, `feed` | what is kept of keys and matrices, on the device or in pinned memory of the host |
//! | `communicator` | blocks between the cards of one host, through NCCL (feature `nccl`) or the host |
//! | `graph`, `captured` | sequences that are submitted as one |
//! | `launches`, `transform`, `packed`, `seeded` | launches that several of their methods share |
//! | `executor/` | the same kernels on the CPU, to test them without a card (feature `executor`) |
//!
//! Inside, residues are in Montgomery form [Montgomery 1985]; `upload` and `download` convert.

mod backend;
mod captured;
mod communicator;
mod device;
mod driver;
mod feed;
mod gemm;
mod graph;
pub mod kernels;
mod key;
mod launch;
mod launches;
mod memory;
mod open_queue;
mod options;
mod packed;
mod pool;
mod ring;
mod seeded;
mod switch;
mod tables;
mod transform;

pub use backend::CudaBackend;
pub use communicator::{Communicator, Through};
pub use device::Block;
#[cfg(feature = "executor")]
pub use driver::executor::KernelSet;
pub use gemm::{MatrixUnits, PlainMatrix};
pub use key::{KeyForm, SwitchKey};
pub use options::CudaOptions;
pub use tables::Tables;
