//! What a caller may choose.

use crate::simd::Vector;

/// How to open a [`crate::CpuBackend`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuOptions {
    /// Threads to work with, the calling one included; `None` takes one for each core.
    pub threads: Option<usize>,
    /// Which kernels to use.
    pub kernels: KernelChoice,
}

/// Which kernels to use; all give the same bits. Those that the machine lacks are refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KernelChoice {
    /// The fastest that this machine has.
    #[default]
    Auto,
    /// Plain Rust, on every machine.
    Reference,
    /// AVX-512 with 52-bit products; primes of more than 50 bits take 64-bit ones.
    Avx512Ifma,
    /// AVX-512 without them; primes of up to 50 bits by fused multiply-add of doubles.
    Avx512,
    /// AVX2 and FMA; the same arithmetic as [`KernelChoice::Avx512`].
    Avx2,
    /// NEON; the same arithmetic as [`KernelChoice::Avx512`].
    Neon,
}

impl KernelChoice {
    /// All with an instruction set of their own, fastest first.
    pub(crate) const VECTOR: [Self; 4] = [Self::Avx512Ifma, Self::Avx512, Self::Avx2, Self::Neon];

    /// The name in listings and in [`ckks_math::backend::Device::name`].
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Reference => "reference",
            Self::Avx512Ifma => "avx512-ifma",
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Neon => "neon",
        }
    }
}

/// The kernels that this machine can run, fastest first.
pub fn available_kernels() -> Vec<KernelChoice> {
    let vector = KernelChoice::VECTOR.into_iter();
    let present = vector.filter(|&choice| Vector::detect(choice).is_some());
    present.chain([KernelChoice::Reference]).collect()
}
