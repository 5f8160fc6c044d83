//! The calibration run.

use serde::Serialize;

use crate::calibrate::anchor::anchors;
use crate::calibrate::corpus::Corpus;
use crate::calibrate::fitting::Accuracy;
use crate::calibrate::record::{Observed, Recording, Within};
use crate::calibrate::refine::{Recorded, Refined, check_finite};
use crate::calibrate::store::{Calibration, fingerprint};
use crate::error::{Error, Result};
use crate::metrics::Agreement;
use crate::model::{Circuit, Exact, Llama, Twin};
use crate::source::Source;

/// Memory for rows of scores, in rows of all layers together.
const ROWS: usize = 200_000;
/// How often all is fitted anew, with more margin when held-out text leaves an interval, else with
/// smaller errors when the logits are too far off.
const TRIES: usize = 5;
/// Largest error of a logit on held-out text that is good enough: a change of less than 1 % of any
/// probability, and a fifth of what an encrypted run may be off.
const LOGIT_ERROR: f64 = 1.0 / 256.0;

/// How to calibrate.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Longest text in tokens that the ranges shall hold for.
    pub positions: usize,
    /// Number of windows.
    pub windows: usize,
    /// What is asked of the polynomials.
    pub accuracy: Accuracy,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            positions: 64,
            windows: 320,
            accuracy: Accuracy::default(),
        }
    }
}

/// What a calibration run found. No value of any window leaves the interval of its polynomial.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Windows that ranges were taken from.
    pub windows: usize,
    /// Windows held out to check them; ranges were widened by these as well if nothing else kept
    /// their values inside.
    pub held_out: usize,
    /// Largest logit error of the polynomials on held-out windows, without noise.
    pub max_logit_error: f64,
    /// Share of held-out windows with the same greedy token.
    pub top1_agreement: f64,
}

/// Calibrates `source` on `text`. `progress` is called with the share done, from 0 to 1.
///
/// Ranges come from the exact twin, then from the polynomials, until no calibration window leaves
/// an interval. Held-out windows are run last, and ask for more margin where they escape, or for
/// smaller errors where the logits are off.
///
/// Windows reach up to the next power of two, as prompts are padded to one with their own tokens.
///
/// # Errors
///
/// Those of [`Llama::fingerprint`] and of [`Corpus::new`]; [`Error::Argument`] for fewer than 8
/// positions; [`Error::Unfit`] and [`Error::Escapes`] with the site when no polynomial holds the
/// values there; [`Error::InvalidCalibration`] when values are infinite or too large.
pub fn calibrate(
    source: &Source,
    text: &str,
    options: &Options,
    progress: &mut dyn FnMut(f64),
) -> Result<(Calibration, Summary)> {
    let llama = &source.llama;
    // Reads all weights once and refuses those that are not finite, before they spread.
    fingerprint(llama)?;
    let positions = options.positions.min(llama.config.positions);
    if positions < 8 {
        let (found, expected) = (positions.to_string(), "at least 8");
        return Err(Error::Argument {
            name: "positions",
            found,
            expected,
        });
    }
    let padded = positions.next_power_of_two();
    check_clear(source, text, padded)?;
    let corpus = Corpus::new(llama, &source.tokenizer, text, padded, options.windows)?;
    progress(0.2);
    let recorded = record(source, &corpus, progress)?;
    let references = references(llama, &corpus)?;

    let mut accuracy = options.accuracy;
    let mut tries = 0;
    loop {
        tries += 1;
        progress(0.5 + 0.5 * (tries - 1) as f64 / TRIES as f64);
        let mut windows: Vec<&[u32]> = corpus.calibration.iter().map(Vec::as_slice).collect();
        if tries == TRIES {
            windows.extend(corpus.held_out.iter().map(Vec::as_slice));
        }
        let refined = recorded.refine(&windows, accuracy)?;
        let (summary, escaped) = check(llama, &refined.circuit, &corpus, &references)?;
        let good = !escaped && summary.max_logit_error <= LOGIT_ERROR;
        // The last try has no escapes: all windows are among those that were refined on.
        if good || tries == TRIES {
            progress(1.0);
            let Refined { circuit, bounds } = refined;
            let texts = windows.len();
            let calibration = Calibration::new(llama, positions, texts, accuracy, bounds, circuit)?;
            return Ok((calibration, summary));
        }
        tracing::info!(
            escaped,
            summary.max_logit_error,
            ?accuracy,
            "not good enough"
        );
        if escaped {
            accuracy.margin *= 1.5;
        } else {
            accuracy.error /= 4.0;
        }
    }
}

/// Runs the exact model on the beginning of `text`, so that values that no calibration could hold
/// are named before anything is made of them.
fn check_clear(source: &Source, text: &str, positions: usize) -> Result<()> {
    let mut ids = source.tokenizer.encode(text)?;
    ids.truncate(positions);
    let exact = Circuit::exact(&source.llama.config);
    let mut observed = Observed::default();
    let policy = Recording::new(Exact, &mut observed, 0, &ids);
    let mut twin = Twin::new(&source.llama, &exact, policy).beyond_context();
    twin.advance(&ids)?;
    check_finite(&observed.ranges)
}

/// Anchors, and what the exact model does on the calibration windows.
fn record<'a>(
    source: &'a Source,
    corpus: &Corpus,
    progress: &mut dyn FnMut(f64),
) -> Result<Recorded<'a>> {
    let llama = source.llama.as_ref();
    let anchors = anchors(llama, &corpus.calibration)?;
    progress(0.3);
    let mut observed = Observed::default();
    let mut exact = Circuit::exact(&llama.config);
    for (layer, anchors) in exact.layers.iter_mut().zip(&anchors) {
        layer.softmax.anchors.clone_from(anchors);
    }
    let rows = (ROWS / llama.config.layers).max(1000);
    for (i, window) in corpus.calibration.iter().enumerate() {
        let policy = Recording::new(Exact, &mut observed, rows, window);
        let mut twin = Twin::new(llama, &exact, policy).beyond_context();
        twin.advance(window)?;
        progress(0.3 + 0.2 * i as f64 / corpus.calibration.len() as f64);
    }
    check_finite(&observed.ranges)?;
    Ok(Recorded {
        llama,
        tokenizer: &source.tokenizer,
        observed,
        anchors,
    })
}

/// Logits of the exact model behind the held-out windows.
fn references(llama: &Llama, corpus: &Corpus) -> Result<Vec<Vec<f64>>> {
    let exact = Circuit::exact(&llama.config);
    let logits = |window: &Vec<u32>| {
        let mut twin = Twin::new(llama, &exact, Exact).beyond_context();
        twin.advance(window)
    };
    corpus.held_out.iter().map(logits).collect()
}

/// Runs the held-out windows; also says whether a value left its interval.
fn check(
    llama: &Llama,
    circuit: &Circuit,
    corpus: &Corpus,
    references: &[Vec<f64>],
) -> Result<(Summary, bool)> {
    let (mut agreeing, mut max_logit_error) = (0, 0.0_f64);
    let mut within = Within::default();
    for (window, reference) in corpus.held_out.iter().zip(references) {
        let mut twin = Twin::new(llama, circuit, within).beyond_context();
        let agreement = Agreement::of(reference, &twin.advance(window)?)?;
        agreeing += usize::from(agreement.top1);
        max_logit_error = max_logit_error.max(agreement.max_logit_error);
        within = twin.into_policy();
    }
    let held_out = corpus.held_out.len();
    let summary = Summary {
        windows: corpus.calibration.len(),
        held_out,
        max_logit_error,
        top1_agreement: agreeing as f64 / held_out.max(1) as f64,
    };
    Ok((summary, !within.escapes.is_empty()))
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
