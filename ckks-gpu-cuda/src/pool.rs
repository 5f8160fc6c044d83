//! Recycling of device memory: an allocation costs more than most kernels, and a release waits for
//! the whole device.
//!
//! Memory that is freed may still be in use by kernels in flight. With one queue, what is submitted
//! later runs later, and memory is handed out again at once. While there are more queues, freed
//! memory carries an event of each, and the queue that takes it waits for those on the device.

use crate::driver::recording::Work;
use crate::driver::{Address, Driver, Event, Function, HostMemory};
use crate::open_queue::OpenQueue;
use ckks_math::backend::MemoryUse;
use ckks_math::{Error, Result};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, ThreadId};

/// A byte pattern that makes a word which no residue is.
const POISON: u8 = 0xa5;
/// Alignment of buffers and smallest size, in bytes.
const GRAIN: usize = 512;
/// Sizes above are rounded up to it only: buffers of this size are keys, which are many.
const LARGE: usize = 32 << 20;

/// A pool of the memory of one device; clones share it.
#[derive(Clone)]
pub struct Pool(Arc<Shared>);

struct Shared {
    driver: Arc<dyn Driver>,
    state: Mutex<State>,
    poison: AtomicBool,
}

#[derive(Default)]
struct State {
    free: BTreeMap<usize, Vec<Free>>,
    /// While a thread captures, what is free for the graphs of its queue.
    captured: Option<(ThreadId, Spare)>,
    queues: Vec<Weak<OpenQueue>>,
    memory: MemoryUse,
}

/// Freed memory and the events behind its last use.
struct Free {
    address: Address,
    events: Vec<Event>,
}

/// Memory by size that graphs of one queue take in turns.
pub type Spare = BTreeMap<usize, Vec<Address>>;

/// Device memory, given back on drop. Its content is unspecified at first.
pub struct Buffer {
    address: Address,
    class: usize,
    bytes: usize,
    pool: Pool,
}

impl Pool {
    /// An empty pool of a device.
    pub fn new(driver: Arc<dyn Driver>) -> Self {
        Self(Arc::new(Shared {
            driver,
            state: Mutex::default(),
            poison: AtomicBool::new(false),
        }))
    }

    /// What the device calls itself.
    pub fn device_name(&self) -> String {
        self.0.driver.name()
    }

    /// See [`Driver::integer_rate`].
    pub fn integer_rate(&self) -> Option<f64> {
        self.0.driver.integer_rate()
    }

    /// See [`Driver::tensor_rate`].
    pub fn tensor_rate(&self) -> Option<f64> {
        self.0.driver.tensor_rate()
    }

    /// See [`Driver::library`].
    ///
    /// # Errors
    /// As [`Driver::library`].
    pub fn library(&self) -> Result<()> {
        self.0.driver.library()
    }

    /// See [`Driver::function`].
    ///
    /// # Errors
    /// As [`Driver::function`].
    pub fn function(&self, symbol: &str) -> Result<Function> {
        self.0.driver.function(symbol)
    }

    /// See [`Driver::pin`].
    ///
    /// # Errors
    /// As [`Driver::pin`].
    pub fn pin(&self, bytes: &[u8]) -> Result<Arc<dyn HostMemory>> {
        self.0.driver.pin(bytes)
    }

    /// A new queue of the device, which starts after everything that the others were given so far.
    ///
    /// # Errors
    /// As [`Driver::queue`].
    pub fn open_queue(&self) -> Result<Arc<OpenQueue>> {
        let queue = Arc::new(OpenQueue::new(self.0.driver.queue()?, self.clone()));
        // Memory that was freed before carries no event, and may be in use by work in flight.
        for other in self.queues() {
            queue.wait_for(&other)?;
        }
        self.state().queues.push(Arc::downgrade(&queue));
        Ok(queue)
    }

    /// From now on, fills every buffer with a pattern before it is handed out.
    pub fn poison(&self) {
        self.0.poison.store(true, Ordering::Relaxed);
    }

    /// Memory in use.
    pub fn memory(&self) -> MemoryUse {
        self.state().memory
    }

    /// A buffer of `bytes` bytes with unspecified content, for work on a queue.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] where all that is free was given back and is too little; failures of
    /// the device.
    pub fn take(&self, queue: &OpenQueue, bytes: usize) -> Result<Buffer> {
        let class = size_class(bytes);
        let recycled = self.state().take(class);
        let free = match recycled {
            Some(free) => free,
            None => self.allocate(class)?,
        };
        let buffer = Buffer {
            address: free.address,
            class,
            bytes,
            pool: self.clone(),
        };
        for event in &free.events {
            queue.raw().wait(event)?;
        }
        if self.0.poison.load(Ordering::Relaxed) {
            // SAFETY: `class` bytes were allocated there.
            unsafe { queue.raw().fill(buffer.address, class, POISON)? };
        }
        Ok(buffer)
    }

    fn allocate(&self, class: usize) -> Result<Free> {
        let address = match self.0.driver.allocate(class) {
            Err(Error::OutOfMemory { .. }) => {
                self.trim();
                self.0.driver.allocate(class)?
            }
            other => other?,
        };
        self.state().account(class as u64, 0);
        Ok(Free {
            address,
            events: Vec::new(),
        })
    }

    /// Gives all free memory back to the device.
    fn trim(&self) {
        let free = {
            let mut state = self.state();
            state.memory.pooled = 0;
            std::mem::take(&mut state.free)
        };
        for free in free.into_values().flatten() {
            self.0.driver.release(free.address);
        }
    }

    /// Begins to note what this thread submits to a queue: from now on memory that the thread frees
    /// belongs to the graphs of the queue.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where another queue is open, since memory would have to wait for it,
    /// and while another thread captures.
    pub fn begin_capture(&self, queue: &OpenQueue) -> Result<()> {
        let open = self.queues().len();
        let refuse = |what: String, way_out: &str| Error::Unsupported {
            backend: "cuda".into(),
            what,
            way_out: way_out.into(),
        };
        if open != 1 {
            return Err(refuse(
                format!("capturing the work of one of {open} queues"),
                "drop forks first, and keep keys and matrices on the device",
            ));
        }
        let mut state = self.state();
        if state.captured.is_some() {
            return Err(refuse(
                "capturing the work of two threads at once".into(),
                "run the work plainly, or capture it later",
            ));
        }
        let spare = std::mem::take(&mut *queue.spare());
        state.captured = Some((thread::current().id(), spare));
        drop(state);
        queue.begin_recording();
        Ok(())
    }

    /// Ends the notes; the memory that they name stays with the queue.
    pub fn end_capture(&self, queue: &OpenQueue) -> Vec<Work> {
        let spare = self.state().captured.take();
        *queue.spare() = spare.map_or_else(Spare::new, |(_, spare)| spare);
        queue.end_recording()
    }

    /// Takes what the graphs of a queue used that has ended.
    pub(crate) fn give_back(&self, spare: Spare) {
        let mut state = self.state();
        for (class, addresses) in spare {
            for address in addresses {
                state.recycle(class, address, Vec::new());
            }
        }
    }

    /// The queues alive.
    pub(crate) fn queues(&self) -> Vec<Arc<OpenQueue>> {
        let mut state = self.state();
        state.queues.retain(|q| q.strong_count() > 0);
        state.queues.iter().filter_map(Weak::upgrade).collect()
    }

    fn give(&self, buffer: &Buffer) {
        if let Some(spare) = self.state().spare() {
            spare.entry(buffer.class).or_default().push(buffer.address);
            return;
        }
        let queues = self.queues();
        let events = match queues.as_slice() {
            [] | [_] => Ok(Vec::new()),
            many => many.iter().map(|q| q.raw().record()).collect(),
        };
        // A queue that cannot record has failed, and the device with it: the memory is lost.
        match events {
            Ok(events) => self.state().recycle(buffer.class, buffer.address, events),
            Err(_) => self.state().memory.live -= buffer.class as u64,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is consistent between statements: a panic elsewhere cannot break it.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, class: usize) -> Option<Free> {
        let captures = match self.spare() {
            Some(spare) => {
                if let Some(address) = spare.get_mut(&class).and_then(Vec::pop) {
                    let events = Vec::new();
                    return Some(Free { address, events });
                }
                true
            }
            None => false,
        };
        let free = self.free.get_mut(&class)?;
        let last = if captures {
            // An event of before the capture is nothing that a graph can wait for.
            free.iter().rposition(|f| f.events.is_empty())?
        } else {
            free.len().checked_sub(1)?
        };
        let free = free.swap_remove(last);
        self.memory.pooled -= class as u64;
        self.account(class as u64, 0);
        Some(free)
    }

    /// Memory that was live, to be handed out again.
    fn recycle(&mut self, class: usize, address: Address, events: Vec<Event>) {
        self.memory.live -= class as u64;
        self.account(0, class as u64);
        let free = self.free.entry(class).or_default();
        free.push(Free { address, events });
    }

    /// Memory of the graphs, while this thread captures one.
    fn spare(&mut self) -> Option<&mut Spare> {
        let (capturing, spare) = self.captured.as_mut()?;
        (*capturing == thread::current().id()).then_some(spare)
    }

    fn account(&mut self, live: u64, pooled: u64) {
        self.memory.live += live;
        self.memory.pooled += pooled;
        self.memory.peak = (self.memory.peak).max(self.memory.live + self.memory.pooled);
    }
}

fn failure(message: String) -> Error {
    Error::Device {
        backend: "cuda".into(),
        message,
    }
}

/// Rounds up to a multiple of an eighth of the next power of two, so that near sizes meet; large
/// sizes to 2 MiB.
fn size_class(bytes: usize) -> usize {
    let step = if bytes > LARGE {
        2 << 20
    } else {
        (bytes.next_power_of_two() / 8).max(GRAIN)
    };
    bytes.max(1).next_multiple_of(step)
}

impl Drop for Shared {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        for free in std::mem::take(&mut state.free).into_values().flatten() {
            self.driver.release(free.address);
        }
    }
}

impl Buffer {
    /// Where it lies.
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Where `bytes` bytes from byte `at` on lie.
    ///
    /// # Errors
    /// [`Error::Device`] where the buffer lacks them, or belongs to another device than the pool.
    pub fn range(&self, pool: &Pool, at: usize, bytes: usize) -> Result<Address> {
        self.check_device(pool)?;
        if at.checked_add(bytes).is_some_and(|end| end <= self.bytes) {
            return Ok(self.address.offset(at));
        }
        let length = self.bytes;
        Err(failure(format!(
            "{bytes} bytes from byte {at} on of a buffer of {length}"
        )))
    }

    /// Fails unless the buffer comes from this pool, or a clone of it.
    ///
    /// # Errors
    /// [`Error::Device`].
    pub fn check_device(&self, pool: &Pool) -> Result<()> {
        if Arc::ptr_eq(&self.pool.0, &pool.0) {
            return Ok(());
        }
        Err(failure("a buffer of another device or pool".into()))
    }

    /// The pool that it comes from.
    pub const fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Bytes asked for.
    pub const fn len(&self) -> usize {
        self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.pool.clone().give(self);
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
