//! The conformance suite on the CPU: as it is, with memory poisoned, and with default bodies only;
//! for the kernels this machine would choose and for the reference kernels.

use ckks_cpu::{CpuBackend, CpuOptions, KernelChoice};
use ckks_math::conformance::{DefaultsOnly, Skip, suite};

/// The CPU with two threads, so that work is shared on any machine.
fn open(kernels: KernelChoice) -> Result<CpuBackend, Skip> {
    let options = CpuOptions {
        threads: Some(2),
        kernels,
    };
    Ok(CpuBackend::open(options).expect("these kernels run on every machine"))
}

mod auto {
    use super::*;

    suite! { mod plain, backend = open(KernelChoice::Auto) }
    suite! { mod poisoned, backend = open(KernelChoice::Auto).map(CpuBackend::poisoned) }
    suite! { mod defaults, backend = open(KernelChoice::Auto).map(DefaultsOnly) }
}

mod reference {
    use super::*;

    suite! { mod plain, backend = open(KernelChoice::Reference) }
    suite! { mod poisoned, backend = open(KernelChoice::Reference).map(CpuBackend::poisoned) }
    suite! { mod defaults, backend = open(KernelChoice::Reference).map(DefaultsOnly) }
}
