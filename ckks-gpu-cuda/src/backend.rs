//! Opening a device, and running kernels on it.

use crate::device::RINGS;
use crate::driver::{Driver, card};
use crate::feed::Feeder;
use crate::gemm::{Choices, MatrixUnits};
use crate::kernels::Kernel;
use crate::key::KeyForm;
use crate::launch::{Argument, Grid, Launch};
use crate::memory::{Plain, bytes};
use crate::open_queue::OpenQueue;
use crate::options::CudaOptions;
use crate::pool::{Buffer, Pool};
use crate::tables::Tables;
use ckks_math::Result;
use std::sync::Arc;

#[cfg(all(test, feature = "executor"))]
#[path = "backend_tests.rs"]
mod tests;

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
    /// # Errors
    /// [`ckks_math::Error::Unsupported`] without an NVIDIA driver or such a card: the message names
    /// the library that is missing.
    pub fn open(device: usize) -> Result<Self> {
        Self::on(Arc::new(card::Card::open(device)?))
    }

    /// The cards that the driver sees, with their limits in words; fails as [`CudaBackend::open`]
    /// does.
    ///
    /// # Errors
    /// As [`CudaBackend::open`].
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
    ///
    /// # Errors
    /// None so far: the executor needs no card.
    #[cfg(feature = "executor")]
    pub fn open_executor(kernels: crate::KernelSet, seed: u64) -> Result<Self> {
        Self::on(Arc::new(crate::driver::executor::Executor::new(
            kernels, seed,
        )))
    }

    /// 32-bit integer operations a second: 64 (128 from capability 12.0 on) for each multiprocessor
    /// and clock, at the highest clock. `None` where no card runs.
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
    ///
    /// # Errors
    /// [`ckks_math::Error::Unsupported`] for options that name a library that this machine lacks.
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
    /// one from then on: key switches by themselves, and what
    /// [`ckks_math::Evaluator::run_captured`] is given, such as the second half of a bootstrap.
    /// Takes device memory for the operands and the results of each, and for what one of them needs
    /// meanwhile.
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
        self.queue.send(&buffer, 0, bytes(words))?;
        Ok(buffer)
    }

    /// Submits a kernel for the words of a ring; an empty grid is no work.
    ///
    /// Always checked here: the tables are of this device, the arguments have the number and the
    /// sizes of the kernel's parameters, and a block has no more threads than the kernel is
    /// compiled for.
    ///
    /// # Safety
    /// For the given grid, everything that the kernel reads and writes through its arguments lies
    /// in buffers of this device that are alive. Callers derive it from two checks: the shape rules
    /// of [`ckks_math::backend::checked`] bound the positions that the kernel computes, and
    /// [`crate::device::Block::at`] says that the words of each operand are there.
    pub(crate) unsafe fn launch(
        &self,
        t: &Tables,
        kernel: Kernel,
        grid: Grid,
        arguments: &[Argument],
    ) -> Result<()> {
        if grid.is_empty() {
            return Ok(());
        }
        let (function, signature) = t.kernel(self.queue.pool(), kernel)?;
        signature.check(kernel, grid, arguments)?;
        let launch = Launch {
            kernel,
            function,
            grid,
            arguments,
        };
        // SAFETY: the function is of this device and takes these arguments; the caller sees to the
        // rest.
        unsafe { self.queue.raw().launch(&launch)? };
        if self.options.check && !self.queue.is_recording() {
            let waited = self.queue.raw().synchronize();
            waited.map_err(|error| launch.failure(&error))?;
        }
        Ok(())
    }

    /// Submits an element-wise kernel on `[rows, limbs, N]`.
    ///
    /// # Safety
    /// As for [`CudaBackend::launch`].
    pub(crate) unsafe fn launch_elements(
        &self,
        t: &Tables,
        kernel: Kernel,
        (rows, limbs): (usize, usize),
        arguments: &[Argument],
    ) -> Result<()> {
        let grid = Grid::elements(kernel, t.ring().log_degree(), limbs, rows)?;
        // SAFETY: the caller sees to it.
        unsafe { self.launch(t, kernel, grid, arguments) }
    }
}
