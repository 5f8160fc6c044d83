//! Queues that the pool knows of, which take notes of work that is captured.

use crate::driver::recording::{Work, captured_wait};
use crate::driver::{Address, ByteProduct, Event, Graph, HostMemory, Queue};
use crate::launch::Launch;
use crate::pool::{Buffer, Pool, Spare};
use ckks_math::Result;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

/// A queue of the device.
///
/// While a thread captures, what that thread submits is noted and not done. Other threads go on as
/// before: their work is no part of the graph.
pub struct OpenQueue {
    queue: Box<dyn Queue>,
    pool: Pool,
    /// What its graphs use while they run. Counts as live.
    spare: Mutex<Spare>,
    recording: Mutex<Option<(ThreadId, Vec<Work>)>>,
    /// Graphs submitted so far.
    replays: AtomicU64,
}

impl OpenQueue {
    /// A queue of the device of a pool.
    pub(crate) fn new(queue: Box<dyn Queue>, pool: Pool) -> Self {
        Self {
            queue,
            pool,
            spare: Mutex::default(),
            recording: Mutex::default(),
            replays: AtomicU64::new(0),
        }
    }

    /// Graphs submitted so far.
    pub fn replays(&self) -> u64 {
        self.replays.load(Ordering::Relaxed)
    }

    /// What takes work.
    pub fn raw(&self) -> &dyn Queue {
        self
    }

    /// What its graphs use, to be taken while one is captured.
    pub(crate) fn spare(&self) -> MutexGuard<'_, Spare> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pool of the same device.
    pub const fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Makes later work wait for everything submitted to another queue.
    ///
    /// # Errors
    /// [`ckks_math::Error::Unsupported`] while this thread captures, and failures of the device.
    pub fn wait_for(&self, other: &Self) -> Result<()> {
        self.wait(&other.record()?)
    }

    /// Whether this thread captures.
    pub fn is_recording(&self) -> bool {
        let recording = self.recording();
        matches!(&*recording, Some((thread, _)) if *thread == thread::current().id())
    }

    /// From now on notes the work of this thread.
    pub(crate) fn begin_recording(&self) {
        *self.recording() = Some((thread::current().id(), Vec::new()));
    }

    /// What was noted.
    pub(crate) fn end_recording(&self) -> Vec<Work> {
        self.recording()
            .take()
            .map_or_else(Vec::new, |(_, work)| work)
    }

    fn recording(&self) -> MutexGuard<'_, Option<(ThreadId, Vec<Work>)>> {
        self.recording
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Recorder work if this thread captures; otherwise it is to be done.
    fn recorded(&self, work: impl FnOnce() -> Work) -> bool {
        match &mut *self.recording() {
            Some((thread, recording)) if *thread == thread::current().id() => {
                recording.push(work());
                true
            }
            _ => false,
        }
    }

    /// Fails with [`captured_wait`] while this thread captures.
    pub(crate) fn refuse_recording(&self) -> Result<()> {
        if self.is_recording() {
            return Err(captured_wait());
        }
        Ok(())
    }
}

/// Transfers of buffers: of the ranges of one, which must be of the same device as the queue.
impl OpenQueue {
    /// Submits a copy of bytes to a buffer from byte `at` on; they may change when this returns.
    ///
    /// # Errors
    /// [`ckks_math::Error::Device`] for a range that the buffer lacks, and where the device fails.
    pub(crate) fn send(&self, to: &Buffer, at: usize, bytes: &[u8]) -> Result<()> {
        let address = to.range(&self.pool, at, bytes.len())?;
        if bytes.is_empty() {
            return Ok(());
        }
        // SAFETY: the range lies in the buffer, which is of the pool of this queue.
        unsafe { self.upload(address, bytes) }
    }

    /// Submits a copy of pinned bytes to a buffer; they may be dropped when this returns.
    ///
    /// # Errors
    /// As [`OpenQueue::send`].
    pub(crate) fn send_pinned(&self, to: &Buffer, from: &dyn HostMemory) -> Result<()> {
        let address = to.range(&self.pool, 0, from.bytes().len())?;
        // SAFETY: as in `send`.
        unsafe { self.upload_pinned(address, from) }
    }

    /// Copies bytes of a buffer from byte `at` on, and waits.
    ///
    /// # Errors
    /// As [`OpenQueue::send`].
    pub(crate) fn receive(&self, from: &Buffer, at: usize, bytes: &mut [u8]) -> Result<()> {
        let address = from.range(&self.pool, at, bytes.len())?;
        if bytes.is_empty() {
            return Ok(());
        }
        // SAFETY: as in `send`.
        unsafe { self.download(address, bytes) }
    }

    /// Submits a copy of a whole buffer to another one from byte `at` on.
    ///
    /// # Errors
    /// As [`OpenQueue::send`].
    pub(crate) fn copy_whole(&self, from: &Buffer, to: &Buffer, at: usize) -> Result<()> {
        let bytes = from.len();
        let source = from.range(&self.pool, 0, bytes)?;
        let target = to.range(&self.pool, at, bytes)?;
        if bytes == 0 {
            return Ok(());
        }
        // SAFETY: both ranges lie in buffers of the pool of this queue.
        unsafe { self.copy(source, target, bytes) }
    }

    /// Submits the filling of a whole buffer with a byte.
    ///
    /// # Errors
    /// As [`OpenQueue::send`].
    pub(crate) fn fill_whole(&self, to: &Buffer, value: u8) -> Result<()> {
        let address = to.range(&self.pool, 0, to.len())?;
        if to.len() == 0 {
            return Ok(());
        }
        // SAFETY: as in `send`.
        unsafe { self.fill(address, to.len(), value) }
    }
}

impl Queue for OpenQueue {
    unsafe fn launch(&self, launch: &Launch<'_>) -> Result<()> {
        let recorded = self.recorded(|| Work::Launch {
            kernel: launch.kernel,
            function: launch.function,
            grid: launch.grid,
            arguments: launch.arguments.to_vec(),
        });
        if recorded {
            return Ok(());
        }
        // SAFETY: the same is asked for.
        unsafe { self.queue.launch(launch) }
    }

    unsafe fn multiply(&self, product: &ByteProduct) -> Result<()> {
        if self.recorded(|| Work::Product(*product)) {
            return Ok(());
        }
        // SAFETY: the same is asked for.
        unsafe { self.queue.multiply(product) }
    }

    unsafe fn upload(&self, to: Address, bytes: &[u8]) -> Result<()> {
        if self.recorded(|| Work::Upload(to, bytes.to_vec())) {
            return Ok(());
        }
        // SAFETY: the same is asked for.
        unsafe { self.queue.upload(to, bytes) }
    }

    unsafe fn upload_pinned(&self, to: Address, from: &dyn HostMemory) -> Result<()> {
        self.refuse_recording()?;
        // SAFETY: the same is asked for.
        unsafe { self.queue.upload_pinned(to, from) }
    }

    unsafe fn download(&self, from: Address, bytes: &mut [u8]) -> Result<()> {
        self.refuse_recording()?;
        // SAFETY: the same is asked for.
        unsafe { self.queue.download(from, bytes) }
    }

    unsafe fn copy(&self, from: Address, to: Address, bytes: usize) -> Result<()> {
        if self.recorded(|| Work::Copy(from, to, bytes)) {
            return Ok(());
        }
        // SAFETY: the same is asked for.
        unsafe { self.queue.copy(from, to, bytes) }
    }

    unsafe fn fill(&self, to: Address, bytes: usize, value: u8) -> Result<()> {
        if self.recorded(|| Work::Fill(to, bytes, value)) {
            return Ok(());
        }
        // SAFETY: the same is asked for.
        unsafe { self.queue.fill(to, bytes, value) }
    }

    fn record(&self) -> Result<Event> {
        self.refuse_recording()?;
        self.queue.record()
    }

    fn wait(&self, event: &Event) -> Result<()> {
        self.refuse_recording()?;
        self.queue.wait(event)
    }

    fn synchronize(&self) -> Result<()> {
        self.refuse_recording()?;
        self.queue.synchronize()
    }

    fn graph(&self, work: Vec<Work>) -> Result<Graph> {
        self.queue.graph(work)
    }

    unsafe fn replay(&self, graph: &Graph) -> Result<()> {
        self.refuse_recording()?;
        self.replays.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the same is asked for.
        unsafe { self.queue.replay(graph) }
    }

    /// Work of other libraries cannot be noted.
    #[cfg(feature = "nccl")]
    fn native(&self) -> Result<Option<crate::driver::Native>> {
        self.refuse_recording()?;
        self.queue.native()
    }
}

impl Drop for OpenQueue {
    /// Memory that is freed from now on carries no event of this queue: those left wait for it.
    fn drop(&mut self) {
        if let Ok(event) = self.queue.record() {
            for other in self.pool.queues() {
                // A queue that cannot wait has failed and reports that itself.
                let _ = other.queue.wait(&event);
            }
        }
        let spare = std::mem::take(&mut *self.spare());
        self.pool.give_back(spare);
    }
}
