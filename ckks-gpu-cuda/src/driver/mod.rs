//! What the backend asks of a device, small enough to have two implementations: the driver of a
//! card, and the executor that runs the same kernels on the CPU.

pub mod card;
#[cfg(feature = "executor")]
pub mod executor;
mod product;
pub mod recording;

pub use product::ByteProduct;

use crate::launch::Launch;
use ckks_math::Result;
use recording::Work;
use std::any::Any;
use std::sync::Arc;

/// An address in device memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address(pub u64);

impl Address {
    /// The address `bytes` further on.
    pub const fn offset(self, bytes: usize) -> Self {
        Self(self.0 + bytes as u64)
    }
}

/// A kernel as the device that loaded it knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function(pub usize);

/// A point in a queue, for other queues to wait for.
pub type Event = Box<dyn Any + Send + Sync>;

/// Work that is submitted as one.
pub type Graph = Box<dyn Any + Send + Sync>;

/// What other libraries of the vendor know a queue by.
#[cfg(feature = "nccl")]
pub struct Native {
    /// Index of the card.
    pub card: i32,
    /// The driver's handle of the stream.
    pub stream: usize,
}

/// Bytes in memory of the host that the device reads by itself.
pub trait HostMemory: Send + Sync {
    /// The bytes.
    fn bytes(&self) -> &[u8];

    /// The driver's own type.
    fn as_any(&self) -> &dyn Any;
}

/// A device: memory and queues.
pub trait Driver: Send + Sync {
    /// What the device calls itself.
    fn name(&self) -> String;

    /// 32-bit integer operations a second, if it is a card.
    fn integer_rate(&self) -> Option<f64> {
        None
    }

    /// Products of bytes on tensor cores in a second, if it is a card that we know.
    fn tensor_rate(&self) -> Option<f64> {
        None
    }

    /// The kernel of a symbol.
    ///
    /// # Errors
    /// [`ckks_math::Error::Device`] where the device has loaded none of that name.
    fn function(&self, symbol: &str) -> Result<Function>;

    /// Device memory of `bytes` bytes with unspecified content.
    ///
    /// # Errors
    /// [`ckks_math::Error::OutOfMemory`].
    fn allocate(&self, bytes: usize) -> Result<Address>;

    /// Gives memory back, after all work of the device.
    fn release(&self, address: Address);

    /// A copy of bytes in pinned memory.
    ///
    /// # Errors
    /// [`ckks_math::Error::Device`] where the driver pins no more memory.
    fn pin(&self, bytes: &[u8]) -> Result<Arc<dyn HostMemory>>;

    /// Opens the vendor's library of matrix products, once; fails where there is none and names it.
    ///
    /// # Errors
    /// [`ckks_math::Error::Unsupported`] that names the library.
    fn library(&self) -> Result<()>;

    /// A queue that runs its work in the order of submission, next to the others.
    ///
    /// # Errors
    /// [`ckks_math::Error::Device`] where the driver fails.
    fn queue(&self) -> Result<Box<dyn Queue>>;
}

/// A queue of a device.
///
/// All methods fail with [`ckks_math::Error::Device`] where the device does, at once or at a later
/// call.
///
/// # Safety
/// Methods that take addresses are unsafe, since an address carries neither the device that
/// allocated it nor a length. The caller sees to it that each range of bytes lies in one allocation
/// of this device, which is given back only behind the work that was submitted before
/// ([`crate::pool::Pool`] does that for all that comes from it). [`crate::open_queue::OpenQueue`]
/// offers the same transfers on buffers, with checked ranges and without this duty.
pub trait Queue: Send + Sync {
    /// Submits a kernel.
    ///
    /// # Errors
    /// [`ckks_math::Error::Device`] where the device fails.
    ///
    /// # Safety
    /// * The function is one of this device, and the arguments have the number and sizes of its
    ///   parameters: [`crate::kernels::Signature::check`].
    /// * For the given grid, everything that the kernel reads and writes through its arguments lies
    ///   in allocations of this device, as far as the arguments say: this follows from the shape
    ///   rules of [`ckks_math::backend::checked`] for the operands that the arguments were made of.
    unsafe fn launch(&self, launch: &Launch<'_>) -> Result<()>;

    /// Submits a product that the vendor's library makes; fails as [`Driver::library`] does.
    ///
    /// # Errors
    /// As [`Driver::library`]; [`ckks_math::Error::Device`] where the device fails.
    ///
    /// # Safety
    /// The ranges of the product lie in allocations of this device, as [`ByteProduct`] says.
    unsafe fn multiply(&self, product: &ByteProduct) -> Result<()>;

    /// Submits a copy to the device; `bytes` may change when this returns.
    ///
    /// # Errors
    /// [`ckks_math::Error::Device`] where the device fails.
    ///
    /// # Safety
    /// As many bytes at `to` lie in one allocation.
    unsafe fn upload(&self, to: Address, bytes: &[u8]) -> Result<()>;

    /// Submits a copy of pinned bytes to the device; they may be dropped when this returns.
    ///
    /// # Errors
    /// [`ckks_math::Error::Device`] where the device fails.
    ///
    /// # Safety
    /// As for [`Queue::upload`].
    unsafe fn upload_pinned(&self, to: Address, from: &dyn HostMemory) -> Result<()>;

    /// Copies from the device, and waits.
    ///
    /// # Errors
    /// [`ckks_math::Error::Device`] where the device fails.
    ///
    /// # Safety
    /// As for [`Queue::upload`].
    unsafe fn download(&self, from: Address, bytes: &mut [u8]) -> Result<()>;

    /// Submits a copy on the device.
    ///
    /// # Errors
    /// [`ckks_math::Error::Device`] where the device fails.
    ///
    /// # Safety
    /// Both ranges of `bytes` bytes lie in one allocation each.
    unsafe fn copy(&self, from: Address, to: Address, bytes: usize) -> Result<()>;

    /// Submits the filling of memory with a byte.
    ///
    /// # Errors
    /// [`ckks_math::Error::Device`] where the device fails.
    ///
    /// # Safety
    /// `bytes` bytes at `to` lie in one allocation.
    unsafe fn fill(&self, to: Address, bytes: usize, value: u8) -> Result<()>;

    /// The point behind all that was submitted so far.
    ///
    /// # Errors
    /// [`ckks_math::Error::Device`] where the device fails.
    fn record(&self) -> Result<Event>;

    /// Work submitted later waits for an event of a queue of the same device.
    ///
    /// # Errors
    /// [`ckks_math::Error::Device`] where the device fails.
    fn wait(&self, event: &Event) -> Result<()>;

    /// Waits for all that was submitted; a late failure surfaces here.
    ///
    /// # Errors
    /// [`ckks_math::Error::Device`] where the device fails.
    fn synchronize(&self) -> Result<()>;

    /// Makes one of work that queues of this device were to be given, in its order. Does none of
    /// it.
    ///
    /// # Errors
    /// [`ckks_math::Error::Device`] where the driver cannot make the graph.
    fn graph(&self, work: Vec<Work>) -> Result<Graph>;

    /// Submits a graph of this device.
    ///
    /// # Errors
    /// [`ckks_math::Error::Device`] where the device fails.
    ///
    /// # Safety
    /// What each piece of its work needed when it was noted holds again: no allocation that it
    /// names was given back.
    unsafe fn replay(&self, graph: &Graph) -> Result<()>;

    /// Handles of the queue where it is a card's, which becomes that of the calling thread.
    ///
    /// # Errors
    /// [`ckks_math::Error::Device`] where the driver fails.
    #[cfg(feature = "nccl")]
    fn native(&self) -> Result<Option<Native>> {
        Ok(None)
    }
}
