//! The backends by name.

use crate::error::{Error, Result};
use ckks_cpu::{CpuBackend, CpuOptions};
use ckks_gpu_cuda::{CudaBackend, CudaOptions};
#[cfg(feature = "wgpu")]
use ckks_gpu_wgpu::WgpuBackend;
use ckks_math::backend::Backend;

/// Names of the backends, the default first.
pub const BACKENDS: &[&str] = &["cpu", "cuda", "wgpu"];

/// What a program does with a backend, whichever it is.
pub trait Visitor {
    /// Works on a backend that runs on `threads` threads of the host.
    fn visit<B: Backend>(&mut self, backend: &B, threads: usize) -> Result<()>;
}

/// Opens the backend of a name and hands it to the visitor; `cuda:1` is the second card, `cuda,graphs`
/// the first with an option ([`CudaOptions::WORDS`]).
///
/// `threads` counts the calling one; `None` takes one for each core. Fails with
/// [`Error::UnknownBackend`], or with the backend's own refusal.
pub fn visit(name: &str, threads: Option<usize>, visitor: &mut impl Visitor) -> Result<()> {
    let unknown = || Error::UnknownBackend {
        name: name.into(),
        known: BACKENDS,
    };
    let (device, options) = name.split_once(',').unwrap_or((name, ""));
    let (kind, index) = match device.split_once(':') {
        Some((kind, index)) => (kind, index.parse().map_err(|_| unknown())?),
        None => (device, 0),
    };
    match kind {
        "cuda" => {
            let options: CudaOptions = options.parse()?;
            visitor.visit(&CudaBackend::open(index)?.with_options(options), 1)
        }
        _ if !options.is_empty() => Err(unknown()),
        "cpu" if index == 0 => {
            let backend = cpu(threads)?;
            visitor.visit(&backend, backend.threads())
        }
        #[cfg(feature = "wgpu")]
        "wgpu" => visitor.visit(&WgpuBackend::open(index)?, 1),
        #[cfg(not(feature = "wgpu"))]
        "wgpu" => Err(ckks_math::Error::Unsupported {
            backend: "wgpu".into(),
            what: "any adapter: it is not in this build".into(),
            way_out: "build it with `--features wgpu`, or use the cpu backend".into(),
        }
        .into()),
        _ => Err(unknown()),
    }
}

/// Opens the CPU; threads as in [`visit`].
pub fn cpu(threads: Option<usize>) -> Result<CpuBackend> {
    Ok(CpuBackend::open(CpuOptions {
        threads,
        ..CpuOptions::default()
    })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Names(Vec<(String, usize)>);

    impl Visitor for Names {
        fn visit<B: Backend>(&mut self, backend: &B, threads: usize) -> Result<()> {
            self.0.push((backend.name(), threads));
            Ok(())
        }
    }

    #[test]
    fn every_listed_backend_opens_or_says_why_not() {
        let mut names = Names(Vec::new());
        visit("cpu", Some(1), &mut names).unwrap();
        assert_eq!(names.0.len(), 1);
        assert_eq!(names.0[0].1, 1);
        for name in ["cuda", "cuda:99", "cuda,graphs", "cuda,tricks", "wgpu"] {
            if let Err(refusal) = visit(name, None, &mut names) {
                assert!(matches!(
                    refusal,
                    Error::Scheme(ckks_math::Error::Unsupported { .. })
                ));
            }
        }
        for name in ["tpu", "cuda:x", "cpu:1", "cpu,graphs"] {
            assert!(matches!(
                visit(name, None, &mut names),
                Err(Error::UnknownBackend { .. })
            ));
        }
    }
}
