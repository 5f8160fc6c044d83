//! The backends by name: the only file that names them.

use std::fmt::Display;

use ckks_cpu::{CpuBackend, CpuOptions, KernelChoice, available_kernels};
use ckks_gpu_cuda::{CudaBackend, CudaOptions};
#[cfg(feature = "wgpu")]
use ckks_gpu_wgpu::WgpuBackend;
use ckks_math::backend::Backend;

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

/// What is done with a backend, whichever it is.
pub trait Visitor {
    /// What comes of it.
    type Output;

    /// Works on a backend that runs on `threads` threads of the host.
    fn visit<B: Backend>(self, backend: B, threads: usize) -> Self::Output;
}

/// Makes an engine of a backend.
struct Boxed;

impl Visitor for Boxed {
    type Output = Box<dyn Engine>;

    fn visit<B: Backend>(self, backend: B, _: usize) -> Box<dyn Engine> {
        Box::new(OnBackend(backend))
    }
}

/// The engine of a backend, see [`visit`].
///
/// # Errors
///
/// Those of [`visit`].
pub fn open(name: &str, threads: Option<usize>) -> Result<Box<dyn Engine>> {
    visit(name, threads, Boxed)
}

/// Opens a backend of its own memory and hands it to the visitor; `cuda:1` is the second card,
/// `wgpu:1` the second adapter. Options of a backend follow behind commas:
/// `cuda:1,graphs,keys=fused`, see [`CudaOptions::WORDS`].
///
/// `threads` are those of the CPU's, the calling one among them, one for each core if `None`.
///
/// # Errors
///
/// For names and options that this build does not know, naming those it does, and where the
/// device or its driver is missing.
pub fn visit<V: Visitor>(name: &str, threads: Option<usize>, visitor: V) -> Result<V::Output> {
    let (device, options) = name.split_once(',').unwrap_or((name, ""));
    let (kind, index) = match device.split_once(':') {
        Some((kind, index)) => (kind, index.parse().ok()),
        None => (device, Some(0)),
    };
    if BUILT_IN.contains(&kind) && kind != "cuda" && !options.is_empty() {
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
            let backend = CpuBackend::open(options)?;
            let threads = backend.threads();
            Ok(visitor.visit(backend, threads))
        }
        ("cuda", Some(index)) => {
            let options: CudaOptions = options.parse()?;
            let card = CudaBackend::open(index)?;
            Ok(visitor.visit(card.with_options(options)?, 1))
        }
        #[cfg(feature = "wgpu")]
        ("wgpu", Some(index)) => Ok(visitor.visit(WgpuBackend::open(index)?, 1)),
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

/// Devices of a kind as [`visit`] counts them.
fn numbered(kind: &str, devices: &[impl Display]) -> String {
    let lines = devices.iter().enumerate();
    let lines: Vec<String> = lines.map(|(i, d)| format!("{kind}:{i} {d}")).collect();
    lines.join("; ")
}

/// All backends that there are, present or not.
///
/// # Errors
///
/// When the CPU cannot be opened; another device that cannot is listed with the reason.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The name of a backend and its threads.
    struct Seen;

    impl Visitor for Seen {
        type Output = (String, usize);

        fn visit<B: Backend>(self, backend: B, threads: usize) -> (String, usize) {
            (backend.name(), threads)
        }
    }

    #[test]
    fn the_cpu_opens_with_the_threads_that_are_asked_for() {
        let (name, threads) = visit("cpu", Some(1), Seen).expect("is always there");
        assert!(name.starts_with("cpu"), "{name}");
        assert_eq!(threads, 1);
    }

    #[test]
    fn every_name_opens_or_is_refused_with_what_there_is() {
        for name in [
            "cuda",
            "cuda:99",
            "cuda,graphs",
            "cuda,tricks",
            "cpu,graphs",
        ] {
            if let Err(refusal) = visit(name, None, Seen) {
                let typed = matches!(refusal, Error::Scheme(ckks_math::Error::Unsupported { .. }));
                assert!(typed, "{name}: {refusal}");
            }
        }
        for name in ["cuda,tricks", "cpu,graphs"] {
            let refusal = visit(name, None, Seen).expect_err("no such option");
            assert!(
                refusal.to_string().contains(CudaOptions::WORDS),
                "{refusal}"
            );
        }
        for name in ["tpu", "tpu,graphs", "cuda:x", "cpu:1"] {
            let refusal = visit(name, None, Seen).expect_err("no such backend");
            assert!(
                matches!(refusal, Error::Backend { .. }),
                "{name}: {refusal}"
            );
        }
        let wgpu = visit("wgpu", None, Seen);
        assert_eq!(
            matches!(wgpu, Err(Error::Backend { .. })),
            !BUILT_IN.contains(&"wgpu")
        );
    }
}
