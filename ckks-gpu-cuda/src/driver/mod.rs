//! What the backend asks of a device, small enough to have two implementations: the driver of a
//! card, and the executor that runs the same kernels on the CPU.

pub mod card;
#[cfg(feature = "executor")]
pub mod executor;
pub mod notes;
mod product;

pub use product::ByteProduct;

use crate::launch::Launch;
use ckks_math::Result;
use notes::Work;
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

    /// Device memory of `bytes` bytes with unspecified content; fails with
    /// [`ckks_math::Error::OutOfMemory`].
    fn allocate(&self, bytes: usize) -> Result<Address>;

    /// Gives memory back, after all work of the device.
    fn release(&self, address: Address);

    /// A copy of bytes in pinned memory.
    fn pin(&self, bytes: &[u8]) -> Result<Arc<dyn HostMemory>>;

    /// Opens the vendor's library of matrix products, once; fails where there is none and names it.
    fn library(&self) -> Result<()>;

    /// A queue that runs its work in the order of submission, next to the others.
    fn queue(&self) -> Result<Box<dyn Queue>>;
}

/// A queue of a device. Addresses passed in lie in memory that the device allocated; the pool keeps
/// it until the work that was submitted before its release is done.
pub trait Queue: Send + Sync {
    /// Submits a kernel.
    fn launch(&self, launch: &Launch<'_>) -> Result<()>;

    /// Submits a product that the vendor's library makes; fails as [`Driver::library`] does.
    fn multiply(&self, product: &ByteProduct) -> Result<()>;

    /// Submits a copy to the device; `bytes` may change when this returns.
    fn upload(&self, to: Address, bytes: &[u8]) -> Result<()>;

    /// Submits a copy of pinned bytes to the device; they may be dropped when this returns.
    fn upload_pinned(&self, to: Address, from: &dyn HostMemory) -> Result<()>;

    /// Copies from the device, and waits.
    fn download(&self, from: Address, bytes: &mut [u8]) -> Result<()>;

    /// Submits a copy on the device.
    fn copy(&self, from: Address, to: Address, bytes: usize) -> Result<()>;

    /// Submits the filling of memory with a byte.
    fn fill(&self, to: Address, bytes: usize, value: u8) -> Result<()>;

    /// The point behind all that was submitted so far.
    fn record(&self) -> Result<Event>;

    /// Work submitted later waits for an event of a queue of the same device.
    fn wait(&self, event: &Event) -> Result<()>;

    /// Waits for all that was submitted; a late failure surfaces here.
    fn synchronize(&self) -> Result<()>;

    /// Makes one of work that queues of this device were to be given, in its order. Does none of
    /// it.
    fn graph(&self, work: Vec<Work>) -> Result<Graph>;

    /// Submits a graph of this device.
    fn replay(&self, graph: &Graph) -> Result<()>;

    /// Handles of the queue where it is a card's, which becomes that of the calling thread.
    #[cfg(feature = "nccl")]
    fn native(&self) -> Result<Option<Native>> {
        Ok(None)
    }
}
