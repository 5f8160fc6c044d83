//! Prints the precision of bootstrapping over many secrets: `cargo xtask precision`.

use ckks_math::backend::Backend;
use ckks_math::bootstrap::RotationKeys;
use clap::Parser;
use he_bench::precision::{Question, Study, bits};
use he_bench::{Error, Result, exit_status, select, sets};
use std::path::PathBuf;
use std::process::ExitCode;

/// Refreshes uniform values in [-1, 1] under many secrets and prints the bits that are left.
#[derive(Parser)]
#[command(bin_name = "cargo xtask precision")]
struct Arguments {
    /// The parameter set: a preset with `boot` in its name.
    #[arg(long, value_name = "NAME", default_value = "n16-boot")]
    preset: String,
    /// Number of secrets; 16, or 2 with --quick.
    #[arg(long, value_name = "K")]
    secrets: Option<u64>,
    /// Slots: a power of two from 4. All of them, or 1024 with --quick.
    #[arg(long, value_name = "N")]
    slots: Option<usize>,
    /// Complex slots (two EvalMods) instead of real ones.
    #[arg(long)]
    complex: bool,
    /// Few secrets, few slots.
    #[arg(long)]
    quick: bool,
    /// Keep all encoded matrices in memory, those with long diagonals too.
    #[arg(long)]
    resident: bool,
    /// Rotation keys against time.
    #[arg(long, value_enum, default_value = "balanced")]
    keys: Keys,
    /// Levels of CoeffsToSlots; all that the set has for it if not given.
    #[arg(long, value_name = "N")]
    coeffs_to_slots_levels: Option<usize>,
    /// Levels of SlotsToCoeffs; all that the set has for it if not given.
    #[arg(long, value_name = "N")]
    slots_to_coeffs_levels: Option<usize>,
    /// Threads of the backend; without it, one for each core.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// The backend: cpu, cuda or wgpu; a card's options follow behind commas, as in cuda,graphs.
    #[arg(long, value_name = "NAME", default_value = "cpu")]
    backend: String,
    /// Write the table to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// See [`RotationKeys`].
#[derive(Clone, Copy, clap::ValueEnum)]
enum Keys {
    Many,
    Balanced,
    Few,
}

impl From<Keys> for RotationKeys {
    fn from(keys: Keys) -> Self {
        match keys {
            Keys::Many => Self::Many,
            Keys::Balanced => Self::Balanced,
            Keys::Few => Self::Few,
        }
    }
}

fn main() -> ExitCode {
    exit_status(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<()> {
    let secrets = arguments
        .secrets
        .unwrap_or(if arguments.quick { 2 } else { 16 });
    if secrets == 0 {
        return Err(Error::Argument {
            what: "--secrets",
            value: "0".into(),
            way_out: "give at least 1".into(),
        });
    }
    let run = Run { arguments, secrets };
    select::visit(&arguments.backend, arguments.threads, run)?
}

/// The study on the backend that was asked for.
struct Run<'a> {
    arguments: &'a Arguments,
    secrets: u64,
}

impl select::Visitor for Run<'_> {
    type Output = Result<()>;

    fn visit<B: Backend>(self, backend: B, _: usize) -> Result<()> {
        study(self.arguments, self.secrets, &backend)
    }
}

fn study<B: Backend>(arguments: &Arguments, secrets: u64, backend: &B) -> Result<()> {
    let params = sets::parameters(&arguments.preset, backend.limits())?;
    let all = params.max_slots();
    let slots = arguments
        .slots
        .unwrap_or(if arguments.quick { all.min(1024) } else { all });
    let question = Question {
        slots,
        complex: arguments.complex,
        resident: arguments.resident,
        keys: arguments.keys.into(),
        coeffs_to_slots_levels: arguments.coeffs_to_slots_levels,
        slots_to_coeffs_levels: arguments.slots_to_coeffs_levels,
    };
    let study = Study::new(&params, backend, question)?;
    let json = |source| Error::File {
        action: "write",
        path: arguments.json.clone().unwrap_or_default(),
        source,
    };
    // Opened before the long run, so that a wrong path fails at once.
    let file = arguments
        .json
        .as_ref()
        .map(std::fs::File::create)
        .transpose()
        .map_err(json)?;

    let kind = if arguments.complex { "complex" } else { "real" };
    println!(
        "{}: {slots} {kind} slots, {} keys, {}",
        params.name(),
        study.keys(),
        backend.name()
    );
    println!(
        "{:>6} {:>11} {:>12} {:>10} {:>10}",
        "secret", "mean, bits", "worst, bits", "keys, s", "run, s"
    );
    let mut samples = Vec::new();
    for secret in 0..secrets {
        let s = study.sample(secret)?;
        let (mean, worst) = (bits(s.mean_error), bits(s.worst_error));
        let (keygen, refresh) = (s.keygen_seconds, s.refresh_seconds);
        println!("{secret:>6} {mean:>11.2} {worst:>12.2} {keygen:>10.1} {refresh:>10.2}");
        samples.push(s);
    }
    let summary = study.summary(samples)?;
    println!(
        "{:>6} {:>11.2} {:>12.2}",
        "all", summary.mean_bits, summary.worst_bits
    );
    println!(
        "refreshed to level {}; overflow of K in a refresh: probability 2^{:.1}",
        summary.output_level, summary.failure_log2
    );
    if let Some(bytes) = summary.peak_memory_bytes {
        println!("peak memory {:.2} GiB", bytes as f64 / (1u64 << 30) as f64);
    }
    if let Some(mut file) = file {
        use std::io::Write as _;
        let text = serde_json::to_string_pretty(&summary).expect("a summary holds finite numbers");
        writeln!(file, "{text}").map_err(json)?;
    }
    Ok(())
}
