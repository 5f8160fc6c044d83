//! The portable GPU backend of [`ckks_math`] on Vulkan, Metal and DirectX 12: **not built yet**.
//!
//! The crate fixes the name and the way in, so that programs can already offer the choice and say
//! why it is refused. It has no shaders and no graphics dependency: [`WgpuBackend::open`] always
//! returns a typed error, and no value of [`WgpuBackend`] exists.
//!
//! What it will be: compute shaders without 64-bit integers, so on primes of at most 31 bits (a
//! level is then a group of primes, as in the preset `n16-boot-w31`), behind the traits of
//! [`ckks_math::backend`], held to the same conformance suite and to the same bits as the CPU.
#![forbid(unsafe_code)]

use ckks_math::{Error, Result};

/// A graphics adapter. Without shaders there is none to hold: the type has no values.
#[derive(Clone, Copy, Debug)]
pub enum WgpuBackend {}

impl WgpuBackend {
    /// Opens the adapter of an index, in the order the graphics system lists them.
    ///
    /// Fails with [`Error::Unsupported`]: this build has no shaders.
    ///
    /// ```
    /// let refused = ckks_gpu_wgpu::WgpuBackend::open(0).unwrap_err();
    /// assert!(refused.to_string().contains("use the cpu backend"));
    /// ```
    pub fn open(adapter: usize) -> Result<Self> {
        Err(Error::Unsupported {
            backend: "wgpu".into(),
            what: format!("adapter {adapter}: its shaders are not built yet"),
            way_out: "use the cpu backend".into(),
        })
    }
}
