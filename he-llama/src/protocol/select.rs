//! The backends by name: the only file that names them.

use ckks_cpu::{CpuBackend, CpuOptions, KernelChoice, available_kernels};
use ckks_gpu_cuda::CudaBackend;

use crate::error::{Error, Result};
use crate::protocol::engine::{Engine, OnBackend};

/// Names of the backends built in, the default first.
pub const BUILT_IN: &[&str] = &["cpu", "cuda"];
/// Backends that this build lacks, and why.
const ABSENT: &[(&str, &str)] = &[(
    "wgpu",
    "the WebGPU shaders are not built yet, this build has none",
)];

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

/// Opens a backend of its own memory; `cuda:1` is the second card.
///
/// `threads` are those of the CPU's, one for each core if `None`. Fails for names that this build
/// does not know and lists those it does, and where the device or its driver is missing.
pub fn open(name: &str, threads: Option<usize>) -> Result<Box<dyn Engine>> {
    let (kind, index) = match name.split_once(':') {
        Some((kind, index)) => (kind, index.parse().ok()),
        None => (name, Some(0)),
    };
    match (kind, index) {
        ("cpu", Some(0)) => {
            let options = CpuOptions {
                threads,
                ..CpuOptions::default()
            };
            Ok(Box::new(OnBackend(CpuBackend::open(options)?)))
        }
        ("cuda", Some(index)) => Ok(Box::new(OnBackend(CudaBackend::open(index)?))),
        _ => {
            let why = ABSENT.iter().find(|(absent, _)| *absent == name);
            Err(Error::Backend {
                name: name.to_owned(),
                built: BUILT_IN.join(", "),
                why: why.map_or("`he-llama devices` lists them", |(_, why)| why),
            })
        }
    }
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
    let (description, present) = match CudaBackend::cards() {
        Ok(cards) => (cards.join("; "), !cards.is_empty()),
        Err(refusal) => (refusal.to_string(), false),
    };
    all.push(Listed {
        name: "cuda",
        description,
        present,
    });
    all.extend(ABSENT.iter().map(|&(name, why)| Listed {
        name,
        description: why.to_owned(),
        present: false,
    }));
    Ok(all)
}
