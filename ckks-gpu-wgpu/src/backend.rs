//! Opening an adapter.

use crate::block::{Limbs, Rows};
use crate::driver::{Card, Found, Options, Queue, found};
use crate::pool::{Buffer, Pool};
use ckks_math::Result;

/// A graphics adapter with its commands and a memory pool; clones share both, so all work is in one
/// order.
#[derive(Clone)]
pub struct WgpuBackend {
    pub(crate) pool: Pool,
}

impl WgpuBackend {
    /// Opens the adapter of an index, in the order of [`WgpuBackend::adapters`].
    ///
    /// # Errors
    /// [`ckks_math::Error::Unsupported`] where there is no such adapter, or it lacks what kernels
    /// need.
    pub fn open(adapter: usize) -> Result<Self> {
        Self::open_with(adapter, Options::default())
    }

    /// Opens an adapter with options.
    ///
    /// # Errors
    /// As [`WgpuBackend::open`].
    pub fn open_with(adapter: usize, options: Options) -> Result<Self> {
        let card = Card::open(adapter, options)?;
        Ok(Self {
            pool: Pool::new(Queue::new(card)?, options),
        })
    }

    /// The same device with a memory pool of its own, and other options of memory.
    #[must_use]
    pub fn with_own_pool(&self, options: Options) -> Self {
        Self {
            pool: Pool::new(self.pool.queue().clone(), options),
        }
    }

    /// The adapters of this machine, cards before drivers that run on the CPU.
    ///
    /// # Errors
    /// [`ckks_math::Error::Unsupported`] where there is none.
    pub fn adapters() -> Result<Vec<Found>> {
        found()
    }

    /// Whether products of words go through 64-bit integers of the adapter.
    pub fn has_long_integers(&self) -> bool {
        self.pool.queue().card().long
    }

    /// Fills every buffer with a pattern before a kernel writes it, from now on and for all clones:
    /// a kernel that leaves words unwritten then shows. For tests.
    #[must_use]
    pub fn poisoned(self) -> Self {
        self.pool.poison();
        self
    }

    /// Destroys the device, as a driver does that lost it: every later call fails. For tests.
    pub fn lose(&self) {
        self.pool.queue().card().device.destroy();
    }

    /// Threads of a workgroup.
    pub(crate) fn threads(&self) -> u32 {
        self.pool.queue().card().threads
    }

    /// Rows of words with unspecified content.
    pub(crate) fn rows(&self, count: usize, limbs: Limbs, degree: usize) -> Result<Rows> {
        Rows::new(&self.pool, count, limbs, degree)
    }

    /// A buffer with words of the host.
    pub(crate) fn stage(&self, words: &[u32]) -> Result<Buffer> {
        let buffer = self.pool.take(words.len())?;
        self.pool.queue().upload(buffer.raw(), 0, words)?;
        Ok(buffer)
    }
}
