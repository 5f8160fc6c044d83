//! What a caller may choose.

use crate::simd::Ifma;

/// How to open a [`crate::CpuBackend`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuOptions {
    /// Threads to work with, the calling one included; `None` takes one for each core.
    pub threads: Option<usize>,
    /// Which kernels to use.
    pub kernels: KernelChoice,
}

/// Which kernels to use; all give the same bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum KernelChoice {
    /// The fastest that this machine has.
    #[default]
    Auto,
    /// Plain Rust, on every machine.
    Reference,
    /// AVX-512 with 52-bit products, fastest for primes below `2^50`; refused where the machine
    /// lacks it.
    Avx512Ifma,
}

impl KernelChoice {
    /// The name in listings and in [`ckks_math::backend::Device::name`].
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Reference => "reference",
            Self::Avx512Ifma => "avx512-ifma",
        }
    }
}

/// The kernels that this machine can run, fastest first.
pub fn available_kernels() -> Vec<KernelChoice> {
    let ifma = Ifma::detect().map(|_| KernelChoice::Avx512Ifma);
    ifma.into_iter().chain([KernelChoice::Reference]).collect()
}
