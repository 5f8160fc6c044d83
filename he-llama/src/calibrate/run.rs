//! The calibration run.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::calibrate::anchor::anchors;
use crate::calibrate::corpus::Corpus;
use crate::calibrate::fitting::Accuracy;
use crate::calibrate::record::{Observed, Range, Recording, widen};
use crate::calibrate::softmax;
use crate::calibrate::store::{Calibration, VERSION, fingerprint};
use crate::error::{Error, Result};
use crate::metrics::Agreement;
use crate::model::policy::Escape;
use crate::model::{
    Circuit, Exact, LayerFunctions, Llama, NoiseModel, Role, Simulated, Site, Twin,
};
use crate::source::Source;

/// Memory for rows of scores, in rows of all layers together.
const ROWS: usize = 200_000;
/// How often ranges are widened by what the polynomials themselves reach.
const ROUNDS: usize = 3;
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

/// What a calibration run found.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Windows that ranges were taken from.
    pub windows: usize,
    /// Windows held out to check them.
    pub held_out: usize,
    /// Largest logit error of the polynomials on held-out windows, without noise.
    pub max_logit_error: f64,
    /// Share of held-out windows with the same greedy token.
    pub top1_agreement: f64,
    /// Arguments out of their interval on held-out windows.
    pub escapes: BTreeMap<Site, Escape>,
}

/// Calibrates `source` on `text`. `progress` is called with the share done, from 0 to 1.
///
/// Ranges come from the exact twin, then from the simulated one without noise, since a tensor
/// behind a polynomial may reach farther than behind the function; the polynomials are fitted
/// again to the union. Held-out windows are run last, and ask for more margin where they escape.
pub fn calibrate(
    source: &Source,
    text: &str,
    options: &Options,
    progress: &mut dyn FnMut(f64),
) -> Result<(Calibration, Summary)> {
    let llama = &source.llama;
    // Reads all weights once and refuses those that are not finite, before they spread.
    fingerprint(llama)?;
    let mut accuracy = options.accuracy;
    let positions = options.positions.min(llama.config.positions);
    if positions < 8 {
        let (found, expected) = (positions.to_string(), "at least 8");
        return Err(Error::Argument {
            name: "positions",
            found,
            expected,
        });
    }
    let corpus = Corpus::new(llama, &source.tokenizer, text, positions, options.windows)?;
    progress(0.2);

    let anchors = anchors(llama, &corpus.calibration)?;
    progress(0.3);
    let mut observed = Observed::default();
    let mut exact = Circuit::exact(&llama.config);
    for (layer, anchors) in exact.layers.iter_mut().zip(&anchors) {
        layer.softmax.anchors.clone_from(anchors);
    }
    let rows = (ROWS / llama.config.layers).max(1000);
    for (i, window) in corpus.calibration.iter().enumerate() {
        let policy = Recording::new(Exact, &mut observed, rows);
        Twin::new(llama, &exact, policy).advance(window)?;
        progress(0.3 + 0.2 * i as f64 / corpus.calibration.len() as f64);
    }
    let recorded = Recorded {
        observed,
        anchors,
        corpus,
        positions,
    };
    // Held-out text that leaves an interval asks for a wider margin everywhere, since it shows
    // how far tails reach beyond what was recorded. The coarsest polynomials that keep the logits
    // are the cheapest.
    let mut tries = 0;
    loop {
        let share = 0.5 + 0.5 * tries as f64 / TRIES as f64;
        let (calibration, summary) = recorded.fit(llama, accuracy, share, progress)?;
        tries += 1;
        let escaped = !summary.escapes.is_empty();
        if tries == TRIES || (!escaped && summary.max_logit_error <= LOGIT_ERROR) {
            progress(1.0);
            return Ok((calibration, summary));
        }
        tracing::info!(?summary.escapes, summary.max_logit_error, ?accuracy, "not good enough");
        if escaped {
            accuracy.margin *= 1.5;
        } else {
            accuracy.error /= 4.0;
        }
    }
}

struct Recorded {
    observed: Observed,
    /// Keys that scores are relative to, `[layer][head][channel]`.
    anchors: Vec<Vec<Vec<f64>>>,
    corpus: Corpus,
    positions: usize,
}

impl Recorded {
    fn fit(
        &self,
        llama: &Llama,
        accuracy: Accuracy,
        share: f64,
        progress: &mut dyn FnMut(f64),
    ) -> Result<(Calibration, Summary)> {
        let mut ranges = self.observed.ranges.clone();
        let mut circuit = self.fit_all(llama, &ranges, accuracy)?;
        progress(share + 0.1);
        for round in 0..ROUNDS {
            let (reached, escapes) = record_simulated(llama, &circuit, &self.corpus.calibration)?;
            widen(&mut ranges, &reached);
            if escapes.is_empty() || round + 1 == ROUNDS {
                break;
            }
            tracing::debug!(round, ?escapes, "fitted again");
            circuit = self.fit_all(llama, &ranges, accuracy)?;
        }
        progress(share + 0.15);
        let calibration = Calibration {
            version: VERSION,
            fingerprint: fingerprint(llama)?,
            positions: self.positions,
            texts: self.corpus.calibration.len(),
            accuracy,
            bounds: bounds(&ranges, accuracy.margin),
            circuit,
        };
        let summary = check(llama, &calibration, &self.corpus)?;
        Ok((calibration, summary))
    }

    fn fit_all(
        &self,
        llama: &Llama,
        ranges: &BTreeMap<Site, Range>,
        accuracy: Accuracy,
    ) -> Result<Circuit> {
        let epsilon = llama.config.norm_epsilon;
        let layers = (0..llama.config.layers)
            .map(|layer| {
                let empty = (f64::INFINITY, f64::NEG_INFINITY);
                let range = |role| {
                    ranges
                        .get(&Site::new(layer, role))
                        .copied()
                        .unwrap_or(empty)
                };
                let rows = self.observed.rows.get(&layer).map_or(&[][..], |r| &r.kept);
                let heads: &[Range] = self.observed.heads.get(&layer).map_or(&[], |h| h);
                let attention_norm = match layer {
                    // The client normalises the first layer's input.
                    0 => LayerFunctions::exact(&llama.config).attention_norm,
                    _ => accuracy.norm(range(Role::AttentionMeanSquare), epsilon)?,
                };
                Ok(LayerFunctions {
                    attention_norm,
                    softmax: softmax::schedule(rows, heads, &self.anchors[layer], layer, accuracy)?,
                    mlp_norm: accuracy.norm(range(Role::MlpMeanSquare), epsilon)?,
                    silu: accuracy.silu(range(Role::Gate))?,
                })
            })
            .collect::<Result<_>>()?;
        Ok(Circuit { layers })
    }
}

type Simulation = (BTreeMap<Site, Range>, BTreeMap<Site, Escape>);

fn record_simulated(llama: &Llama, circuit: &Circuit, texts: &[Vec<u32>]) -> Result<Simulation> {
    let none = BTreeMap::new();
    let mut observed = Observed::default();
    let mut escapes: BTreeMap<Site, Escape> = BTreeMap::new();
    for window in texts {
        let simulated = Simulated::new(&none, NoiseModel::none());
        let policy = Recording::new(simulated, &mut observed, 0);
        let mut twin = Twin::new(llama, circuit, policy);
        twin.advance(window)?;
        merge(&mut escapes, twin.policy().inner.escapes());
    }
    Ok((observed.ranges, escapes))
}

fn merge(into: &mut BTreeMap<Site, Escape>, from: &BTreeMap<Site, Escape>) {
    for (site, new) in from {
        let entry = into.entry(*site).or_insert(Escape { count: 0, ..*new });
        let outside = |x: f64| (new.lo - x).max(x - new.hi);
        entry.count += new.count;
        if outside(new.worst) > outside(entry.worst) {
            entry.worst = new.worst;
        }
    }
}

fn bounds(ranges: &BTreeMap<Site, Range>, margin: f64) -> BTreeMap<Site, f64> {
    ranges
        .iter()
        .map(|(site, (lo, hi))| (*site, lo.abs().max(hi.abs()).max(1e-6) * (1.0 + margin)))
        .collect()
}

fn check(llama: &Llama, calibration: &Calibration, corpus: &Corpus) -> Result<Summary> {
    let exact = Circuit::exact(&llama.config);
    let mut escapes = BTreeMap::new();
    let (mut agreeing, mut max_logit_error) = (0, 0.0_f64);
    for window in &corpus.held_out {
        let reference = Twin::new(llama, &exact, Exact).advance(window)?;
        let simulated = Simulated::new(&calibration.bounds, NoiseModel::none());
        let mut twin = Twin::new(llama, &calibration.circuit, simulated);
        let found = twin.advance(window)?;
        merge(&mut escapes, twin.policy().escapes());
        let agreement = Agreement::of(&reference, &found)?;
        agreeing += usize::from(agreement.top1);
        max_logit_error = max_logit_error.max(agreement.max_logit_error);
    }
    let held_out = corpus.held_out.len();
    Ok(Summary {
        windows: corpus.calibration.len(),
        held_out,
        max_logit_error,
        top1_agreement: agreeing as f64 / held_out.max(1) as f64,
        escapes,
    })
}
