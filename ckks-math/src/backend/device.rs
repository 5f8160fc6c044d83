//! Memory, transfer and order of a device.

use super::{Basis, Captured, RingSpec, Shape};
use crate::error::Result;

/// What a backend admits; asked once, when a ring is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest modulus in bits.
    pub max_modulus_bits: u32,
    /// Largest ring degree.
    pub max_degree: usize,
}

/// Bytes of device memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryUse {
    /// Held by blocks, keys and matrices alive.
    pub live: u64,
    /// Kept by the pool for reuse.
    pub pooled: u64,
    /// Largest `live + pooled` seen.
    pub peak: u64,
}

/// A device with an in-order queue and a memory pool; clones share both.
pub trait Device: Clone + Send + Sync + 'static {
    /// Residues `[rows, limbs, N]` on the device; the representation is the backend's own.
    type Block: Send + Sync + 'static;
    /// The constants of one ring on this device.
    type Tables: Send + Sync + 'static;

    /// A short name with the kernels in use, such as `cpu (avx512-ifma, 2 threads)`.
    fn name(&self) -> String;

    /// What this backend admits.
    fn limits(&self) -> Limits;

    /// Memory in use.
    fn memory(&self) -> MemoryUse;

    /// Builds the constants of a ring; fails when the ring is outside [`Device::limits`].
    ///
    /// # Errors
    /// [`crate::Error::Unsupported`] for a ring outside of the limits,
    /// [`crate::Error::OutOfMemory`], and failures of the device.
    fn tables(&self, ring: &RingSpec) -> Result<Self::Tables>;

    /// The ring that the tables were built for.
    fn ring<'t>(&self, t: &'t Self::Tables) -> &'t RingSpec;

    /// Whether blocks hold residues that can be computed with. A device that only counts work has
    /// none, and values meant for it need not be made.
    fn holds_residues(&self) -> bool {
        true
    }

    /// The shape of a block.
    fn shape(&self, x: &Self::Block) -> Shape;

    /// A block `[rows, limbs, N]` of zeros over a basis.
    ///
    /// # Errors
    /// As [`super::checked::shape`]; [`crate::Error::OutOfMemory`], and failures of the device.
    fn alloc(&self, t: &Self::Tables, rows: usize, basis: Basis) -> Result<Self::Block>;

    /// Copies residues to the device.
    ///
    /// # Errors
    /// As [`super::checked::upload`]; [`crate::Error::OutOfMemory`], and failures of the device.
    ///
    /// # Contract
    /// in: `rows * limbs * N` residues, row-major then limb-major, each below its modulus ·
    /// out: the same residues, in whichever domain the caller means · law: `upload_then_download`
    fn upload(
        &self,
        t: &Self::Tables,
        rows: usize,
        basis: Basis,
        residues: &[u64],
    ) -> Result<Self::Block>;

    /// Copies canonical residues `[rows, limbs, N]` back, in the order of [`Device::upload`];
    /// waits.
    ///
    /// # Errors
    /// As [`super::checked::block`]; [`crate::Error::OutOfMemory`], and failures of the device.
    fn download(&self, t: &Self::Tables, x: &Self::Block) -> Result<Vec<u64>>;

    /// An independent copy, of the same rows and basis.
    ///
    /// # Errors
    /// As [`super::checked::block`]; [`crate::Error::OutOfMemory`], and failures of the device.
    fn duplicate(&self, t: &Self::Tables, x: &Self::Block) -> Result<Self::Block>;

    /// Waits for everything submitted; a late failure surfaces here.
    ///
    /// # Errors
    /// [`crate::Error::Device`] for anything submitted before that failed.
    fn synchronize(&self) -> Result<()>;

    /// A second queue on the same device that starts after everything submitted so far.
    ///
    /// # Errors
    /// [`crate::Error::Device`] where the device has no further queue, or failed.
    fn fork(&self) -> Result<Self>;

    /// Makes later work on `self` wait for everything submitted to `other`.
    ///
    /// # Errors
    /// [`crate::Error::Device`] where the device failed.
    fn join(&self, other: &Self) -> Result<()>;

    /// Notes what `work` submits with copies of `operands`, and does none of it, to be submitted as
    /// one by [`Device::replay`]. `None`, and `work` was not called, where nothing can be captured,
    /// as in this default body.
    ///
    /// `work` must submit the same whatever the residues are, and have been run plainly before:
    /// tables and keys are made at their first use. It fails where it waits for the device. The
    /// blocks that it is handed, those that it makes and wants to read after a replay, and what it
    /// reads from elsewhere must be kept as long as the capture is replayed.
    ///
    /// # Errors
    /// Whatever `work` returns; [`crate::Error::Unsupported`] for work that cannot be captured,
    /// [`crate::Error::OutOfMemory`], and failures of the device.
    ///
    /// # Contract
    /// exact: a replay leaves the residues of a plain run · law: `captured_work_equals_plain_work`
    fn capture(
        &self,
        _t: &Self::Tables,
        _operands: &[&Self::Block],
        _work: &mut dyn FnMut(Vec<Self::Block>) -> Result<()>,
    ) -> Result<Option<Captured>> {
        Ok(None)
    }

    /// Submits captured work with these operands, of the shapes of those that it was captured with.
    /// `false`, and nothing was submitted, where that cannot be: on another queue, or while work is
    /// captured.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`] or [`crate::Error::InvalidParameters`] for operands other
    /// than those that were captured, and failures of the device.
    ///
    /// # Contract
    /// out: the blocks that the work made hold what a plain run makes, until the next replay ·
    /// law: `captured_work_equals_plain_work`
    fn replay(&self, _captured: &Captured, _operands: &[&Self::Block]) -> Result<bool> {
        Ok(false)
    }
}
