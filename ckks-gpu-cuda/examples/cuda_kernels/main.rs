//! Times the kernels on a card: `kernels [--json FILE] [LOG_N [LIMBS]]`, for `N = 2^16` and 48
//! limbs without arguments.
//!
//! For each operation: microseconds, bytes that it must read and write, their share of the
//! bandwidth of a copy measured in the same run, integer operations over the card's rate. The
//! larger of the floors is named. With the feature `executor` and `--executor` it runs on the CPU,
//! to be tested: those times say nothing about a card.

mod bench;
mod kernels;
mod keys;
mod matrices;
mod refresh;
mod report;
mod table;

use ckks_gpu_cuda::CudaBackend;
use ckks_math::{Error, Result};
use std::process::ExitCode;
use table::Extent;

fn open(executor: bool) -> Result<CudaBackend> {
    #[cfg(feature = "executor")]
    if executor {
        return CudaBackend::open_executor(ckks_gpu_cuda::KernelSet::Plain, 1);
    }
    if executor {
        return Err(Error::InvalidParameters(
            "--executor needs the feature".into(),
        ));
    }
    CudaBackend::open(0)
}

fn run() -> Result<()> {
    let mut json = None;
    let (mut numbers, mut executor) = (Vec::new(), false);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--json" => json = arguments.next(),
            "--executor" => executor = true,
            other => numbers.push(other.parse::<usize>().map_err(|e| {
                Error::InvalidParameters(format!("{other}: {e}; give log N, then limbs"))
            })?),
        }
    }
    let extent = Extent {
        log_n: *numbers.first().unwrap_or(&16) as u32,
        limbs: *numbers.get(1).unwrap_or(&48),
        matrix: if executor { 32 } else { 512 },
        batches: &[1, 8],
        budget: if executor { 0.0 } else { 0.3 },
    };
    let table = table::run(&open(executor)?, &extent)?;
    if let Some(path) = json {
        std::fs::write(&path, format!("{table:#}\n"))
            .map_err(|e| Error::InvalidParameters(format!("{path}: {e}")))?;
    }
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
