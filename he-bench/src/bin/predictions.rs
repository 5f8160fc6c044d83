//! Prints what operations take beside what the cost model predicts: counts of a dry run times the
//! times of the device's kernels, measured here or read from a file.

use ckks_math::backend::Backend;
use ckks_math::cost::{KernelTimes, MeasureOptions};
use clap::Parser;
use he_bench::measure::Budget;
use he_bench::prediction::predictions;
use he_bench::select::{Visitor, visit};
use he_bench::{Result, exit_status, sets};
use he_llama::times::MeasuredTimes;
use std::path::PathBuf;
use std::process::ExitCode;

/// Predicted and measured milliseconds of rotations, products, a transform and a bootstrap.
#[derive(Parser)]
struct Arguments {
    /// The parameter set: a preset, or a ring for tests such as insecure-n11-boot.
    #[arg(long, value_name = "NAME", default_value = "n16-boot")]
    preset: String,
    /// The backend, see `he-llama devices`.
    #[arg(long, value_name = "NAME", default_value = "cpu")]
    backend: String,
    /// Threads; without it, one for each core.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Times that `he-llama devices --measure` wrote; without it they are measured first.
    #[arg(long, value_name = "FILE")]
    times: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (backend, threads) = (arguments.backend.clone(), arguments.threads);
    exit_status(visit(&backend, threads, Predict(arguments)).unwrap_or_else(|e| Err(e.into())))
}

struct Predict(Arguments);

impl Visitor for Predict {
    type Output = Result<()>;

    fn visit<B: Backend>(self, backend: B, _: usize) -> Result<()> {
        let params = sets::parameters(&self.0.preset, backend.limits())?;
        let times = match &self.0.times {
            Some(path) => MeasuredTimes::read(path)?.times,
            None => KernelTimes::measure(&backend, MeasureOptions::default())?,
        };
        println!("{} on {}", params.name(), backend.name());
        println!(
            "{:<30} {:>14} {:>14} {:>7}",
            "operation", "predicted, ms", "measured, ms", "ratio"
        );
        for prediction in predictions(&backend, &params, &times, Budget::QUICK)? {
            println!(
                "{:<30} {:>14.2} {:>14.2} {:>7.2}",
                prediction.operation.name(),
                prediction.predicted * 1e3,
                prediction.measured * 1e3,
                prediction.ratio()
            );
        }
        Ok(())
    }
}
