//! The conformance suite, bit for bit, in three orders of the threads.

use ckks_gpu_cuda::{CudaBackend, KernelSet};
use ckks_math::conformance::{DefaultsOnly, Skip, suite};

fn open(seed: u64) -> Result<CudaBackend, Skip> {
    CudaBackend::open_executor(KernelSet::Plain, seed)
        .map_err(|e| Skip::new("executor", e.to_string()))
}

suite! { mod plain, backend = open(1) }
suite! { mod poisoned, backend = open(2).map(CudaBackend::poisoned) }
suite! { mod defaults, backend = open(3).map(DefaultsOnly) }
