//! The backends by name: the only file that names them.

use std::fmt::Display;

use ckks_cpu::{CpuBackend, CpuOptions, KernelChoice, available_kernels};
use ckks_gpu_cuda::{CudaBackend, CudaOptions};
#[cfg(feature = "wgpu")]
use ckks_gpu_wgpu::WgpuBackend;

use crate::error::{Error, Result};
use crate::protocol::engine::{Engine, OnBackend};

/// Names of the backends built in, the default first.
pub const BUILT_IN: &[&str] = if cfg!(feature = "wgpu") {
    &["cpu", "cuda", "wgpu"]
} else {
    &["cpu", "cuda"]
};
/// Backends that this build lacks, and why.
const ABSENT: &[(&str, &str)] = if cfg!(feature = "wgpu") {
    &[]
} else {
    &[("wgpu", "not in this build: build it with `--features wgpu`")]
};

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

/// Opens a backend of its own memory; `cuda:1` is the second card, `wgpu:1` the second adapter. Options
/// of a backend follow behind commas: `cuda:1,graphs,keys=fused`, see [`CudaOptions::WORDS`].
///
/// `threads` are those of the CPU's, one for each core if `None`. Fails for names and options that this build
/// does not know and lists those it does, and where the device or its driver is missing.
pub fn open(name: &str, threads: Option<usize>) -> Result<Box<dyn Engine>> {
    let (device, options) = name.split_once(',').unwrap_or((name, ""));
    let (kind, index) = match device.split_once(':') {
        Some((kind, index)) => (kind, index.parse().ok()),
        None => (device, Some(0)),
    };
    if kind != "cuda" && !options.is_empty() {
        return Err(ckks_math::Error::Unsupported {
            backend: kind.to_owned(),
            what: format!("the options {options:?}"),
            way_out: format!("leave them out; those of cuda are {}", CudaOptions::WORDS),
        }
        .into());
    }
    match (kind, index) {
        ("cpu", Some(0)) => {
            let options = CpuOptions {
                threads,
                ..CpuOptions::default()
            };
            Ok(Box::new(OnBackend(CpuBackend::open(options)?)))
        }
        ("cuda", Some(index)) => {
            let options: CudaOptions = options.parse()?;
            let card = CudaBackend::open(index)?;
            Ok(Box::new(OnBackend(card.with_options(options))))
        }
        #[cfg(feature = "wgpu")]
        ("wgpu", Some(index)) => Ok(Box::new(OnBackend(WgpuBackend::open(index)?))),
        _ => {
            let why = ABSENT.iter().find(|(absent, _)| *absent == kind);
            Err(Error::Backend {
                name: name.to_owned(),
                built: BUILT_IN.join(", "),
                why: why.map_or("`he-llama devices` lists them", |(_, why)| why),
            })
        }
    }
}

/// Devices of a kind as [`open`] counts them.
fn numbered(kind: &str, devices: &[impl Display]) -> String {
    let lines = devices.iter().enumerate();
    let lines: Vec<String> = lines.map(|(i, d)| format!("{kind}:{i} {d}")).collect();
    lines.join("; ")
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
    let (cards, present) = match CudaBackend::cards() {
        Ok(cards) => (numbered("cuda", &cards), !cards.is_empty()),
        Err(refusal) => (refusal.to_string(), false),
    };
    let description = format!("{cards}; options: {}", CudaOptions::WORDS);
    all.push(Listed {
        name: "cuda",
        description,
        present,
    });
    #[cfg(feature = "wgpu")]
    all.push(adapters());
    all.extend(ABSENT.iter().map(|&(name, why)| Listed {
        name,
        description: why.to_owned(),
        present: false,
    }));
    Ok(all)
}

/// Every adapter that is found, with what it admits, or why there is none.
#[cfg(feature = "wgpu")]
fn adapters() -> Listed {
    let (description, present) = match WgpuBackend::adapters() {
        Ok(found) => {
            let present = found.iter().any(|adapter| adapter.refusal.is_none());
            (numbered("wgpu", &found), present)
        }
        Err(refusal) => (refusal.to_string(), false),
    };
    Listed {
        name: "wgpu",
        description,
        present,
    }
}
