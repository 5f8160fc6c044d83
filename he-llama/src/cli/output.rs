//! Reading models and writing results.

use ckks_math::backend::dry_run::KernelTimes;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};

use crate::backends;
use crate::calibrate::{Calibration, Options, Summary, builtin_text, calibrate, fingerprint};
use crate::cli::args::{DeviceArgs, SamplingArgs};
use crate::embedded;
use crate::error::{Error, Result};
use crate::protocol::{Engine, Session, Setup};
use crate::sampling::Sampler;
use crate::source::Source;

/// The model in `directory`, or the one built in.
pub fn open(directory: Option<&Path>) -> Result<Source> {
    directory.map_or_else(embedded::source, Source::open)
}

/// How tokens are chosen.
pub fn sampler(args: SamplingArgs) -> Result<Sampler> {
    Sampler::new(args.temperature, args.top_p, args.seed)
}

/// Checks before a long run that `path` can be written, leaving what it holds.
pub fn check_writable(path: Option<&Path>) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    let existed = path.exists();
    let mut options = OpenOptions::new();
    let opened = options.create(true).append(true).open(path);
    opened.map(drop).map_err(Error::write(path))?;
    if !existed {
        std::fs::remove_file(path).map_err(Error::write(path))?;
    }
    Ok(())
}

/// Writes `record` as JSON.
pub fn write_json(path: &Path, record: &impl serde::Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(record).map_err(|source| Error::Json {
        path: path.to_path_buf(),
        what: "record",
        source,
    })?;
    std::fs::write(path, text + "\n").map_err(Error::write(path))
}

/// Writes `text` to standard output at once.
pub fn show(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(Error::write(Path::new("standard output")))
}

/// A bar on standard error that counts percent; hidden when `quiet` or not on a terminal.
pub fn bar(stage: &'static str, quiet: bool) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg} [{bar:40}] {percent}% {elapsed}")
        .expect("the template is constant and valid");
    ProgressBar::new(1000).with_style(style).with_message(stage)
}

/// Calibrates with a progress bar.
pub fn calibrate_with_bar(
    source: &Source,
    text: &str,
    options: &Options,
    quiet: bool,
) -> Result<(Calibration, Summary)> {
    let bar = bar("calibrating", quiet);
    let result = calibrate(source, text, options, &mut |share| {
        bar.set_position((share * 1000.0) as u64);
    });
    bar.finish_and_clear();
    result
}

/// The calibration stored for `source`, or built in with it; made on built-in text and stored
/// when there is none, for texts of at least `positions` tokens as far as the model admits.
pub fn calibration(source: &Source, positions: usize, quiet: bool) -> Result<Arc<Calibration>> {
    let directory = source.directory.as_deref();
    if let Some((calibration, _)) = Calibration::load(&source.llama, directory)? {
        return Ok(Arc::new(calibration));
    }
    if directory.is_none() {
        return Ok(Arc::new(embedded::calibration(&source.llama)?));
    }
    if !quiet {
        eprintln!("This model has no calibration yet: calibrating on built-in text.");
    }
    let mut options = Options::default();
    options.positions = options.positions.max(positions.next_power_of_two());
    let (calibration, _) = calibrate_with_bar(source, builtin_text(), &options, quiet)?;
    let path = calibration.store(&source.llama, directory, false)?;
    if !quiet {
        eprintln!("Calibration stored in {}.", path.display());
    }
    Ok(Arc::new(calibration))
}

/// Length of the prompt that keys or a plan are asked for, in tokens.
pub fn prompt_length(
    source: &Source,
    prompt: Option<&str>,
    length: Option<usize>,
    tokens: usize,
) -> Result<usize> {
    let Some(prompt_tokens) = length else {
        return Ok(source
            .prompt(prompt.unwrap_or(embedded::PROMPT), tokens)?
            .len());
    };
    let limit = source.llama.config.positions;
    if prompt_tokens.saturating_add(tokens) > limit {
        let of = "of the model: ask for fewer";
        return Err(Error::ContextExceeded {
            prompt: prompt_tokens,
            tokens,
            limit,
            of,
        });
    }
    Ok(prompt_tokens)
}

/// Model, device and setup of a session that was named in a file.
pub fn restore(
    device: &DeviceArgs,
    session: &Session,
    what: &'static str,
) -> Result<(Source, Box<dyn Engine>, Arc<Setup>)> {
    let engine = backends::open(&device.backend, device.threads)?;
    let source = open(device.model.as_deref())?;
    let found = fingerprint(&source.llama)?;
    if session.model != found {
        return Err(Error::Session {
            what,
            field: "model",
            found: session.model.clone(),
            expected: found,
            way_out: "give its model with --model",
        });
    }
    warn_if_insecure(&session.preset);
    let calibration = calibration(&source, session.positions(), device.quiet)?;
    let length = (session.prompt, session.tokens);
    let limits = engine.limits();
    let (preset, times) = (&session.preset, KernelTimes::default());
    let setup = Setup::new(&source.llama, &calibration, preset, length, limits, &times)?;
    setup.session.expect(session, what)?;
    Ok((source, engine, setup))
}

/// Says so when a parameter set protects nothing, also to who asked for quiet.
pub fn warn_if_insecure(preset: &str) {
    if preset.starts_with("insecure-") {
        eprintln!("warning: preset {preset} is INSECURE, for tests only: anyone can decrypt");
    }
}

/// Bytes for people.
pub fn size(bytes: u64) -> String {
    let value = bytes as f64;
    match bytes {
        0..1_000_000 => format!("{:.1} kB", value / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", value / 1e6),
        _ => format!("{:.2} GB", value / 1e9),
    }
}
