//! The primary context of a card and the kernels loaded into it.

use super::library::Library;
use crate::driver::Function;
use crate::kernels::{self, PROGRAMS};
use ckks_math::{Error, Result};
use cudarc::driver::{result, sys};
use std::ffi::CString;
use std::sync::OnceLock;

/// Oldest compute capability that the kernels are compiled for.
const OLDEST: (i32, i32) = (8, 0);

/// 32-bit integer operations of a multiprocessor in one clock, of capabilities before and from 12.0
/// on.
const INTEGER_LANES: [f64; 2] = [64.0, 128.0];

/// Products of bytes, dense, of a multiprocessor in one clock: operations a second of the data
/// sheets over two, multiprocessors and clock.
const TENSOR_PRODUCTS: [((i32, i32), f64); 5] = [
    ((8, 0), 2048.0),
    ((8, 9), 1024.0),
    ((9, 0), 4096.0),
    ((10, 0), 8192.0),
    ((12, 0), 1024.0),
];

/// A context with its modules.
pub struct Context {
    raw: sys::CUcontext,
    device: sys::CUdevice,
    index: usize,
    name: String,
    capability: (i32, i32),
    modules: Vec<sys::CUmodule>,
    /// Opened by the first that asks for it.
    library: OnceLock<Library>,
}

// SAFETY: the driver's handles may be used from any thread; `bind` makes the context current first.
unsafe impl Send for Context {}
// SAFETY: as above; the library is opened once, behind its own lock.
unsafe impl Sync for Context {}

/// The driver's verdict in our words.
///
/// # Errors
/// [`Error::Device`] with what was being done.
pub fn check<T>(doing: &str, outcome: Result<T, result::DriverError>) -> Result<T> {
    outcome.map_err(|e| Error::Device {
        backend: "cuda".into(),
        message: format!("{doing}: {e}"),
    })
}

/// The compute capability of a card.
fn capability(device: sys::CUdevice) -> Result<(i32, i32)> {
    use sys::CUdevice_attribute::{
        CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR as MAJOR,
        CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR as MINOR,
    };
    let attribute = |attribute| {
        // SAFETY: the device comes from the driver.
        let value = unsafe { result::device::get_attribute(device, attribute) };
        check("asking the card", value)
    };
    Ok((attribute(MAJOR)?, attribute(MINOR)?))
}

/// A card in a listing: its name, its memory, what the driver says it can.
///
/// # Errors
/// [`Error::Device`] where the driver fails.
pub fn describe(ordinal: i32) -> Result<String> {
    let device = check("finding a card", result::device::get(ordinal))?;
    let name = check("naming a card", result::device::get_name(device))?;
    // SAFETY: the device comes from the driver.
    let bytes = check("asking the card", unsafe {
        result::device::total_mem(device)
    })?;
    let capability = capability(device)?;
    let refusal = match capability < OLDEST {
        true => ", unusable: 8.0 or newer is needed",
        false => "",
    };
    let (major, minor) = capability;
    Ok(format!(
        "{name}, {} MiB, compute capability {major}.{minor}{refusal}",
        bytes >> 20
    ))
}

impl Context {
    /// The primary context of a card, with the kernels loaded.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a card that is not there or too old; [`Error::Device`] where the
    /// driver takes no image of a program, or fails.
    pub fn open(index: usize) -> Result<Self> {
        let count = check("counting cards", result::device::get_count())?;
        let ordinal = i32::try_from(index).ok().filter(|&i| i < count);
        let Some(ordinal) = ordinal else {
            return Err(Error::Unsupported {
                backend: "cuda".into(),
                what: format!("card {index}: the driver sees {count}"),
                way_out: "choose one from 0 on, or use the cpu backend".into(),
            });
        };
        let device = check("finding the card", result::device::get(ordinal))?;
        let name = check("naming the card", result::device::get_name(device))?;
        let capability = capability(device)?;
        if capability < OLDEST {
            return Err(Error::Unsupported {
                backend: "cuda".into(),
                what: format!(
                    "{name}: its compute capability is {}.{}",
                    capability.0, capability.1
                ),
                way_out: "use a card of capability 8.0 or newer, or the cpu backend".into(),
            });
        }
        // SAFETY: the device comes from the driver; `drop` releases it.
        let raw = check("making a context", unsafe {
            result::primary_ctx::retain(device)
        })?;
        let mut context = Self {
            raw,
            device,
            index,
            name,
            capability,
            modules: Vec::new(),
            library: OnceLock::new(),
        };
        context.bind()?;
        for program in PROGRAMS {
            let module = context.load(program)?;
            context.modules.push(module);
        }
        Ok(context)
    }

    /// The first image of a program that the driver takes.
    fn load(&self, program: &kernels::Source) -> Result<sys::CUmodule> {
        let mut refusals = Vec::new();
        for image in kernels::images(program, self.capability) {
            let bytes = match image.bytes() {
                Ok(bytes) => bytes,
                Err(refusal) => {
                    refusals.push(refusal);
                    continue;
                }
            };
            // SAFETY: a cubin, or PTX that ends with a zero byte.
            match unsafe { result::module::load_data(bytes.as_ptr().cast()) } {
                Ok(module) => return Ok(module),
                Err(e) => refusals.push(format!("{image}: {e}")),
            }
        }
        Err(Error::Device {
            backend: "cuda".into(),
            message: format!(
                "no image of {} can be loaded: {}; a driver for CUDA 13 or an NVRTC library helps",
                program.name,
                refusals.join("; ")
            ),
        })
    }

    /// Makes the context that of the calling thread.
    ///
    /// # Errors
    /// [`Error::Device`] where the driver fails.
    pub fn bind(&self) -> Result<()> {
        // SAFETY: the context lives as long as `self`.
        check("entering the context", unsafe {
            result::ctx::set_current(self.raw)
        })
    }

    /// The library of matrix products; makes the context current.
    ///
    /// # Errors
    /// As [`Library::open`].
    pub fn library(&self) -> Result<&Library> {
        self.bind()?;
        if let Some(library) = self.library.get() {
            return Ok(library);
        }
        let library = Library::open()?;
        Ok(self.library.get_or_init(|| library))
    }

    /// Name of the card, architecture and index.
    pub fn name(&self) -> String {
        let (major, minor) = self.capability;
        format!("{}, sm_{major}{minor}, card {}", self.name, self.index)
    }

    /// Its index as the driver counts.
    #[cfg(feature = "nccl")]
    pub const fn ordinal(&self) -> i32 {
        self.index as i32
    }

    /// Multiprocessors times their clock times the lanes that do integer arithmetic.
    pub fn integer_rate(&self) -> Option<f64> {
        self.rate(INTEGER_LANES[usize::from(self.capability >= (12, 0))])
    }

    /// The same for products of bytes on tensor cores.
    pub fn tensor_rate(&self) -> Option<f64> {
        let known = TENSOR_PRODUCTS.iter().find(|row| row.0 == self.capability);
        self.rate(known?.1)
    }

    /// What happens `each` times in a clock of each multiprocessor, in a second.
    fn rate(&self, each: f64) -> Option<f64> {
        use sys::CUdevice_attribute::{
            CU_DEVICE_ATTRIBUTE_CLOCK_RATE as KILOHERTZ,
            CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT as COUNT,
        };
        let attribute = |attribute| {
            // SAFETY: the device comes from the driver.
            unsafe { result::device::get_attribute(self.device, attribute) }.ok()
        };
        let (count, kilohertz) = (attribute(COUNT)?, attribute(KILOHERTZ)?);
        Some(f64::from(count) * f64::from(kilohertz) * 1e3 * each)
    }

    /// The kernel of a symbol.
    ///
    /// # Errors
    /// [`Error::Device`] where no module has it.
    pub fn function(&self, symbol: &str) -> Result<Function> {
        self.bind()?;
        let found = self.modules.iter().find_map(|&module| {
            let symbol = CString::new(symbol).ok()?;
            // SAFETY: the module is loaded until `drop`.
            unsafe { result::module::get_function(module, symbol) }.ok()
        });
        let found = found.ok_or_else(|| Error::Device {
            backend: "cuda".into(),
            message: format!("no kernel is named {symbol}"),
        })?;
        Ok(Function(found as usize))
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        if self.bind().is_ok() {
            drop(self.library.take());
            for &module in &self.modules {
                // SAFETY: each module was loaded once, and no queue is left.
                let _ = unsafe { result::module::unload(module) };
            }
        }
        // SAFETY: retained once by `open`.
        let _ = unsafe { result::primary_ctx::release(self.device) };
    }
}
