//! Recycling of device memory: an allocation costs more than most kernels, and a release waits for the
//! whole device.
//!
//! Memory that is freed may still be in use by kernels in flight. With one queue, what is submitted later
//! runs later, and memory is handed out again at once. While there are more queues, freed memory carries an
//! event of each, and the queue that takes it waits for those on the device.

use crate::driver::{Address, Driver, Event, Graph, HostMemory, Queue};
use ckks_math::backend::MemoryUse;
use ckks_math::{Error, Result};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

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
    /// While a queue captures, what is free for its graphs.
    captured: Option<Spare>,
    queues: Vec<Weak<OpenQueue>>,
    memory: MemoryUse,
}

/// Freed memory and the events behind its last use.
struct Free {
    address: Address,
    events: Vec<Event>,
}

/// Memory by size that graphs of one queue take in turns.
type Spare = BTreeMap<usize, Vec<Address>>;

/// A queue that the pool knows of.
pub struct OpenQueue {
    queue: Box<dyn Queue>,
    pool: Pool,
    /// What its graphs use while they run. Counts as live.
    spare: Mutex<Spare>,
}

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

    /// See [`Driver::pin`].
    pub fn pin(&self, bytes: &[u8]) -> Result<Arc<dyn HostMemory>> {
        self.0.driver.pin(bytes)
    }

    /// A new queue of the device.
    pub fn open_queue(&self) -> Result<Arc<OpenQueue>> {
        let queue = Arc::new(OpenQueue {
            queue: self.0.driver.queue()?,
            pool: self.clone(),
            spare: Mutex::default(),
        });
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
            queue.queue.wait(event)?;
        }
        if self.0.poison.load(Ordering::Relaxed) {
            queue.queue.fill(buffer.address, class, POISON)?;
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

    /// Begins to note what a queue is given, see [`Queue::begin_capture`]: from now on memory that is
    /// freed belongs to the graphs of this queue.
    pub fn begin_capture(&self, queue: &OpenQueue) -> Result<()> {
        let open = self.queues().len();
        if open != 1 {
            return Err(Error::Unsupported {
                backend: "cuda".into(),
                what: format!("capturing the work of one of {open} queues"),
                way_out: "drop forks first, and keep keys and matrices on the device".into(),
            });
        }
        queue.queue.begin_capture()?;
        let spare = std::mem::take(&mut *queue.spare());
        self.state().captured = Some(spare);
        Ok(())
    }

    /// Ends the notes; the memory that they name stays with the queue.
    pub fn end_capture(&self, queue: &OpenQueue) -> Result<Graph> {
        let spare = self.state().captured.take();
        *queue.spare() = spare.unwrap_or_default();
        queue.queue.end_capture()
    }

    /// The queues alive.
    fn queues(&self) -> Vec<Arc<OpenQueue>> {
        let mut state = self.state();
        state.queues.retain(|q| q.strong_count() > 0);
        state.queues.iter().filter_map(Weak::upgrade).collect()
    }

    fn give(&self, buffer: &Buffer) {
        let queues = self.queues();
        let events = match queues.as_slice() {
            [] | [_] => Ok(Vec::new()),
            many => many.iter().map(|q| q.queue.record()).collect(),
        };
        let mut state = self.state();
        if let Some(spare) = &mut state.captured {
            spare.entry(buffer.class).or_default().push(buffer.address);
            return;
        }
        state.memory.live -= buffer.class as u64;
        // A queue that cannot record has failed, and the device with it: the memory is lost.
        if let Ok(events) = events {
            let address = buffer.address;
            state.account(0, buffer.class as u64);
            let free = state.free.entry(buffer.class).or_default();
            free.push(Free { address, events });
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is consistent between statements: a panic elsewhere cannot break it.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, class: usize) -> Option<Free> {
        if let Some(address) = self.spare(class) {
            let events = Vec::new();
            return Some(Free { address, events });
        }
        let free = self.free.get_mut(&class)?;
        let last = match self.captured {
            // An event of before the capture is nothing that a graph can wait for.
            Some(_) => free.iter().rposition(|f| f.events.is_empty())?,
            None => free.len().checked_sub(1)?,
        };
        let free = free.swap_remove(last);
        self.memory.pooled -= class as u64;
        self.account(class as u64, 0);
        Some(free)
    }

    /// Memory of the graphs, while one is captured.
    fn spare(&mut self, class: usize) -> Option<Address> {
        self.captured.as_mut()?.get_mut(&class)?.pop()
    }

    fn account(&mut self, live: u64, pooled: u64) {
        self.memory.live += live;
        self.memory.pooled += pooled;
        self.memory.peak = (self.memory.peak).max(self.memory.live + self.memory.pooled);
    }
}

/// Rounds up to a multiple of an eighth of the next power of two, so that near sizes meet; large sizes
/// to 2 MiB.
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

impl OpenQueue {
    /// The queue of the device.
    pub fn raw(&self) -> &dyn Queue {
        &*self.queue
    }

    fn spare(&self) -> MutexGuard<'_, Spare> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pool of the same device.
    pub const fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Makes later work wait for everything submitted to another queue.
    pub fn wait_for(&self, other: &Self) -> Result<()> {
        self.queue.wait(&other.queue.record()?)
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
        let mut state = self.pool.state();
        for (class, addresses) in spare {
            for address in addresses {
                let events = Vec::new();
                state.memory.live -= class as u64;
                state.account(0, class as u64);
                let free = state.free.entry(class).or_default();
                free.push(Free { address, events });
            }
        }
    }
}

impl Buffer {
    /// Where it lies.
    pub const fn address(&self) -> Address {
        self.address
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
