//! Graphs of the driver.

use super::context::{Context, check};
use super::pinned::Pinned;
use ckks_math::Result;
use cudarc::driver::{result, sys};
use std::sync::Arc;

/// An executable graph with the bytes that its copies read.
pub struct CardGraph {
    raw: sys::CUgraphExec,
    _uploads: Pinned,
    context: Arc<Context>,
}

// SAFETY: the driver's handles may be used from any thread; the context is made current first.
unsafe impl Send for CardGraph {}
// SAFETY: as above; the driver orders launches.
unsafe impl Sync for CardGraph {}

impl CardGraph {
    /// Begins to capture what a stream is given; the context is current.
    ///
    /// # Errors
    /// [`ckks_math::Error::Device`] where the driver fails.
    pub fn begin(stream: sys::CUstream) -> Result<()> {
        // Memory may be allocated meanwhile, which the other modes refuse.
        let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED;
        // SAFETY: the stream is alive.
        check("beginning a capture", unsafe {
            result::stream::begin_capture(stream, mode)
        })
    }

    /// Ends the capture and makes it executable; the context is current.
    ///
    /// # Errors
    /// [`ckks_math::Error::Device`] where the driver fails.
    pub fn end(stream: sys::CUstream, uploads: Pinned, context: &Arc<Context>) -> Result<Self> {
        // SAFETY: the stream is alive.
        let graph = check("ending a capture", unsafe {
            result::stream::end_capture(stream)
        })?;
        // SAFETY: the graph was just made; it is destroyed once.
        let raw = unsafe {
            let raw = result::graph::instantiate(graph, sys::CUgraphInstantiate_flags(0));
            let _ = result::graph::destroy(graph);
            check("making a graph", raw)?
        };
        Ok(Self {
            raw,
            _uploads: uploads,
            context: context.clone(),
        })
    }

    /// Submits the graph; the context is current.
    ///
    /// # Errors
    /// [`ckks_math::Error::Device`] where the driver fails.
    ///
    /// # Safety
    /// The stream is alive, and so is the memory that the work of the graph names.
    pub unsafe fn launch(&self, stream: sys::CUstream) -> Result<()> {
        // SAFETY: the graph is alive; the caller sees to the rest.
        check("launching a graph", unsafe {
            result::graph::launch(self.raw, stream)
        })
    }
}

impl Drop for CardGraph {
    fn drop(&mut self) {
        if self.context.bind().is_ok() {
            // Runs may read the pinned bytes until they are over.
            let _ = result::ctx::synchronize();
            // SAFETY: destroyed once.
            let _ = unsafe { result::graph::exec_destroy(self.raw) };
        }
    }
}
