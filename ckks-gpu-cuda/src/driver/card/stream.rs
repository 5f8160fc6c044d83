//! A stream of a card as a queue.

use super::context::{Context, check};
use super::graph::CardGraph;
use super::pinned::Pinned;
use super::stage::{ALIGNMENT, Stage};
use crate::driver::recording::Work;
use crate::driver::{Address, ByteProduct, Event, Graph, HostMemory, Queue};
use crate::launch::Launch;
use ckks_math::{Error, Result};
use cudarc::driver::{result, sys};
use std::sync::{Arc, Mutex, PoisonError};

/// A stream with its way over the bus.
pub struct Stream {
    raw: sys::CUstream,
    // Dropped before the context that its memory belongs to.
    stage: Mutex<Stage>,
    context: Arc<Context>,
}

/// A recorded event.
pub struct CardEvent {
    raw: sys::CUevent,
    context: Arc<Context>,
}

// SAFETY: the driver's handles may be used from any thread; the context is made current first.
unsafe impl Send for Stream {}
// SAFETY: as above; what changes is behind a lock.
unsafe impl Sync for Stream {}
// SAFETY: as above.
unsafe impl Send for CardEvent {}
// SAFETY: as above.
unsafe impl Sync for CardEvent {}

impl Stream {
    /// A new stream of a context.
    ///
    /// # Errors
    /// [`Error::Device`] where the driver fails.
    pub fn open(context: Arc<Context>) -> Result<Self> {
        context.bind()?;
        let kind = result::stream::StreamKind::NonBlocking;
        Ok(Self {
            raw: check("making a stream", result::stream::create(kind))?,
            stage: Mutex::default(),
            context,
        })
    }
}

impl Stream {
    /// Submits a copy of pinned bytes.
    ///
    /// # Safety
    /// As many bytes at `to` lie in one allocation, and the pinned ones stay until the copy is
    /// over.
    unsafe fn copy_pinned(&self, to: Address, bytes: &[u8]) -> Result<()> {
        // SAFETY: the caller sees to both.
        check("uploading", unsafe {
            result::memcpy_htod_async(to.0, bytes, self.raw)
        })
    }
}

impl CardEvent {
    /// A new event behind what a stream was given so far; the context is current.
    ///
    /// # Errors
    /// [`Error::Device`] where the driver fails.
    pub fn record(context: &Arc<Context>, stream: sys::CUstream) -> Result<Self> {
        let flags = sys::CUevent_flags::CU_EVENT_DISABLE_TIMING;
        let raw = check("making an event", result::event::create(flags))?;
        let event = Self {
            raw,
            context: context.clone(),
        };
        // SAFETY: both handles are alive.
        check("recording an event", unsafe {
            result::event::record(raw, stream)
        })?;
        Ok(event)
    }

    /// Waits for the event on the host.
    ///
    /// # Errors
    /// [`Error::Device`] where the driver fails.
    pub fn wait(&self) -> Result<()> {
        // SAFETY: the event is alive.
        check("waiting for an event", unsafe {
            result::event::synchronize(self.raw)
        })
    }
}

impl Drop for CardEvent {
    fn drop(&mut self) {
        if self.context.bind().is_ok() {
            // SAFETY: destroyed once; the driver keeps it until it has happened.
            let _ = unsafe { result::event::destroy(self.raw) };
        }
    }
}

/// What was handed in comes from another driver.
fn foreign(what: &str) -> Error {
    Error::Device {
        backend: "cuda".into(),
        message: format!("{what} of another kind of device"),
    }
}

impl Queue for Stream {
    unsafe fn launch(&self, launch: &Launch<'_>) -> Result<()> {
        self.context.bind()?;
        let function = launch.function.0 as sys::CUfunction;
        let arguments = launch.arguments.iter().map(|a| a.raw().cast_mut());
        let mut arguments: Vec<_> = arguments.collect();
        let [x, y, z] = launch.grid.blocks;
        // SAFETY: the function is one of this device and takes these arguments, whose memory is
        // there, as the caller sees to; the driver copies the arguments before this returns.
        let outcome = unsafe {
            result::launch_kernel(
                function,
                (x, y, z),
                (launch.grid.threads, 1, 1),
                launch.grid.shared,
                self.raw,
                &mut arguments,
            )
        };
        outcome.map_err(|error| Error::Device {
            backend: "cuda".into(),
            message: format!("{}: {error}", launch.kernel),
        })
    }

    unsafe fn multiply(&self, product: &ByteProduct) -> Result<()> {
        let library = self.context.library()?;
        // SAFETY: the caller sees to the ranges; the stream is alive.
        unsafe { library.multiply(product, self.raw) }
    }

    unsafe fn upload(&self, to: Address, bytes: &[u8]) -> Result<()> {
        self.context.bind()?;
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the caller sees to the range; the stream is alive.
        unsafe { stage.upload(&self.context, self.raw, to, bytes) }
    }

    unsafe fn upload_pinned(&self, to: Address, from: &dyn HostMemory) -> Result<()> {
        let pinned = from.as_any().downcast_ref::<Pinned>();
        let pinned = pinned.ok_or_else(|| foreign("memory"))?;
        self.context.bind()?;
        // SAFETY: the caller sees to the range; the event keeps the bytes until the copy is over.
        unsafe { self.copy_pinned(to, pinned.bytes())? };
        pinned.copied_by(self.raw)
    }

    unsafe fn download(&self, from: Address, bytes: &mut [u8]) -> Result<()> {
        self.context.bind()?;
        // SAFETY: the memory behind `from` is of the pool, and `bytes` is borrowed until the wait
        // is over.
        check("downloading", unsafe {
            result::memcpy_dtoh_async(bytes, from.0, self.raw)
        })?;
        self.synchronize()
    }

    unsafe fn copy(&self, from: Address, to: Address, bytes: usize) -> Result<()> {
        self.context.bind()?;
        // SAFETY: the caller sees to both ranges.
        check("copying", unsafe {
            result::memcpy_dtod_async(to.0, from.0, bytes, self.raw)
        })
    }

    unsafe fn fill(&self, to: Address, bytes: usize, value: u8) -> Result<()> {
        self.context.bind()?;
        // SAFETY: the caller sees to the range.
        check("filling", unsafe {
            result::memset_d8_async(to.0, value, bytes, self.raw)
        })
    }

    fn record(&self) -> Result<Event> {
        self.context.bind()?;
        Ok(Box::new(CardEvent::record(&self.context, self.raw)?))
    }

    fn wait(&self, event: &Event) -> Result<()> {
        let event = event.downcast_ref::<CardEvent>();
        let event = event.ok_or_else(|| foreign("an event"))?;
        self.context.bind()?;
        let flags = sys::CUevent_wait_flags::CU_EVENT_WAIT_DEFAULT;
        // SAFETY: both handles are alive.
        check("waiting for an event", unsafe {
            result::stream::wait_event(self.raw, event.raw, flags)
        })
    }

    fn synchronize(&self) -> Result<()> {
        self.context.bind()?;
        // SAFETY: the stream is alive.
        check("waiting for the queue", unsafe {
            result::stream::synchronize(self.raw)
        })
    }

    /// Captured on a stream of its own, which no other thread can meet. All bytes that its copies
    /// read are pinned in one piece: pinning takes as long for few.
    fn graph(&self, work: Vec<Work>) -> Result<Graph> {
        let mut uploads = Vec::new();
        for work in &work {
            if let Work::Upload(_, bytes) = work {
                uploads.extend_from_slice(bytes);
                uploads.resize(uploads.len().next_multiple_of(ALIGNMENT), 0);
            }
        }
        let uploads = Pinned::of(&self.context, &uploads)?;
        let side = Self::open(self.context.clone())?;
        CardGraph::begin(side.raw)?;
        let mut next = uploads.bytes();
        let outcome = work.iter().try_for_each(|work| match work {
            Work::Upload(to, bytes) => {
                let (own, rest) = next.split_at(bytes.len().next_multiple_of(ALIGNMENT));
                next = rest;
                // SAFETY: captured, not run: `replay` asks for the range, and the graph keeps the
                // bytes.
                unsafe { side.copy_pinned(*to, &own[..bytes.len()]) }
            }
            // SAFETY: captured, not run: `replay` asks for what this work needs.
            other => unsafe { other.submit(&side) },
        });
        // Ended in any case, or the stream could not be waited for when it goes.
        let graph = CardGraph::end(side.raw, uploads, &self.context);
        outcome?;
        Ok(Box::new(graph?))
    }

    unsafe fn replay(&self, graph: &Graph) -> Result<()> {
        let graph = graph.downcast_ref::<CardGraph>();
        self.context.bind()?;
        let graph = graph.ok_or_else(|| foreign("a graph"))?;
        // SAFETY: the stream is alive; the caller sees to the memory that the work names.
        unsafe { graph.launch(self.raw) }
    }

    #[cfg(feature = "nccl")]
    fn native(&self) -> Result<Option<crate::driver::Native>> {
        self.context.bind()?;
        Ok(Some(crate::driver::Native {
            card: self.context.ordinal(),
            stream: self.raw as usize,
        }))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // Copies from pinned memory must be over before that goes.
        let _ = self.synchronize();
        // SAFETY: destroyed once.
        let _ = unsafe { result::stream::destroy(self.raw) };
    }
}
