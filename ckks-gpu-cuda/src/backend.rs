//! Opening a device, and running kernels on it.

use crate::device::RINGS;
use crate::driver::{Address, Driver, card};
use crate::feed::Feeder;
use crate::gemm::{Choices, MatrixUnits};
use crate::key::KeyForm;
use crate::launch::{Argument, Grid, Launch};
use crate::memory::{Plain, bytes};
use crate::open_queue::OpenQueue;
use crate::options::CudaOptions;
use crate::pool::{Buffer, Pool};
use ckks_math::Result;
use std::sync::Arc;

/// A CUDA device with a queue and a memory pool; clones share both.
#[derive(Clone)]
pub struct CudaBackend {
    pub(crate) queue: Arc<OpenQueue>,
    pub(crate) options: CudaOptions,
    /// What trials on this card found.
    pub(crate) choices: Arc<Choices>,
    /// What brings keys and matrices from the host.
    pub(crate) feeder: Arc<Feeder>,
}

impl CudaBackend {
    /// Opens the card of an index, counted as the driver counts.
    ///
    /// Fails with [`ckks_math::Error::Unsupported`] when there is no NVIDIA driver or no such card,
    /// and says which library is missing.
    pub fn open(device: usize) -> Result<Self> {
        Self::on(Arc::new(card::Card::open(device)?))
    }

    /// The cards that the driver sees, with their limits in words; fails as [`CudaBackend::open`]
    /// does.
    pub fn cards() -> Result<Vec<String>> {
        let cards = card::list()?.into_iter();
        let rings = format!(
            "primes of up to {} bits, ring degree up to {}",
            RINGS.max_modulus_bits, RINGS.max_degree
        );
        Ok(cards.map(|card| format!("{card}, {rings}")).collect())
    }

    /// Runs the kernels on the CPU in place of a card, the threads of each block in an order that
    /// comes from `seed`. For tests: every access to shared memory is checked.
    #[cfg(feature = "executor")]
    pub fn open_executor(kernels: crate::KernelSet, seed: u64) -> Result<Self> {
        Self::on(Arc::new(crate::driver::executor::Executor::new(
            kernels, seed,
        )))
    }

    /// 32-bit integer operations a second: 64 for each multiprocessor and clock, at the highest
    /// clock. `None` where no card runs.
    pub fn integer_rate(&self) -> Option<f64> {
        self.queue.pool().integer_rate()
    }

    /// Products of bytes on tensor cores in a second, at the highest clock and by the data sheet of
    /// the architecture. `None` where no card runs, or an unknown one.
    pub fn tensor_rate(&self) -> Option<f64> {
        self.queue.pool().tensor_rate()
    }

    /// Captured sequences that were submitted to this queue so far, see
    /// [`CudaBackend::with_graphs`].
    pub fn replays(&self) -> u64 {
        self.queue.replays()
    }

    /// A backend of its own pool on a device.
    pub(crate) fn on(driver: Arc<dyn Driver>) -> Result<Self> {
        let queue = Pool::new(driver).open_queue()?;
        Ok(Self {
            queue,
            options: CudaOptions::default(),
            choices: Arc::default(),
            feeder: Arc::default(),
        })
    }

    /// Works as these options say from now on; fails where they name a library that this machine
    /// lacks.
    pub fn with_options(mut self, options: CudaOptions) -> Result<Self> {
        if options.matrix_units == Some(MatrixUnits::Library) {
            self.queue.pool().library()?;
        }
        self.options = options;
        Ok(self.with_own_feeder())
    }

    /// Transfers go through a queue of its own, which ends with this backend.
    fn with_own_feeder(mut self) -> Self {
        self.feeder = Arc::default();
        self
    }

    /// Keeps keys that are loaded from now on as one half and a seed in this form.
    #[must_use]
    pub fn with_key_form(mut self, form: KeyForm) -> Self {
        self.options.key_form = form;
        self
    }

    /// Keeps keys and matrices that are loaded from now on in pinned memory of the host, keys of
    /// one half and a seed packed. They come to the device when they are used, on a queue of their
    /// own beside the work that runs.
    #[must_use]
    pub fn with_host_storage(mut self) -> Self {
        self.options.on_host = true;
        self.with_own_feeder()
    }

    /// Captures fixed sequences at their second use with operands of a kind, and submits each as
    /// one from then on: key switches by themselves, and what [`ckks_math::Evaluator::repeat`] is
    /// given, such as the second half of a bootstrap. Takes device memory for the operands and the
    /// results of each, and for what one of them needs meanwhile.
    #[must_use]
    pub fn with_graphs(mut self) -> Self {
        self.options.graphs = true;
        self
    }

    /// Multiplies matrices loaded from now on by these units, whatever a trial would say. Those
    /// that they cannot multiply exactly (tensor cores on bytes more than 2^16 inputs) are left to
    /// integers. Where the library of [`MatrixUnits::Library`] is missing, no matrix is loaded, and
    /// the error names it.
    #[must_use]
    pub fn with_matrix_units(mut self, units: MatrixUnits) -> Self {
        self.options.matrix_units = Some(units);
        self
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
