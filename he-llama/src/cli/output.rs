//! Reading models and writing results.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};

use crate::calibrate::{Calibration, Options, Summary, builtin_text, calibrate};
use crate::embedded;
use crate::error::{Error, Result};
use crate::source::Source;

/// The model in `directory`, or the one built in.
pub fn open(directory: Option<&Path>) -> Result<Source> {
    directory.map_or_else(embedded::source, Source::open)
}

/// Checks before a long run that `path` can be written, leaving what it holds.
pub fn check_writable(path: Option<&Path>) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    let mut options = OpenOptions::new();
    options
        .create(true)
        .append(true)
        .open(path)
        .map(drop)
        .map_err(Error::write(path))
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

/// The calibration stored for `source`; made on built-in text and stored when there is none.
pub fn calibration(source: &Source, quiet: bool) -> Result<Calibration> {
    let directory = source.directory.as_deref();
    if let Some((calibration, _)) = Calibration::load(&source.llama, directory)? {
        return Ok(calibration);
    }
    if !quiet {
        eprintln!("This model has no calibration yet: calibrating on built-in text.");
    }
    let (calibration, _) = calibrate_with_bar(source, builtin_text(), &Options::default(), quiet)?;
    let path = calibration.store(&source.llama, directory)?;
    if !quiet {
        eprintln!("Calibration stored in {}.", path.display());
    }
    Ok(calibration)
}
