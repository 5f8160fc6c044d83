//! Recycling of device memory: an allocation costs more than most kernels.
//!
//! All work on a device is in one order, so memory that is freed is handed out again at once: what
//! is recorded later runs later.

use crate::driver::{Dispatch, Options, Queue};
use crate::launch::Arguments;
use ckks_math::Result;
use ckks_math::backend::MemoryUse;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A word that no residue is.
const POISON: u32 = 0xa5a5_a5a5;
/// Smallest size of a buffer, in bytes.
const GRAIN: u64 = 256;
/// Sizes above are rounded up to a multiple of 2 MiB only: buffers of this size are keys, which are
/// many.
const LARGE: u64 = 32 << 20;

/// A pool of the memory of one device; clones share it.
#[derive(Clone)]
pub struct Pool(Arc<Shared>);

struct Shared {
    queue: Arc<Queue>,
    options: Options,
    state: Mutex<State>,
    poison: AtomicBool,
}

#[derive(Default)]
struct State {
    free: BTreeMap<u64, Vec<wgpu::Buffer>>,
    memory: MemoryUse,
}

/// Device memory, given back on drop. Its content is unspecified at first.
pub struct Buffer {
    raw: wgpu::Buffer,
    pool: Pool,
}

impl Pool {
    /// An empty pool of a device; of the options it takes those of memory.
    pub fn new(queue: Arc<Queue>, options: Options) -> Self {
        Self(Arc::new(Shared {
            queue,
            options,
            state: Mutex::default(),
            poison: AtomicBool::new(false),
        }))
    }

    /// Bytes that a block of several rows has in one buffer at most.
    pub fn piece(&self) -> u64 {
        let largest = self.queue().card().largest;
        self.0
            .options
            .buffer
            .map_or(largest, |bytes| bytes.min(largest))
    }

    /// The commands of the device.
    pub fn queue(&self) -> &Arc<Queue> {
        &self.0.queue
    }

    /// From now on, fills every buffer with a pattern before it is handed out.
    pub fn poison(&self) {
        self.0.poison.store(true, Ordering::Relaxed);
    }

    /// Memory in use.
    pub fn memory(&self) -> MemoryUse {
        self.state().memory
    }

    /// A buffer of at least `words` words with unspecified content.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], and failures of the device.
    pub fn take(&self, words: usize) -> Result<Buffer> {
        let class = size_class(4 * words as u64, self.queue().card().largest);
        self.queue().card().failure.check()?;
        let recycled = self.state().take(class);
        let raw = match recycled {
            Some(raw) => raw,
            None => self.allocate(class)?,
        };
        let buffer = Buffer {
            raw,
            pool: self.clone(),
        };
        if self.0.poison.load(Ordering::Relaxed) {
            self.fill(&buffer)?;
        }
        Ok(buffer)
    }

    fn allocate(&self, class: u64) -> Result<wgpu::Buffer> {
        let raw = match self.create(class) {
            Some(raw) => raw,
            None => {
                self.trim()?;
                let free = self.admitted();
                let created = self.create(class);
                created.ok_or_else(|| self.queue().card().failure.memory(class, free))?
            }
        };
        self.state().account(class, 0);
        Ok(raw)
    }

    /// Bytes that may still be allocated.
    fn admitted(&self) -> u64 {
        let memory = self.memory();
        let most = self.0.options.memory.unwrap_or(u64::MAX);
        most.saturating_sub(memory.live + memory.pooled)
    }

    /// A new buffer; none where the device has no memory, or as much is held as may be.
    fn create(&self, size: u64) -> Option<wgpu::Buffer> {
        if size > self.admitted() {
            return None;
        }
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
        self.queue().card().buffer(size, usage)
    }

    /// Gives all free memory back to the device.
    fn trim(&self) -> Result<()> {
        let free = {
            let mut state = self.state();
            state.memory.pooled = 0;
            std::mem::take(&mut state.free)
        };
        // Memory that commands still use goes when they are done.
        self.queue().flush()?;
        drop(free);
        self.queue().wait()
    }

    fn fill(&self, buffer: &Buffer) -> Result<()> {
        let threads = self.queue().card().threads;
        let words = (buffer.raw.size() / 4) as u32;
        let mut args = Arguments {
            total: words,
            ..Arguments::default()
        };
        args.extra[0] = POISON;
        self.queue().dispatch(&Dispatch {
            kernel: "fill",
            groups: words.div_ceil(threads),
            args: &args.words(),
            constants: &[],
            bound: &[(2, &buffer.raw)],
        })
    }

    fn give(&self, raw: wgpu::Buffer) {
        let class = raw.size();
        let mut state = self.state();
        state.memory.live -= class;
        state.account(0, class);
        state.free.entry(class).or_default().push(raw);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is consistent between statements: a panic elsewhere cannot break it.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, class: u64) -> Option<wgpu::Buffer> {
        let free = self.free.get_mut(&class)?.pop()?;
        self.memory.pooled -= class;
        self.account(class, 0);
        Some(free)
    }

    fn account(&mut self, live: u64, pooled: u64) {
        self.memory.live += live;
        self.memory.pooled += pooled;
        self.memory.peak = (self.memory.peak).max(self.memory.live + self.memory.pooled);
    }
}

/// Rounds up to a multiple of an eighth of the next power of two, so that near sizes meet; large
/// sizes to 2 MiB; never beyond the largest buffer unless more is asked for.
fn size_class(bytes: u64, largest: u64) -> u64 {
    let step = if bytes > LARGE {
        2 << 20
    } else {
        (bytes.next_power_of_two() / 8).max(GRAIN)
    };
    let class = bytes.max(1).next_multiple_of(step);
    class.min(largest.max(bytes.next_multiple_of(GRAIN)))
}

impl Buffer {
    /// The buffer of the device.
    pub const fn raw(&self) -> &wgpu::Buffer {
        &self.raw
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.pool.give(self.raw.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_hold_what_is_asked_and_meet() {
        for bytes in [1, 4, 255, 4096, 5000, 1 << 20, (33 << 20) + 4] {
            let class = size_class(bytes, 128 << 20);
            assert!(class >= bytes && class.is_multiple_of(GRAIN) && class <= 2 * bytes.max(GRAIN));
        }
        assert_eq!(size_class(4900, 1 << 30), size_class(5000, 1 << 30));
    }

    #[test]
    fn classes_stay_within_the_largest_buffer() {
        assert_eq!(size_class((128 << 20) - 512, 128 << 20), 128 << 20);
        assert_eq!(
            size_class((1 << 31) - 1024, (1 << 31) - 256),
            (1 << 31) - 256
        );
    }
}
