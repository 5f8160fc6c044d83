//! The backends by name.

use crate::error::Result;
use ckks_cpu::{CpuBackend, CpuOptions};
pub use he_llama::backends::{Visitor, visit};

/// Opens the CPU; `threads` counts the calling one, `None` takes one for each core.
///
/// # Errors
///
/// When the threads cannot be started.
pub fn cpu(threads: Option<usize>) -> Result<CpuBackend> {
    Ok(CpuBackend::open(CpuOptions {
        threads,
        ..CpuOptions::default()
    })?)
}
