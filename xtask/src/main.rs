//! Developer tasks: `cargo xtask TASK`.
//!
//! | task | does |
//! |---|---|
//! | `ci` | all that a change must pass, as `.ci/run` runs it |
//! | `bench`, `precision` | the programs of he-bench |
//! | `contracts` | contracts of kernels, sections on errors, levels and scales, citations, width |
//! | `cuda-check` | compiles every CUDA kernel for every architecture: registers, spills, embedded PTX |
//! | `dependencies` | licences, sources and known vulnerabilities, by cargo-deny |
//! | `msrv` | the oldest Rust that is declared compiles the workspace |
//! | `package` | what would be published is whole |
//! | `readme` | the library example compiles in a crate of its own |
//! | `soak` | random tests with many cases, and the fuzz targets |
//! | `fuzz-check` | the fuzz targets compile |
//! | `miri` | reference kernels and buffers under Miri |
//! | `neon-check` | the aarch64 kernels pass the type check, where that target is installed |
//! | `gpu-pack` | a folder with stripped tests and benches and one script, for a GPU host without cargo |
//! | `budget` | lengths of files, `where` clauses, required methods of the backend traits |

mod budget;
mod ci;
mod contracts;
mod cuda_check;
mod dependencies;
mod gpu_pack;
mod miri;
mod msrv;
mod neon;
mod package;
mod readme;
mod rust_source;
mod soak;
mod tools;
mod workspace;

use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// What a task returns: an error in words.
type Outcome = Result<(), String>;

/// What came of a check that did not fail.
enum Verdict {
    /// It was done.
    Passed,
    /// It was not done, and why.
    Skipped(String),
}

impl From<()> for Verdict {
    fn from((): ()) -> Self {
        Self::Passed
    }
}

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Developer tasks of the workspace")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run all that a change must pass.
    Ci,
    /// Time the library's operations; `cargo xtask bench --help` lists the options.
    #[command(disable_help_flag = true)]
    Bench(Passed),
    /// Measure bootstrapping over many secrets; `cargo xtask precision --help` lists the options.
    #[command(disable_help_flag = true)]
    Precision(Passed),
    /// Check what documentation promises: contracts, errors, attributes, citations, width.
    Contracts {
        /// Print every fault, those admitted too.
        #[arg(long)]
        list: bool,
        /// Write the numbers of faults that are left as those admitted.
        #[arg(long)]
        lower: bool,
    },
    /// Compile every CUDA kernel for every architecture; check registers, spills, embedded PTX.
    CudaCheck {
        /// Replace the embedded PTX.
        #[arg(long)]
        write: bool,
    },
    /// Check licences, sources and known vulnerabilities of dependencies.
    Dependencies,
    /// Compile the workspace with the oldest Rust that it declares.
    Msrv,
    /// Check that what would be published is whole.
    Package,
    /// Compile the README's library example in a crate of its own.
    Readme,
    /// Run random tests with many cases, and the fuzz targets.
    Soak {
        /// Cases of each random test.
        #[arg(long, default_value_t = 4096)]
        cases: u32,
        /// Seconds of each fuzz target.
        #[arg(long, default_value_t = 60)]
        seconds: u32,
        /// Part of the name of the tests and targets that are run.
        #[arg(long)]
        filter: Option<String>,
    },
    /// Check that the fuzz targets compile.
    FuzzCheck,
    /// Run reference kernels and buffers under Miri.
    Miri,
    /// Type-check the kernels of aarch64, where that target is installed.
    NeonCheck,
    /// Fill a folder with stripped tests and benches and a script, for a GPU host without cargo.
    GpuPack {
        /// The folder.
        folder: PathBuf,
        /// A Hugging Face Llama directory, whose tokens the script compares with those of the CPU.
        #[arg(long, value_name = "DIR")]
        model: Option<PathBuf>,
    },
    /// Check lengths of files, `where` clauses and required methods.
    Budget,
}

#[derive(Args)]
struct Passed {
    /// Options of the program.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    options: Vec<OsString>,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().task {
        Task::Ci => ci::run(),
        Task::Bench(passed) => workspace::he_bench("bench", &passed.options),
        Task::Precision(passed) => workspace::he_bench("precision", &passed.options),
        Task::Contracts { list, lower } => contracts::run(list, lower),
        Task::CudaCheck { write } => cuda_check::run(write),
        Task::Dependencies => {
            dependencies::check().and_then(|()| reported(dependencies::advisories()))
        }
        Task::Msrv => reported(msrv::check()),
        Task::Package => package::check(),
        Task::Readme => readme::check(),
        Task::Soak {
            cases,
            seconds,
            filter,
        } => soak::run(cases, seconds, filter.as_deref()),
        Task::FuzzCheck => reported(soak::check_targets()),
        Task::Miri => reported(miri::check()),
        Task::NeonCheck => reported(neon::check()),
        Task::GpuPack { folder, model } => gpu_pack::run(&folder, model.as_deref()),
        Task::Budget => budget::run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints why a check was skipped.
fn reported(verdict: Result<Verdict, String>) -> Outcome {
    if let Verdict::Skipped(why) = verdict? {
        println!("SKIPPED ({why})");
    }
    Ok(())
}
