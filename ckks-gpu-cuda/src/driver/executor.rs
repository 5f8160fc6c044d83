//! The kernels on the CPU: the same sources, compiled by the host's C++ compiler.
//!
//! The threads of a block take turns between barriers in an order that changes with the seed;
//! barriers and accesses to shared memory are checked (`executor/executor.cpp`). Memory of the
//! device is filled with a pattern at first and lies between zones that no kernel may write.

mod product;

use super::recording::Work;
use super::{Address, ByteProduct, Driver, Event, Function, Graph, HostMemory, Queue};
use crate::launch::Launch;
use ckks_math::{Error, Result};
use std::any::Any;
use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A pattern that makes words which no residues are.
const POISON: u8 = 0xa5;
/// Bytes in front of memory and behind it that nothing may write; also its alignment.
const ZONE: usize = 512;
const ZONE_BYTE: u8 = 0x5a;

/// Which kernels the executor runs: those of the crate, or with one planted fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelSet {
    /// As cards run them.
    Plain,
    /// A transform without the barrier between two rounds.
    MissingBarrier,
    /// Shared memory written one word too far.
    SharedIndex,
    /// Residues written one word too far.
    GlobalIndex,
    /// One thread leaves before a barrier.
    DivergentBarrier,
}

/// `executor::Launch` of `executor.h`.
#[repr(C)]
struct RawLaunch {
    grid: [u32; 3],
    threads: u32,
    shared_bytes: usize,
    arguments: *const *const c_void,
    sizes: *const u32,
    count: u32,
    seed: u64,
}

type RunKernel = unsafe extern "C" fn(*const c_char, *const RawLaunch, *mut c_char, usize) -> c_int;

unsafe extern "C" {
    fn ckks_executor_kernels(
        name: *const c_char,
        launch: *const RawLaunch,
        message: *mut c_char,
        length: usize,
    ) -> c_int;
    fn ckks_executor_missing_barrier(
        name: *const c_char,
        launch: *const RawLaunch,
        message: *mut c_char,
        length: usize,
    ) -> c_int;
    fn ckks_executor_shared_index(
        name: *const c_char,
        launch: *const RawLaunch,
        message: *mut c_char,
        length: usize,
    ) -> c_int;
    fn ckks_executor_global_index(
        name: *const c_char,
        launch: *const RawLaunch,
        message: *mut c_char,
        length: usize,
    ) -> c_int;
    fn ckks_executor_divergent_barrier(
        name: *const c_char,
        launch: *const RawLaunch,
        message: *mut c_char,
        length: usize,
    ) -> c_int;
}

impl KernelSet {
    fn run(self) -> RunKernel {
        match self {
            Self::Plain => ckks_executor_kernels,
            Self::MissingBarrier => ckks_executor_missing_barrier,
            Self::SharedIndex => ckks_executor_shared_index,
            Self::GlobalIndex => ckks_executor_global_index,
            Self::DivergentBarrier => ckks_executor_divergent_barrier,
        }
    }
}

/// The CPU in the place of a card; clones share memory.
#[derive(Clone)]
pub struct Executor(Arc<Shared>);

struct Shared {
    kernels: KernelSet,
    seed: u64,
    launches: AtomicU64,
    /// Symbols by the numbers of their functions.
    symbols: Mutex<Vec<CString>>,
    /// Allocations by the address that they were handed out with.
    memory: Mutex<BTreeMap<u64, Allocation>>,
}

/// Words of host memory: a zone, what was asked for, a zone.
struct Allocation {
    words: Vec<[u8; ZONE]>,
    bytes: usize,
}

impl Allocation {
    fn new(bytes: usize) -> Self {
        let mut words = vec![[ZONE_BYTE; ZONE]; bytes.div_ceil(ZONE) + 3];
        let zone = Self::padding(&words);
        let flat = words.as_flattened_mut();
        flat[zone..][..bytes].fill(POISON);
        Self { words, bytes }
    }

    /// Bytes in front of the first aligned address behind a zone.
    fn padding(words: &[[u8; ZONE]]) -> usize {
        ZONE + words.as_flattened().as_ptr().align_offset(ZONE)
    }

    fn address(&mut self) -> u64 {
        let padding = Self::padding(&self.words);
        self.words.as_flattened_mut()[padding..].as_mut_ptr() as u64
    }

    fn zones_are_whole(&self) -> bool {
        let flat = self.words.as_flattened();
        let padding = Self::padding(&self.words);
        let behind = &flat[padding + self.bytes..][..ZONE];
        let mut zones = flat[..padding].iter().chain(behind);
        zones.all(|&b| b == ZONE_BYTE)
    }
}

impl Executor {
    pub fn new(kernels: KernelSet, seed: u64) -> Self {
        Self(Arc::new(Shared {
            kernels,
            seed,
            launches: AtomicU64::new(0),
            symbols: Mutex::default(),
            memory: Mutex::default(),
        }))
    }

    fn memory(&self) -> MutexGuard<'_, BTreeMap<u64, Allocation>> {
        (self.0.memory.lock()).unwrap_or_else(PoisonError::into_inner)
    }

    fn symbols(&self) -> MutexGuard<'_, Vec<CString>> {
        (self.0.symbols.lock()).unwrap_or_else(PoisonError::into_inner)
    }

    /// The symbol of a function.
    fn symbol(&self, function: Function) -> Result<CString> {
        let symbol = self.symbols().get(function.0).cloned();
        symbol.ok_or_else(|| failure(format!("{function:?} is none of this device")))
    }

    /// Fails unless `bytes` bytes from an address on lie in one allocation.
    fn check(&self, address: Address, bytes: usize) -> Result<()> {
        let memory = self.memory();
        let below = memory.range(..=address.0).next_back();
        match below {
            Some((start, found)) if address.0 - start + bytes as u64 <= found.bytes as u64 => {
                Ok(())
            }
            _ => Err(failure(format!(
                "{bytes} bytes at {:#x} are not in one allocation",
                address.0
            ))),
        }
    }
}

/// Any memory of the host serves for pinned memory.
struct HostBytes(Box<[u8]>);

impl HostMemory for HostBytes {
    fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn failure(message: String) -> Error {
    Error::Device {
        backend: "cuda executor".into(),
        message,
    }
}

impl Driver for Executor {
    fn name(&self) -> String {
        format!("executor on the CPU, seed {}", self.0.seed)
    }

    fn function(&self, symbol: &str) -> Result<Function> {
        let symbol = CString::new(symbol).map_err(|e| failure(e.to_string()))?;
        let mut symbols = self.symbols();
        let known = symbols.iter().position(|known| *known == symbol);
        Ok(Function(known.unwrap_or_else(|| {
            symbols.push(symbol);
            symbols.len() - 1
        })))
    }

    fn allocate(&self, bytes: usize) -> Result<Address> {
        let mut allocation = Allocation::new(bytes);
        let address = allocation.address();
        self.memory().insert(address, allocation);
        Ok(Address(address))
    }

    fn release(&self, address: Address) {
        self.memory().remove(&address.0);
    }

    fn pin(&self, bytes: &[u8]) -> Result<Arc<dyn HostMemory>> {
        Ok(Arc::new(HostBytes(bytes.into())))
    }

    /// It has a library of its own.
    fn library(&self) -> Result<()> {
        Ok(())
    }

    fn queue(&self) -> Result<Box<dyn Queue>> {
        Ok(Box::new(self.clone()))
    }
}

/// Work is done when it is submitted: there is nothing to wait for.
impl Queue for Executor {
    unsafe fn launch(&self, launch: &Launch<'_>) -> Result<()> {
        let name = self.symbol(launch.function)?;
        let arguments = launch.arguments.iter().map(|a| (a.raw(), a.bytes()));
        let (arguments, sizes): (Vec<_>, Vec<_>) = arguments.unzip();
        let turn = self.0.launches.fetch_add(1, Ordering::Relaxed);
        let raw = RawLaunch {
            grid: launch.grid.blocks,
            threads: launch.grid.threads,
            shared_bytes: launch.grid.shared as usize,
            arguments: arguments.as_ptr(),
            sizes: sizes.as_ptr(),
            count: arguments.len() as u32,
            seed: self.0.seed.wrapping_mul(1 << 32).wrapping_add(turn),
        };
        let mut message = [0; 512];
        // SAFETY: the pointers live until the call returns; the kernel's own accesses are what the
        // executor is there to check.
        let rc = unsafe {
            self.0.kernels.run()(
                name.as_ptr(),
                &raw const raw,
                message.as_mut_ptr(),
                message.len(),
            )
        };
        if rc != 0 {
            // SAFETY: the executor ends the message with a zero byte.
            let words = unsafe { CStr::from_ptr(message.as_ptr()) };
            return Err(failure(words.to_string_lossy().into_owned()));
        }
        if self.memory().values().all(Allocation::zones_are_whole) {
            Ok(())
        } else {
            let name = launch.kernel;
            Err(failure(format!("{name} wrote outside of its memory")))
        }
    }

    unsafe fn multiply(&self, product: &ByteProduct) -> Result<()> {
        self.product(product)
    }

    unsafe fn upload(&self, to: Address, bytes: &[u8]) -> Result<()> {
        self.check(to, bytes.len())?;
        // SAFETY: the range was checked, and Rust code holds no reference to it.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to.0 as *mut u8, bytes.len()) };
        Ok(())
    }

    unsafe fn upload_pinned(&self, to: Address, from: &dyn HostMemory) -> Result<()> {
        // SAFETY: the same is asked for.
        unsafe { self.upload(to, from.bytes()) }
    }

    unsafe fn download(&self, from: Address, bytes: &mut [u8]) -> Result<()> {
        self.check(from, bytes.len())?;
        // SAFETY: the range was checked, and Rust code holds no reference to it.
        unsafe {
            std::ptr::copy_nonoverlapping(from.0 as *const u8, bytes.as_mut_ptr(), bytes.len());
        };
        Ok(())
    }

    unsafe fn copy(&self, from: Address, to: Address, bytes: usize) -> Result<()> {
        self.check(from, bytes)?;
        self.check(to, bytes)?;
        // SAFETY: both ranges were checked, and Rust code holds no reference to them.
        unsafe { std::ptr::copy(from.0 as *const u8, to.0 as *mut u8, bytes) };
        Ok(())
    }

    unsafe fn fill(&self, to: Address, bytes: usize, value: u8) -> Result<()> {
        self.check(to, bytes)?;
        // SAFETY: the range was checked, and Rust code holds no reference to it.
        unsafe { std::ptr::write_bytes(to.0 as *mut u8, value, bytes) };
        Ok(())
    }

    fn record(&self) -> Result<Event> {
        Ok(Box::new(()))
    }

    fn wait(&self, _: &Event) -> Result<()> {
        Ok(())
    }

    fn synchronize(&self) -> Result<()> {
        Ok(())
    }

    fn graph(&self, work: Vec<Work>) -> Result<Graph> {
        Ok(Box::new(work))
    }

    unsafe fn replay(&self, graph: &Graph) -> Result<()> {
        let work = graph.downcast_ref::<Vec<Work>>();
        let work = work.ok_or_else(|| failure("a graph of another kind of device".into()))?;
        // SAFETY: the caller sees to what the work needs, and the executor checks it.
        work.iter()
            .try_for_each(|work| unsafe { work.submit(self) })
    }
}
