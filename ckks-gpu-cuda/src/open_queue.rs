//! Queues that the pool knows of, which take notes of work that is captured.

use crate::driver::notes::{Work, captured_wait};
use crate::driver::{Address, ByteProduct, Event, Graph, HostMemory, Queue};
use crate::launch::Launch;
use crate::pool::{Pool, Spare};
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
    notes: Mutex<Option<(ThreadId, Vec<Work>)>>,
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
            notes: Mutex::default(),
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
    pub fn wait_for(&self, other: &Self) -> Result<()> {
        self.wait(&other.record()?)
    }

    /// Whether this thread captures.
    pub fn takes_notes(&self) -> bool {
        let notes = self.notes();
        matches!(&*notes, Some((thread, _)) if *thread == thread::current().id())
    }

    /// From now on notes the work of this thread.
    pub(crate) fn begin_notes(&self) {
        *self.notes() = Some((thread::current().id(), Vec::new()));
    }

    /// What was noted.
    pub(crate) fn end_notes(&self) -> Vec<Work> {
        self.notes().take().map_or_else(Vec::new, |(_, work)| work)
    }

    fn notes(&self) -> MutexGuard<'_, Option<(ThreadId, Vec<Work>)>> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes work if this thread captures; otherwise it is to be done.
    fn noted(&self, work: impl FnOnce() -> Work) -> bool {
        match &mut *self.notes() {
            Some((thread, notes)) if *thread == thread::current().id() => {
                notes.push(work());
                true
            }
            _ => false,
        }
    }

    /// Fails with [`captured_wait`] while this thread captures.
    pub(crate) fn refuse_notes(&self) -> Result<()> {
        if self.takes_notes() {
            return Err(captured_wait());
        }
        Ok(())
    }
}

impl Queue for OpenQueue {
    fn launch(&self, launch: &Launch<'_>) -> Result<()> {
        let noted = self.noted(|| Work::Launch {
            kernel: launch.kernel.to_owned(),
            grid: launch.grid,
            arguments: launch.arguments.to_vec(),
        });
        if noted {
            return Ok(());
        }
        self.queue.launch(launch)
    }

    fn multiply(&self, product: &ByteProduct) -> Result<()> {
        if self.noted(|| Work::Product(*product)) {
            return Ok(());
        }
        self.queue.multiply(product)
    }

    fn upload(&self, to: Address, bytes: &[u8]) -> Result<()> {
        if self.noted(|| Work::Upload(to, bytes.to_vec())) {
            return Ok(());
        }
        self.queue.upload(to, bytes)
    }

    fn upload_pinned(&self, to: Address, from: &dyn HostMemory) -> Result<()> {
        self.refuse_notes()?;
        self.queue.upload_pinned(to, from)
    }

    fn download(&self, from: Address, bytes: &mut [u8]) -> Result<()> {
        self.refuse_notes()?;
        self.queue.download(from, bytes)
    }

    fn copy(&self, from: Address, to: Address, bytes: usize) -> Result<()> {
        if self.noted(|| Work::Copy(from, to, bytes)) {
            return Ok(());
        }
        self.queue.copy(from, to, bytes)
    }

    fn fill(&self, to: Address, bytes: usize, value: u8) -> Result<()> {
        if self.noted(|| Work::Fill(to, bytes, value)) {
            return Ok(());
        }
        self.queue.fill(to, bytes, value)
    }

    fn record(&self) -> Result<Event> {
        self.refuse_notes()?;
        self.queue.record()
    }

    fn wait(&self, event: &Event) -> Result<()> {
        self.refuse_notes()?;
        self.queue.wait(event)
    }

    fn synchronize(&self) -> Result<()> {
        self.refuse_notes()?;
        self.queue.synchronize()
    }

    fn graph(&self, work: Vec<Work>) -> Result<Graph> {
        self.queue.graph(work)
    }

    fn replay(&self, graph: &Graph) -> Result<()> {
        self.refuse_notes()?;
        self.replays.fetch_add(1, Ordering::Relaxed);
        self.queue.replay(graph)
    }

    /// Work of other libraries cannot be noted.
    #[cfg(feature = "nccl")]
    fn native(&self) -> Result<Option<crate::driver::Native>> {
        self.refuse_notes()?;
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
