//! Uploads through pinned memory.
//!
//! From pageable memory a copy may still read the caller's bytes after the call returned. Here they
//! are copied to one of two pinned halves first, and a half is written again when the copies out of
//! it are over: two halves keep the bus busy.

use super::context::{Context, check};
use super::stream::CardEvent;
use crate::driver::Address;
use ckks_math::Result;
use cudarc::driver::{result, sys};
use std::ffi::c_void;
use std::sync::Arc;

/// Bytes of one half.
const HALF: usize = 8 << 20;
/// Uploads begin at multiples of it.
pub const ALIGNMENT: usize = 64;

/// Two halves of pinned memory, one of them being filled; pinned by the first upload, which takes
/// milliseconds that a queue without uploads does not pay.
#[derive(Default)]
pub struct Stage {
    memory: Option<Pinned>,
    /// Which half, and how much of it is filled.
    half: usize,
    filled: usize,
    /// Behind the copies out of each half.
    events: [Option<CardEvent>; 2],
}

/// Pinned memory of both halves.
struct Pinned(*mut c_void);

// SAFETY: the memory belongs to this value and may be used from any thread.
unsafe impl Send for Pinned {}

impl Stage {
    /// Where both halves lie; a context is current.
    fn memory(&mut self) -> Result<*mut u8> {
        if let Some(pinned) = &self.memory {
            return Ok(pinned.0.cast());
        }
        // SAFETY: the memory is written before it is read.
        let raw = check("pinning memory", unsafe {
            result::malloc_host(2 * HALF, 0)
        })?;
        self.memory = Some(Pinned(raw));
        Ok(raw.cast())
    }

    /// Submits the copy of `bytes`, which may change when this returns; the context is current.
    ///
    /// # Errors
    /// [`ckks_math::Error::Device`] where the driver fails.
    ///
    /// # Safety
    /// The stream is alive, and as many bytes at `to` lie in one allocation.
    pub unsafe fn upload(
        &mut self,
        context: &Arc<Context>,
        stream: sys::CUstream,
        mut to: Address,
        mut bytes: &[u8],
    ) -> Result<()> {
        let memory = self.memory()?;
        while !bytes.is_empty() {
            if self.filled == HALF {
                self.events[self.half] = Some(CardEvent::record(context, stream)?);
                self.half = 1 - self.half;
                self.filled = 0;
                if let Some(event) = self.events[self.half].take() {
                    event.wait()?;
                }
            }
            let (piece, rest) = bytes.split_at(bytes.len().min(HALF - self.filled));
            // SAFETY: the piece fits into what is left of the half, which no copy reads any more.
            let pinned = unsafe {
                let start = memory.add(self.half * HALF + self.filled);
                start.copy_from_nonoverlapping(piece.as_ptr(), piece.len());
                std::slice::from_raw_parts(start, piece.len())
            };
            // SAFETY: the caller sees to the range; the pinned bytes stay until the event behind
            // this half.
            check("uploading", unsafe {
                result::memcpy_htod_async(to.0, pinned, stream)
            })?;
            self.filled = (self.filled + piece.len()).next_multiple_of(ALIGNMENT);
            (to, bytes) = (to.offset(piece.len()), rest);
        }
        Ok(())
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // SAFETY: the stream was waited for; freed once.
        let _ = unsafe { result::free_host(self.0) };
    }
}
