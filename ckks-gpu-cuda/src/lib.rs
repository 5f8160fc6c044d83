//! The CUDA backend of [`ckks_math`]: **not built yet**.
//!
//! The crate fixes the name and the way in, so that programs can already offer the choice and say
//! why it is refused. It has no kernels and no driver dependency: [`CudaBackend::open`] always
//! returns a typed error, and no value of [`CudaBackend`] exists.
//!
//! What it will be: kernels compiled at run time for the card at hand, behind the traits of
//! [`ckks_math::backend`], held to the same conformance suite and to the same bits as the CPU.
#![forbid(unsafe_code)]

use ckks_math::{Error, Result};

/// A CUDA device. Without kernels there is none to hold: the type has no values.
#[derive(Clone, Copy, Debug)]
pub enum CudaBackend {}

impl CudaBackend {
    /// Opens the card of an index, counted as the driver counts.
    ///
    /// Fails with [`Error::Unsupported`]: this build has no CUDA kernels.
    ///
    /// ```
    /// let refused = ckks_gpu_cuda::CudaBackend::open(0).unwrap_err();
    /// assert!(refused.to_string().contains("use the cpu backend"));
    /// ```
    pub fn open(device: usize) -> Result<Self> {
        Err(Error::Unsupported {
            backend: "cuda".into(),
            what: format!("device {device}: its kernels are not built yet"),
            way_out: "use the cpu backend".into(),
        })
    }
}
