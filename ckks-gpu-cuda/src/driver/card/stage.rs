//! Uploads through pinned memory.
//!
//! From pageable memory a copy may still read the caller's bytes after the call returned. Here they are
//! copied to one of two pinned halves first, and a half is written again when the copies out of it are
//! over: two halves keep the bus busy.

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
const ALIGNMENT: usize = 64;

/// Two halves of pinned memory, one of them being filled.
pub struct Stage {
    memory: *mut c_void,
    /// Which half, and how much of it is filled.
    half: usize,
    filled: usize,
    /// Behind the copies out of each half.
    events: [Option<CardEvent>; 2],
}

// SAFETY: the pinned memory belongs to this value and may be used from any thread.
unsafe impl Send for Stage {}

impl Stage {
    /// Pinned memory; a context is current.
    pub fn new() -> Result<Self> {
        // SAFETY: the memory is written before it is read.
        let memory = check("pinning memory", unsafe {
            result::malloc_host(2 * HALF, 0)
        })?;
        Ok(Self {
            memory,
            half: 0,
            filled: 0,
            events: [None, None],
        })
    }

    /// Submits the copy of `bytes`, which may change when this returns; the context is current.
    pub fn upload(
        &mut self,
        context: &Arc<Context>,
        stream: sys::CUstream,
        mut to: Address,
        mut bytes: &[u8],
    ) -> Result<()> {
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
                let start = self.memory.cast::<u8>().add(self.half * HALF + self.filled);
                start.copy_from_nonoverlapping(piece.as_ptr(), piece.len());
                std::slice::from_raw_parts(start, piece.len())
            };
            // SAFETY: the device's memory is of the pool; the pinned bytes stay until the event behind
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

impl Drop for Stage {
    fn drop(&mut self) {
        // SAFETY: the stream was waited for; freed once.
        let _ = unsafe { result::free_host(self.memory) };
    }
}
