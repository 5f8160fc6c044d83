//! Adapters: which there are, what they admit, and how one is opened.

use super::Failure;
use ckks_math::backend::Limits;
use ckks_math::{Error, Result};
use std::fmt;
use std::sync::Arc;

/// Threads of a workgroup, where the adapter admits them; every WebGPU adapter does.
const THREADS: u32 = 256;
/// Largest `log2` of the residues of one tile of a transform: 16 KiB, which every WebGPU adapter
/// has.
const LOG_TILE: u32 = 12;

/// How a backend is opened, beside which adapter it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Leaves 64-bit integers alone where the adapter has them.
    pub portable: bool,
    /// Fails with [`Error::OutOfMemory`] before more bytes than these are held; `None`: the adapter
    /// says when it has no more.
    pub memory: Option<u64>,
    /// Bytes from which on a block goes on in another buffer, if less than what the adapter admits,
    /// a row at least: for tests of blocks of several buffers.
    pub buffer: Option<u64>,
}

/// What rings the kernels serve, on any adapter.
pub const RINGS: Limits = Limits {
    max_modulus_bits: 31,
    max_degree: 1 << 17,
};

/// An adapter in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its name, driver and graphics system.
    pub name: String,
    /// Largest buffer that a kernel can see, in bytes.
    pub largest_buffer: u64,
    /// Buffers that a kernel can see.
    pub buffers: u32,
    /// Threads of a workgroup.
    pub threads: u32,
    /// Bytes that a workgroup shares.
    pub workgroup_storage: u32,
    /// Whether it has 64-bit integers.
    pub long_integers: bool,
    /// Why it cannot be used, if so.
    pub refusal: Option<String>,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, {} 64-bit integers, {} buffers of up to {} MiB a kernel, workgroups of up to {} threads and {} KiB, \
             primes of up to {} bits, ring degree up to {}",
            self.name,
            if self.long_integers {
                "with"
            } else {
                "without"
            },
            self.buffers,
            self.largest_buffer >> 20,
            self.threads,
            self.workgroup_storage >> 10,
            RINGS.max_modulus_bits,
            RINGS.max_degree
        )?;
        match &self.refusal {
            Some(why) => write!(f, ", unusable: {why}"),
            None => Ok(()),
        }
    }
}

/// An open adapter.
pub struct Card {
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    pub failure: Arc<Failure>,
    /// Its name, with the path of its products.
    pub name: String,
    /// Whether products of words go through 64-bit integers.
    pub long: bool,
    /// Threads of a workgroup.
    pub threads: u32,
    /// `log2` of the residues of one tile of a transform.
    pub log_tile: u32,
    /// Largest buffer in bytes.
    pub largest: u64,
    /// Largest extent of a launch on one axis, in workgroups.
    pub extent: u32,
    /// Alignment of parts of a buffer that are bound, in bytes.
    pub alignment: u32,
}

fn unsupported(what: String, way_out: &str) -> Error {
    Error::Unsupported {
        backend: "wgpu".into(),
        what,
        way_out: way_out.into(),
    }
}

/// The adapters of this machine, cards before drivers that run on the CPU; fails where there is
/// none.
fn adapters() -> Result<Vec<wgpu::Adapter>> {
    let systems = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
    let descriptor = wgpu::InstanceDescriptor {
        backends: systems,
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    };
    let instance = wgpu::Instance::new(descriptor);
    let mut found = pollster::block_on(instance.enumerate_adapters(systems));
    if found.is_empty() {
        let what = format!(
            "this machine: no adapter of Vulkan, Metal or DirectX 12 ({})",
            absence(&instance)
        );
        let way_out = "install a driver, or use the cpu backend";
        return Err(unsupported(what, way_out));
    }
    found.sort_by_key(|adapter| match adapter.get_info().device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    });
    Ok(found)
}

/// What became of each graphics system that this build has, in the words of wgpu.
fn absence(instance: &wgpu::Instance) -> String {
    let request = wgpu::RequestAdapterOptions::default();
    let refused = pollster::block_on(instance.request_adapter(&request)).err();
    let words = refused.map_or(String::new(), |refused| refused.to_string());
    let parts = words.rsplit("; ").next().unwrap_or_default().split(", ");
    let asked = parts.filter(|part| {
        let unasked = ["not requested", "support not compiled in"];
        !unasked.iter().any(|end| part.ends_with(end))
    });
    asked.collect::<Vec<_>>().join(", ")
}

fn name_of(info: &wgpu::AdapterInfo) -> String {
    let driver = format!("{} {}", info.driver, info.driver_info);
    format!("{}, {}, {}", info.name, info.backend, driver.trim())
}

/// The limits that kernels need beyond what a WebGPU adapter has anyway; why one is missing.
fn refusal(limits: &wgpu::Limits) -> Option<String> {
    let needs = [
        (
            "storage buffers a stage",
            limits.max_storage_buffers_per_shader_stage,
            8,
        ),
        (
            "bytes of workgroup storage",
            limits.max_compute_workgroup_storage_size,
            4 << 9,
        ),
        (
            "threads of a workgroup",
            limits.max_compute_invocations_per_workgroup,
            32,
        ),
        (
            "workgroups on one axis",
            limits.max_compute_workgroups_per_dimension,
            65_535,
        ),
    ];
    let missing = needs.into_iter().find(|&(_, has, needed)| has < needed);
    missing.map(|(what, has, needed)| format!("{has} {what} where {needed} are needed"))
}

/// The adapters of this machine, in the order in which they are opened.
///
/// # Errors
/// [`Error::Unsupported`] where there is none.
pub fn found() -> Result<Vec<Found>> {
    let of = |adapter: &wgpu::Adapter| {
        let limits = adapter.limits();
        Found {
            name: name_of(&adapter.get_info()),
            largest_buffer: largest(&limits),
            buffers: limits.max_storage_buffers_per_shader_stage,
            threads: limits.max_compute_invocations_per_workgroup,
            workgroup_storage: limits.max_compute_workgroup_storage_size,
            long_integers: adapter.features().contains(wgpu::Features::SHADER_INT64),
            refusal: refusal(&limits),
        }
    };
    Ok(adapters()?.iter().map(of).collect())
}

fn largest(limits: &wgpu::Limits) -> u64 {
    limits
        .max_storage_buffer_binding_size
        .min(limits.max_buffer_size)
}

impl Card {
    /// Opens the adapter of an index.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where there is no such adapter, or it lacks what kernels need.
    pub fn open(index: usize, options: Options) -> Result<Self> {
        let mut all = adapters()?;
        if index >= all.len() {
            let what = format!("adapter {index} where there are {}", all.len());
            return Err(unsupported(what, "count from 0, or use the cpu backend"));
        }
        let adapter = all.swap_remove(index);
        let (info, limits) = (adapter.get_info(), adapter.limits());
        if let Some(refusal) = refusal(&limits) {
            let what = format!("adapter {}: {refusal}", name_of(&info));
            return Err(unsupported(what, "use another adapter or the cpu backend"));
        }
        let integers = wgpu::Features::SHADER_INT64;
        let long = !options.portable && adapter.features().contains(integers);
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("ckks"),
            required_features: if long {
                integers
            } else {
                wgpu::Features::empty()
            },
            required_limits: limits.clone(),
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            ..wgpu::DeviceDescriptor::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor))
            .map_err(|e| unsupported(format!("adapter {}: {e}", name_of(&info)), "use another"))?;
        let path = if long {
            "64-bit products"
        } else {
            "32-bit products"
        };
        let name = format!("{}, {path}", name_of(&info));
        let failure = Arc::new(Failure::new(format!("wgpu ({name})")));
        watch(&device, &failure);
        let held = limits.max_compute_workgroup_storage_size / 4;
        // Buffers hold whole words, copied in multiples of four bytes.
        let largest = largest(&limits) & !255;
        let threads = (limits.max_compute_invocations_per_workgroup)
            .min(limits.max_compute_workgroup_size_x)
            .min(THREADS);
        Ok(Self {
            device,
            queue,
            failure,
            name,
            long,
            threads: 1 << threads.ilog2(),
            log_tile: held.ilog2().min(LOG_TILE),
            largest,
            extent: limits.max_compute_workgroups_per_dimension,
            alignment: limits.min_storage_buffer_offset_alignment.max(4),
        })
    }

    /// A new buffer that commands can write to; none where the device has no memory for it.
    pub fn buffer(&self, size: u64, usage: wgpu::BufferUsages) -> Option<wgpu::Buffer> {
        let scope = (self.device).push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size,
            usage: usage | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let refused = pollster::block_on(scope.pop());
        refused.is_none().then_some(buffer)
    }
}

/// Errors that no call returns are kept for the next one.
fn watch(device: &wgpu::Device, failure: &Arc<Failure>) {
    let lost = failure.clone();
    device.set_device_lost_callback(move |reason, message| {
        lost.device(format!("the device is lost ({reason:?}): {message}"));
    });
    let late = failure.clone();
    device.on_uncaptured_error(Arc::new(move |error| {
        match error {
            wgpu::Error::OutOfMemory { .. } => late.memory(0, 0),
            wgpu::Error::Validation { description, .. }
            | wgpu::Error::Internal { description, .. } => late.device(description),
        };
    }));
}
