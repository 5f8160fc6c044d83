//! Sources of the kernels, and the pipelines made of them on first use.

use crate::driver::Card;
use ckks_math::{Error, Result};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A program: its name, the parts of its source behind the shared ones, and its kernels.
pub struct Program {
    /// Its name.
    pub name: &'static str,
    parts: &'static [&'static str],
    /// Its kernels; no two programs share a name.
    pub kernels: &'static [&'static str],
}

/// The binding of the block that a kernel writes.
const OUT: u32 = 2;

const PORTABLE: &str = include_str!("../wgsl/multiply_portable.wgsl");
const LONG: &str = include_str!("../wgsl/multiply_long.wgsl");
const SHARED: [&str; 2] = [
    include_str!("../wgsl/arith.wgsl"),
    include_str!("../wgsl/blocks.wgsl"),
];
const AUTOMORPHISM: &str = include_str!("../wgsl/automorphism.wgsl");

/// All programs.
pub const PROGRAMS: [Program; 8] = [
    Program {
        name: "pointwise",
        parts: &[AUTOMORPHISM, include_str!("../wgsl/pointwise.wgsl")],
        kernels: &[
            "add",
            "subtract",
            "multiply",
            "add_assign",
            "subtract_assign",
            "multiply_assign",
            "multiply_accumulate",
            "automorphism",
            "add_neighbours",
        ],
    },
    Program {
        name: "constants",
        parts: &[include_str!("../wgsl/constants.wgsl")],
        kernels: &[
            "scale_limbs",
            "offset_limbs",
            "add_scaled",
            "divide",
            "combine",
        ],
    },
    Program {
        name: "transfer",
        parts: &[include_str!("../wgsl/transfer.wgsl")],
        kernels: &[
            "import_plain",
            "export_plain",
            "copy_limbs",
            "embed",
            "unpack",
            "fill",
            "find_nonzero",
        ],
    },
    Program {
        name: "ntt",
        parts: &[include_str!("../wgsl/ntt.wgsl")],
        kernels: &[
            "ntt_rows",
            "ntt_columns",
            "intt_rows",
            "intt_columns",
            "fold",
            "unfold",
        ],
    },
    Program {
        name: "base_convert",
        parts: &[include_str!("../wgsl/base_convert.wgsl")],
        kernels: &["digits", "convert"],
    },
    Program {
        name: "products",
        parts: &[AUTOMORPHISM, include_str!("../wgsl/products.wgsl")],
        kernels: &["key_product", "sum_products"],
    },
    Program {
        name: "uniform",
        parts: &[include_str!("../wgsl/uniform.wgsl")],
        kernels: &["uniform_residues"],
    },
    Program {
        name: "gemm",
        parts: &[include_str!("../wgsl/gemm.wgsl")],
        kernels: &["gemm"],
    },
];

impl Program {
    /// The WGSL source for workgroups of `threads` threads and tiles of `2^log_tile` residues;
    /// `long`: with products of words by 64-bit integers, which only some adapters have.
    pub fn source(&self, long: bool, threads: u32, log_tile: u32) -> String {
        let tile = 1_u32 << log_tile;
        let sizes = format!("const THREADS: u32 = {threads}u;\nconst TILE: u32 = {tile}u;\n");
        let product = if long { LONG } else { PORTABLE };
        let mut parts = vec![sizes.as_str(), product];
        parts.extend(SHARED);
        parts.extend(self.parts);
        parts.join("\n")
    }
}

/// A kernel that can be launched.
pub(crate) struct Pipeline {
    pub pipeline: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
}

/// The kernels of a device; modules and pipelines are made on first use.
pub(crate) struct Kernels {
    long: bool,
    threads: u32,
    log_tile: u32,
    made: Mutex<Made>,
}

#[derive(Default)]
struct Made {
    modules: HashMap<&'static str, wgpu::ShaderModule>,
    pipelines: HashMap<&'static str, Arc<Pipeline>>,
}

impl Kernels {
    pub fn new(card: &Card) -> Self {
        Self {
            long: card.long,
            threads: card.threads,
            log_tile: card.log_tile,
            made: Mutex::default(),
        }
    }

    /// The pipeline of a kernel that is launched with some buffers at `bindings`,
    /// beside its arguments.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a name that no program has, and failures of the device.
    pub fn pipeline(
        &self,
        card: &Card,
        kernel: &'static str,
        bindings: impl Iterator<Item = u32>,
    ) -> Result<Arc<Pipeline>> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipeline) = made.pipelines.get(kernel) {
            return Ok(pipeline.clone());
        }
        let program = PROGRAMS.iter().find(|p| p.kernels.contains(&kernel));
        let program = program.ok_or_else(|| Error::Unsupported {
            backend: "wgpu".into(),
            what: format!("the kernel {kernel}"),
            way_out: "name one of its programs".into(),
        })?;
        let module = made.modules.entry(program.name).or_insert_with(|| {
            let source = program.source(self.long, self.threads, self.log_tile);
            let descriptor = wgpu::ShaderModuleDescriptor {
                label: Some(program.name),
                source: wgpu::ShaderSource::Wgsl(source.into()),
            };
            card.device.create_shader_module(descriptor)
        });
        let entries: Vec<_> = std::iter::once(0)
            .chain(bindings)
            .map(layout_entry)
            .collect();
        let layout = card
            .device
            .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: Some(kernel),
                entries: &entries,
            });
        let pipeline_layout = card
            .device
            .create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: Some(kernel),
                bind_group_layouts: &[Some(&layout)],
                immediate_size: 0,
            });
        let descriptor = wgpu::ComputePipelineDescriptor {
            label: Some(kernel),
            layout: Some(&pipeline_layout),
            module,
            entry_point: Some(kernel),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &[],
                // Kernels write workgroup memory before they read it.
                zero_initialize_workgroup_memory: false,
            },
            cache: None,
        };
        let pipeline = card.device.create_compute_pipeline(&descriptor);
        card.failure.check()?;
        let pipeline = Arc::new(Pipeline { pipeline, layout });
        made.pipelines.insert(kernel, pipeline.clone());
        Ok(pipeline)
    }
}

/// What lies at a binding of `blocks.wgsl`.
fn layout_entry(binding: u32) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer {
            ty: wgpu::BufferBindingType::Storage {
                read_only: binding != OUT,
            },
            has_dynamic_offset: false,
            min_binding_size: None,
        },
        count: None,
    }
}
