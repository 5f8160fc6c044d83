//! Adapters: which there are, what they admit, and how one is opened.

use super::Failure;
use ckks_math::{Error, Result};
use std::sync::Arc;

/// Threads of a workgroup, where the adapter admits them; every WebGPU adapter does.
const THREADS: u32 = 256;
/// Largest `log2` of the residues of one tile of a transform: 16 KiB, which every WebGPU adapter has.
const LOG_TILE: u32 = 12;

/// How a backend is opened, beside which adapter it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Leaves 64-bit integers alone where the adapter has them.
    pub portable: bool,
    /// Fails with [`Error::OutOfMemory`] before more bytes than these are held; `None`: the adapter
    /// says when it has no more.
    pub memory: Option<u64>,
    /// Bytes from which on a block goes on in another buffer, if less than what the adapter admits, a
    /// row at least: for tests of blocks of several buffers.
    pub buffer: Option<u64>,
}

/// An adapter in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its name, driver and graphics system.
    pub name: String,
    /// Largest buffer that a kernel can see, in bytes.
    pub largest_buffer: u64,
    /// Whether it has 64-bit integers.
    pub long_integers: bool,
    /// Why it cannot be used, if so.
    pub refusal: Option<String>,
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

fn adapters() -> Vec<wgpu::Adapter> {
    let systems = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
    let descriptor = wgpu::InstanceDescriptor {
        backends: systems,
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    };
    let instance = wgpu::Instance::new(descriptor);
    pollster::block_on(instance.enumerate_adapters(systems))
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
pub fn found() -> Vec<Found> {
    let of = |adapter: &wgpu::Adapter| {
        let limits = adapter.limits();
        Found {
            name: name_of(&adapter.get_info()),
            largest_buffer: largest(&limits),
            long_integers: adapter.features().contains(wgpu::Features::SHADER_INT64),
            refusal: refusal(&limits),
        }
    };
    adapters().iter().map(of).collect()
}

fn largest(limits: &wgpu::Limits) -> u64 {
    limits
        .max_storage_buffer_binding_size
        .min(limits.max_buffer_size)
}

impl Card {
    /// Opens the adapter of an index.
    pub fn open(index: usize, options: Options) -> Result<Self> {
        let unsupported = |what: String, way_out: &str| Error::Unsupported {
            backend: "wgpu".into(),
            what,
            way_out: way_out.into(),
        };
        let all = adapters();
        let count = all.len();
        let Some(adapter) = all.into_iter().nth(index) else {
            return Err(if count == 0 {
                let what =
                    format!("adapter {index}: no driver of Vulkan, Metal or DirectX 12 found");
                unsupported(what, "install one, or use the cpu backend")
            } else {
                let what = format!("adapter {index} where there are {count}");
                unsupported(what, "count from 0, or use the cpu backend")
            });
        };
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
