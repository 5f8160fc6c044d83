//! The backends by name: the only file that names them.

use ckks_cpu::{CpuBackend, CpuOptions, KernelChoice, available_kernels};

use crate::error::{Error, Result};
use crate::protocol::engine::{Engine, OnBackend};

/// Names of the backends built in, the default first.
pub const BUILT_IN: &[&str] = &["cpu"];
/// Backends that this build lacks, and why.
const ABSENT: &[(&str, &str)] = &[
    (
        "cuda",
        "the CUDA kernels are not built yet, this build has none",
    ),
    (
        "wgpu",
        "the WebGPU shaders are not built yet, this build has none",
    ),
];

/// A backend in a listing.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its name.
    pub name: &'static str,
    /// What it is, or why it is absent.
    pub description: String,
    /// Whether it can be opened.
    pub present: bool,
}

/// Opens a backend of its own memory and `threads` threads, one for each core if `None`.
///
/// Fails for names that this build does not know and lists those it does.
pub fn open(name: &str, threads: Option<usize>) -> Result<Box<dyn Engine>> {
    if name == "cpu" {
        let options = CpuOptions {
            threads,
            ..CpuOptions::default()
        };
        return Ok(Box::new(OnBackend(CpuBackend::open(options)?)));
    }
    let why = ABSENT.iter().find(|(absent, _)| *absent == name);
    Err(Error::Backend {
        name: name.to_owned(),
        built: BUILT_IN.join(", "),
        why: why.map_or("`he-llama devices` lists them", |(_, why)| why),
    })
}

/// All backends that there are, present or not.
pub fn devices() -> Result<Vec<Listed>> {
    let engine = open("cpu", None)?;
    let limits = engine.limits();
    let kernels: Vec<&str> = available_kernels()
        .into_iter()
        .map(KernelChoice::name)
        .collect();
    let description = format!(
        "{}; kernels: {}; primes of up to {} bits, ring degree up to {}",
        engine.name(),
        kernels.join(", "),
        limits.max_modulus_bits,
        limits.max_degree
    );
    let mut all = vec![Listed {
        name: "cpu",
        description,
        present: true,
    }];
    all.extend(ABSENT.iter().map(|&(name, why)| Listed {
        name,
        description: why.to_owned(),
        present: false,
    }));
    Ok(all)
}
