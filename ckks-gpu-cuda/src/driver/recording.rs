//! Work that is noted instead of done, to be submitted as one later.

use super::{Address, ByteProduct, Function, Queue};
use crate::kernels::Kernel;
use crate::launch::{Argument, Grid, Launch};
use ckks_math::{Error, Result};

/// One piece of work of a queue.
pub enum Work {
    /// A kernel.
    Launch {
        kernel: Kernel,
        function: Function,
        grid: Grid,
        arguments: Vec<Argument>,
    },
    /// A product that the vendor's library makes.
    Product(ByteProduct),
    /// Bytes to the device.
    Upload(Address, Vec<u8>),
    /// Bytes from the first address to the second.
    Copy(Address, Address, usize),
    /// Bytes of one value.
    Fill(Address, usize, u8),
}

impl Work {
    /// Submits it to a queue.
    ///
    /// # Errors
    /// As the method of [`Queue`].
    ///
    /// # Safety
    /// As for the method of [`Queue`] that it was noted in the place of.
    pub unsafe fn submit(&self, queue: &dyn Queue) -> Result<()> {
        // SAFETY: the caller sees to what each method asks for.
        unsafe {
            match self {
                Self::Launch {
                    kernel,
                    function,
                    grid,
                    arguments,
                } => queue.launch(&Launch {
                    kernel: *kernel,
                    function: *function,
                    grid: *grid,
                    arguments,
                }),
                Self::Product(product) => queue.multiply(product),
                Self::Upload(to, bytes) => queue.upload(*to, bytes),
                Self::Copy(from, to, bytes) => queue.copy(*from, *to, *bytes),
                Self::Fill(to, bytes, value) => queue.fill(*to, *bytes, *value),
            }
        }
    }
}

/// What a queue answers that is asked to wait, or to meet another queue, while it takes notes.
pub fn captured_wait() -> Error {
    Error::Unsupported {
        backend: "cuda".into(),
        what: "waiting for the device while work is captured".into(),
        way_out: "run the same work once before the capture, and download its results after it"
            .into(),
    }
}
