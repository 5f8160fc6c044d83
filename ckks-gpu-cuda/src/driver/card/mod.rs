//! A card behind NVIDIA's driver.
//!
//! The driver's library is loaded at run time, and asked for first: `cudarc` panics where it is
//! missing. No call is followed by an event of its own; order comes from streams and from the pool.

mod context;
mod graph;
mod library;
mod pinned;
mod stage;
mod stream;

use super::{Address, Driver, Function, HostMemory, Queue};
use ckks_math::{Error, Result};
use context::{Context, check, describe};
use cudarc::driver::{result, sys};
use std::sync::Arc;

/// A card; clones share its context.
pub struct Card {
    context: Arc<Context>,
}

/// Starts the driver; fails where there is none.
fn start() -> Result<()> {
    // SAFETY: looks for the library and loads it, nothing more.
    if !unsafe { sys::is_culib_present() } {
        return Err(Error::Unsupported {
            backend: "cuda".into(),
            what: "this machine: NVIDIA's driver library (libcuda.so.1) is not found".into(),
            way_out: "install the NVIDIA driver, or use the cpu backend".into(),
        });
    }
    result::init().map_err(|e| Error::Unsupported {
        backend: "cuda".into(),
        what: format!("this machine: the NVIDIA driver does not start ({e})"),
        way_out: "check `nvidia-smi`, or use the cpu backend".into(),
    })
}

/// The cards that the driver sees, in words.
///
/// # Errors
/// [`Error::Unsupported`] without a driver.
pub fn list() -> Result<Vec<String>> {
    start()?;
    let count = check("counting cards", result::device::get_count())?;
    (0..count).map(describe).collect()
}

impl Card {
    /// Opens a card and loads the kernels.
    ///
    /// # Errors
    /// As [`Context::open`], and without a driver.
    pub fn open(index: usize) -> Result<Self> {
        start()?;
        let context = Arc::new(Context::open(index)?);
        Ok(Self { context })
    }
}

impl Driver for Card {
    fn name(&self) -> String {
        self.context.name()
    }

    fn integer_rate(&self) -> Option<f64> {
        self.context.integer_rate()
    }

    fn tensor_rate(&self) -> Option<f64> {
        self.context.tensor_rate()
    }

    fn allocate(&self, bytes: usize) -> Result<Address> {
        self.context.bind()?;
        // SAFETY: a context is current; the content is unspecified as the trait says.
        match unsafe { result::malloc_sync(bytes) } {
            Ok(address) => Ok(Address(address)),
            Err(e) if e.0 == sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY => Err(Error::OutOfMemory {
                backend: "cuda".into(),
                asked: bytes as u64,
                free: result::mem_get_info().map_or(0, |(free, _)| free as u64),
            }),
            Err(e) => check("allocating", Err(e)),
        }
    }

    fn release(&self, address: Address) {
        if self.context.bind().is_ok() {
            // A failure here is a late one of earlier work, and the context's end: the next call
            // that waits reports it. SAFETY: the pool releases each allocation once.
            let _ = unsafe { result::free_sync(address.0) };
        }
    }

    fn function(&self, symbol: &str) -> Result<Function> {
        self.context.function(symbol)
    }

    fn library(&self) -> Result<()> {
        self.context.library().map(drop)
    }

    fn pin(&self, bytes: &[u8]) -> Result<Arc<dyn HostMemory>> {
        Ok(Arc::new(pinned::Pinned::of(&self.context, bytes)?))
    }

    fn queue(&self) -> Result<Box<dyn Queue>> {
        Ok(Box::new(stream::Stream::open(self.context.clone())?))
    }
}
