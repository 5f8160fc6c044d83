//! The backends by name.

use crate::error::{Error, Result};
use ckks_cpu::{CpuBackend, CpuOptions};
use ckks_gpu_cuda::CudaBackend;
use ckks_gpu_wgpu::WgpuBackend;

/// Names of the backends, the default first.
pub const BACKENDS: &[&str] = &["cpu", "cuda", "wgpu"];

/// Opens the backend of a name: so far the CPU's is the only one that opens.
///
/// `threads` counts the calling one; `None` takes one for each core. Fails with
/// [`Error::UnknownBackend`], or with the backend's own refusal.
pub fn open(name: &str, threads: Option<usize>) -> Result<CpuBackend> {
    match name {
        "cpu" => Ok(CpuBackend::open(CpuOptions {
            threads,
            ..CpuOptions::default()
        })?),
        "cuda" => match CudaBackend::open(0)? {},
        "wgpu" => match WgpuBackend::open(0)? {},
        other => Err(Error::UnknownBackend {
            name: other.into(),
            known: BACKENDS,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_backend_opens_or_says_why_not() {
        assert_eq!(open("cpu", Some(1)).unwrap().threads(), 1);
        for name in ["cuda", "wgpu"] {
            let refusal = open(name, None).err().unwrap();
            assert!(matches!(
                refusal,
                Error::Scheme(ckks_math::Error::Unsupported { .. })
            ));
        }
        assert!(matches!(
            open("tpu", None),
            Err(Error::UnknownBackend { .. })
        ));
    }
}
