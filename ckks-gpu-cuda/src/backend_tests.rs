//! Failures of the device that come late, on the executor.

use super::CudaBackend;
use crate::driver::executor::{Executor, KernelSet};
use crate::driver::recording::Work;
use crate::driver::{Address, ByteProduct, Driver, Event, Function, Graph, HostMemory, Queue};
use crate::launch::Launch;
use ckks_math::arith::ntt_primes;
use ckks_math::backend::{Basis, Device, RingKernels, RingKind, RingSpec};
use ckks_math::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The executor in the place of a card on which automorphisms fail, as cards do: behind their
/// launch.
struct Late(Executor);

struct LateQueue {
    queue: Box<dyn Queue>,
    failed: AtomicBool,
}

impl Driver for Late {
    fn name(&self) -> String {
        self.0.name()
    }

    fn function(&self, symbol: &str) -> Result<Function> {
        self.0.function(symbol)
    }

    fn allocate(&self, bytes: usize) -> Result<Address> {
        self.0.allocate(bytes)
    }

    fn release(&self, address: Address) {
        self.0.release(address);
    }

    fn pin(&self, bytes: &[u8]) -> Result<Arc<dyn HostMemory>> {
        self.0.pin(bytes)
    }

    fn library(&self) -> Result<()> {
        self.0.library()
    }

    fn queue(&self) -> Result<Box<dyn Queue>> {
        Ok(Box::new(LateQueue {
            queue: self.0.queue()?,
            failed: AtomicBool::new(false),
        }))
    }
}

/// Passes on what it is asked for, under the same contract.
impl Queue for LateQueue {
    unsafe fn launch(&self, launch: &Launch<'_>) -> Result<()> {
        if launch.kernel.to_string() == "automorphism" {
            self.failed.store(true, Ordering::Relaxed);
        }
        // SAFETY: the same is asked for.
        unsafe { self.queue.launch(launch) }
    }

    unsafe fn multiply(&self, product: &ByteProduct) -> Result<()> {
        // SAFETY: the same is asked for.
        unsafe { self.queue.multiply(product) }
    }

    unsafe fn upload(&self, to: Address, bytes: &[u8]) -> Result<()> {
        // SAFETY: the same is asked for.
        unsafe { self.queue.upload(to, bytes) }
    }

    unsafe fn upload_pinned(&self, to: Address, from: &dyn HostMemory) -> Result<()> {
        // SAFETY: the same is asked for.
        unsafe { self.queue.upload_pinned(to, from) }
    }

    unsafe fn download(&self, from: Address, bytes: &mut [u8]) -> Result<()> {
        self.synchronize()?;
        // SAFETY: the same is asked for.
        unsafe { self.queue.download(from, bytes) }
    }

    unsafe fn copy(&self, from: Address, to: Address, bytes: usize) -> Result<()> {
        // SAFETY: the same is asked for.
        unsafe { self.queue.copy(from, to, bytes) }
    }

    unsafe fn fill(&self, to: Address, bytes: usize, value: u8) -> Result<()> {
        // SAFETY: the same is asked for.
        unsafe { self.queue.fill(to, bytes, value) }
    }

    fn record(&self) -> Result<Event> {
        self.queue.record()
    }

    fn wait(&self, event: &Event) -> Result<()> {
        self.queue.wait(event)
    }

    fn synchronize(&self) -> Result<()> {
        match self.failed.load(Ordering::Relaxed) {
            true => Err(Error::Device {
                backend: "cuda".into(),
                message: "an illegal memory access".into(),
            }),
            false => self.queue.synchronize(),
        }
    }

    fn graph(&self, work: Vec<Work>) -> Result<Graph> {
        self.queue.graph(work)
    }

    unsafe fn replay(&self, graph: &Graph) -> Result<()> {
        // SAFETY: the same is asked for.
        unsafe { self.queue.replay(graph) }
    }
}

/// A rotation between two other operations, and what the device says at the end of each.
fn outcomes(options: &str) -> [Result<()>; 3] {
    let driver = Late(Executor::new(KernelSet::Plain, 1));
    let backend = CudaBackend::on(Arc::new(driver)).expect("a small ring on the executor");
    let backend = backend
        .with_options(options.parse().expect("a small ring on the executor"))
        .expect("a small ring on the executor");
    let primes = ntt_primes(28, 4 << 4, 2).expect("a small ring on the executor");
    let ring =
        RingSpec::new(RingKind::Standard, 4, &primes, &[]).expect("a small ring on the executor");
    let t = backend.tables(&ring).expect("a small ring on the executor");
    let mut x = backend
        .alloc(&t, 1, Basis::q(2))
        .expect("a small ring on the executor");
    [
        backend.ntt(&t, &mut x),
        backend.automorphism(&t, &x, 5).map(drop),
        backend.scale_limbs(&t, &mut x, &[1, 1]),
    ]
}

/// Without `check` a failure surfaces at the next wait, whoever waits; with it at its own launch,
/// which the message names with grid and arguments.
#[test]
fn checked_launches_name_the_kernel_that_failed() {
    assert!(outcomes("").iter().all(Result::is_ok));
    let [before, failed, _] = outcomes("check");
    assert!(before.is_ok());
    let message = failed.unwrap_err().to_string();
    for part in [
        "automorphism on Grid",
        "blocks: [1, 2, 1]",
        "Long(",
        "illegal memory",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
}
