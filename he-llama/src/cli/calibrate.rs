//! `he-llama calibrate`.

use ckks_math::backend::dry_run::KernelTimes;
use std::sync::Arc;

use crate::backends::{self, BUILT_IN};
use crate::calibrate::{Calibration, Options, builtin_text};
use crate::cli::args::CalibrateArgs;
use crate::cli::inspect::show_plan;
use crate::cli::sources;
use crate::error::{Error, Result};
use crate::length::Length;
use crate::model::attention::{Round, Softmax};
use crate::model::{Function, LayerFunctions};
use crate::protocol::Setup;
use crate::protocol::session::DEFAULT_PRESET;

/// Calibrates a model on text, stores what was found beside it, and prints it.
///
/// # Errors
///
/// Fails for models and texts that cannot be read or calibrated, for a number of windows out of
/// range, for a calibration that exists, unless `--force` allows to replace it, and when it or
/// standard output cannot be written.
pub fn run(args: &CalibrateArgs) -> Result<()> {
    if !(16..=100_000).contains(&args.windows) {
        let (found, expected) = (args.windows.to_string(), "from 16 to 100000");
        return Err(Error::Argument {
            name: "windows",
            found,
            expected,
        });
    }
    let source = sources::open(args.model.as_deref())?;
    let directory = source.directory.as_deref();
    if let Some(path) = Calibration::stored(&source.llama, directory)?
        && !args.force
    {
        return Err(Error::Exists { path });
    }
    let text = match &args.text {
        Some(path) => std::fs::read_to_string(path).map_err(Error::read(path))?,
        None => builtin_text().to_owned(),
    };
    let mut options = Options {
        windows: args.windows,
        ..Options::default()
    };
    if let Some(positions) = args.positions {
        let of = "of the model: ask for fewer --positions";
        Length::new(positions.saturating_sub(1), 1)?.check(source.llama.config.positions, of)?;
        options.positions = positions;
    }
    let (calibration, summary) = sources::calibrate_with_bar(&source, &text, &options, args.quiet)?;
    let path = calibration.store(&source.llama, directory, args.force)?;
    if args.quiet {
        return Ok(());
    }
    for (i, functions) in calibration.circuit.layers.iter().enumerate() {
        say!("layer {i}")?;
        describe(functions)?;
    }
    // The plan of texts that fill half of what was calibrated for.
    let capacity = calibration.positions / 2;
    let limits = backends::open(BUILT_IN[0], None)?.limits();
    let calibration = Arc::new(calibration);
    let (preset, times) = (DEFAULT_PRESET, KernelTimes::default());
    match Setup::new(
        &source.llama,
        &calibration,
        preset,
        capacity,
        limits,
        &times,
    ) {
        Ok(setup) => show_plan(&setup)?,
        Err(error) => say!("no plan: {error}")?,
    }
    say!(
        "held out {} of {} windows:",
        summary.held_out,
        summary.held_out + summary.windows
    )?;
    say!(
        "  largest logit error of the polynomials  {:.2e}",
        summary.max_logit_error
    )?;
    say!(
        "  same likeliest token                    {:.1} %",
        100.0 * summary.top1_agreement
    )?;
    say!(
        "for texts of up to {} tokens, stored in {}",
        calibration.positions,
        path.display()
    )?;
    Ok(())
}

fn describe(functions: &LayerFunctions) -> Result<()> {
    let Softmax {
        exponential,
        rounds,
        last,
        ..
    } = &functions.softmax;
    line("norm before attention", &functions.attention_norm)?;
    line("softmax exponential", exponential)?;
    for round in rounds {
        match round {
            Round::Square => say!("  softmax squaring")?,
            Round::Normalise(f) => line("softmax normalisation", f)?,
        }
    }
    line("softmax last", last)?;
    line("norm before MLP", &functions.mlp_norm)?;
    line("SiLU", &functions.silu)
}

fn line(name: &str, f: &Function) -> Result<()> {
    match &f.fit {
        None => say!("  {name:24} exact, by the client"),
        Some(fit) => say!(
            "  {name:24} degree {:3} on [{:.4}, {:.4}], error {:.1e}",
            fit.degree(),
            fit.lo,
            fit.hi,
            fit.error
        ),
    }
}
