//! Pinned memory of the host: the card copies from it by itself, at the speed of the bus.

use super::context::{Context, check};
use super::stream::CardEvent;
use crate::driver::HostMemory;
use ckks_math::Result;
use cudarc::driver::{result, sys};
use std::any::Any;
use std::ffi::c_void;
use std::sync::{Arc, Mutex, PoisonError};

/// Pinned bytes, freed when the last copy out of them is over.
pub struct Pinned {
    raw: *mut c_void,
    length: usize,
    last_copy: Mutex<Option<CardEvent>>,
    context: Arc<Context>,
}

// SAFETY: the memory belongs to this value and is only read once it is filled.
unsafe impl Send for Pinned {}
// SAFETY: as above; what changes is behind a lock.
unsafe impl Sync for Pinned {}

impl Pinned {
    /// A copy of `bytes`.
    ///
    /// # Errors
    /// [`ckks_math::Error::Device`] where the driver fails.
    pub fn of(context: &Arc<Context>, bytes: &[u8]) -> Result<Self> {
        context.bind()?;
        // SAFETY: the memory is written before it is read. The driver gives none of length 0.
        let raw = check("pinning memory", unsafe {
            result::malloc_host(bytes.len().max(1), 0)
        })?;
        // SAFETY: the new memory is that long.
        unsafe {
            raw.cast::<u8>()
                .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
        Ok(Self {
            raw,
            length: bytes.len(),
            last_copy: Mutex::default(),
            context: context.clone(),
        })
    }

    /// Recorder a copy out of the memory that a stream was just given; the context is current.
    ///
    /// # Errors
    /// [`ckks_math::Error::Device`] where the driver fails.
    pub fn copied_by(&self, stream: sys::CUstream) -> Result<()> {
        let event = CardEvent::record(&self.context, stream)?;
        let mut last = self
            .last_copy
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *last = Some(event);
        Ok(())
    }
}

impl HostMemory for Pinned {
    fn bytes(&self) -> &[u8] {
        // SAFETY: filled by `of`, written no more.
        unsafe { std::slice::from_raw_parts(self.raw.cast(), self.length) }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if self.context.bind().is_ok() {
            let last = self.last_copy.get_mut();
            if let Some(event) = last.unwrap_or_else(PoisonError::into_inner) {
                // A failure is a late one of earlier work, and reported by the next call that
                // waits.
                let _ = event.wait();
            }
            // SAFETY: no copy reads it any more; freed once.
            let _ = unsafe { result::free_host(self.raw) };
        }
    }
}
