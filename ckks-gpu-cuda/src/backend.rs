//! Opening a device, and running kernels on it.

use crate::driver::{Address, Driver, card};
use crate::launch::{Argument, Grid, Launch};
use crate::memory::{Plain, bytes};
use crate::pool::{Buffer, OpenQueue, Pool};
use ckks_math::Result;
use std::sync::Arc;

/// A CUDA device with a queue and a memory pool; clones share both.
#[derive(Clone)]
pub struct CudaBackend {
    pub(crate) queue: Arc<OpenQueue>,
    /// Whether keys keep seeds in the place of uniform halves.
    pub(crate) compressed: bool,
}

impl CudaBackend {
    /// Opens the card of an index, counted as the driver counts.
    ///
    /// Fails with [`ckks_math::Error::Unsupported`] when there is no NVIDIA driver or no such card,
    /// and says which library is missing.
    pub fn open(device: usize) -> Result<Self> {
        Self::on(Arc::new(card::Card::open(device)?))
    }

    /// Names of the cards that the driver sees; fails as [`CudaBackend::open`] does.
    pub fn cards() -> Result<Vec<String>> {
        card::names()
    }

    /// Runs the kernels on the CPU in place of a card, the threads of each block in an order that
    /// comes from `seed`. For tests: every access to shared memory is checked.
    #[cfg(feature = "executor")]
    pub fn open_executor(kernels: crate::KernelSet, seed: u64) -> Result<Self> {
        Self::on(Arc::new(crate::driver::executor::Executor::new(
            kernels, seed,
        )))
    }

    /// 32-bit integer operations a second: 64 for each multiprocessor and clock, at the highest clock.
    /// `None` where no card runs.
    pub fn integer_rate(&self) -> Option<f64> {
        self.queue.pool().integer_rate()
    }

    fn on(driver: Arc<dyn Driver>) -> Result<Self> {
        let queue = Pool::new(driver).open_queue()?;
        Ok(Self {
            queue,
            compressed: false,
        })
    }

    /// Keeps only the seeds of the uniform halves of keys loaded from now on: half the memory of keys,
    /// for the time to make that half at each use. Products have the same bits.
    #[must_use]
    pub fn with_compressed_keys(self) -> Self {
        Self {
            compressed: true,
            ..self
        }
    }

    /// Fills every buffer with a pattern before a kernel writes it, from now on and for all clones
    /// and queues: a kernel that leaves words unwritten then shows. For tests.
    #[must_use]
    pub fn poisoned(self) -> Self {
        self.queue.pool().poison();
        self
    }

    /// A buffer for work on this queue.
    pub(crate) fn buffer(&self, bytes: usize) -> Result<Buffer> {
        self.queue.pool().take(&self.queue, bytes)
    }

    /// A buffer with the words of the host.
    pub(crate) fn stage<T: Plain>(&self, words: &[T]) -> Result<Buffer> {
        let buffer = self.buffer(size_of_val(words))?;
        self.queue.raw().upload(buffer.address(), bytes(words))?;
        Ok(buffer)
    }

    /// Submits a kernel; an empty grid is no work.
    pub(crate) fn launch(&self, kernel: &str, grid: Grid, arguments: &[Argument]) -> Result<()> {
        if grid.is_empty() {
            return Ok(());
        }
        self.queue.raw().launch(&Launch {
            kernel,
            grid,
            arguments,
        })
    }

    /// Submits a copy of whole buffers or parts of them.
    pub(crate) fn copy(&self, from: Address, to: Address, bytes: usize) -> Result<()> {
        if bytes == 0 {
            return Ok(());
        }
        self.queue.raw().copy(from, to, bytes)
    }
}
