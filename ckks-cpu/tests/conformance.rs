//! The conformance suite on the CPU: as it is, with memory poisoned, and with default bodies only;
//! for each kind of kernels. Those that the machine lacks are skipped, unless
//! `CKKS_REQUIRE_DEVICE` names them.

use ckks_cpu::{CpuBackend, CpuOptions, KernelChoice};
use ckks_math::conformance::{DefaultsOnly, Skip, suite};

/// The CPU with two threads, so that work is shared on any machine.
fn open(kernels: KernelChoice) -> Result<CpuBackend, Skip> {
    let options = CpuOptions {
        threads: Some(2),
        kernels,
    };
    CpuBackend::open(options).map_err(|error| Skip::new(kernels.name(), error.to_string()))
}

/// The three suites of one kind of kernels.
macro_rules! suites {
    ($($name:ident: $kernels:ident),*) => {$(
        mod $name {
            use super::*;

            suite! { mod plain, backend = open(KernelChoice::$kernels) }
            suite! { mod poisoned, backend = open(KernelChoice::$kernels).map(CpuBackend::poisoned) }
            suite! { mod defaults, backend = open(KernelChoice::$kernels).map(DefaultsOnly) }
        }
    )*};
}

suites! { auto: Auto, reference: Reference, avx512: Avx512, avx2: Avx2, neon: Neon }
