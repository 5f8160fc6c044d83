//! The cut between the scheme and the devices.
//!
//! A backend works on **blocks of residues** `[rows, limbs, N]` that live on the device and are
//! opaque to the caller: a polynomial is one row, a ciphertext two, k ciphertexts 2k. Nothing
//! crosses the bus but [`Device::upload`] and [`Device::download`].
//!
//! | trait | required | derived (free functions in [`derived`], overridable) |
//! |---|---|---|
//! | [`Device`] | memory, transfer, order | captured sequences |
//! | [`RingKernels`] | NTT, pointwise, automorphism, base conversion | embedding, rows, seeded polynomials, packed transfer |
//! | [`SwitchKernels`] | key loading, key inner product | decompose, mod-down, rescale, key switch, seeded keys |
//! | [`GemmKernels`] | matrix loading, modular matrix product | |
//!
//! Rules every backend signs:
//! * **Exact.** A kernel is an exact function of integers; all backends return the same residues.
//! * **Order.** Effects happen in submission order; only `download` and `synchronize` wait.
//! * **Checked at the front.** Each method of a backend begins with the shape rules of [`checked`],
//!   the same for all, and returns a typed error for what it alone can know (memory, limits, device
//!   failures). Kernels trust both.

mod captured;
mod captures;
pub mod checked;
pub mod derived;
mod device;
pub mod dry_run;
mod gemm;
pub mod gpu;
pub mod montgomery;
pub mod packed;
mod ring_kernels;
mod ring_operands;
mod ring_spec;
mod seeded;
mod shape;
mod switch_kernels;

pub use captured::Captured;
pub use captures::{Attempt, Captures, Identity};
pub use device::{Device, Limits, MemoryUse};
pub use gemm::GemmKernels;
pub use ring_kernels::RingKernels;
pub use ring_operands::{Neighbour, Permuted, Pointwise};
pub use ring_spec::{RingKind, RingSpec};
pub use seeded::{Masks, SeededKeyData};
pub use shape::{Basis, Shape};
pub use switch_kernels::{SwitchKernels, SwitchKeyData};

/// All that the scheme asks of a device.
pub trait Backend: SwitchKernels + GemmKernels {}

impl<B: SwitchKernels + GemmKernels> Backend for B {}
