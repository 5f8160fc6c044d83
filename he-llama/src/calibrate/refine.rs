//! Polynomials that no window leaves: fitted, run on the windows, widened, and fitted again.

use std::collections::BTreeMap;

use crate::calibrate::fitting::Accuracy;
use crate::calibrate::record::{Observed, Peak, Range, Recording, Within, widen, widen_heads};
use crate::calibrate::scores::{Scores, Stretch};
use crate::calibrate::softmax;
use crate::calibrate::validate::BOUNDS;
use crate::error::{Error, Result};
use crate::model::attention::{Round, Softmax};
use crate::model::policy::Escape;
use crate::model::{Circuit, LayerFunctions, Llama, Role, Site, Twin};
use crate::tokenizer::Tokenizer;

/// How often ranges are widened by what the polynomials themselves reach.
const ROUNDS: usize = 8;
/// By how much more than was reached the sums of a softmax are admitted after an escape.
const STRETCH: f64 = 1.1;

/// What the exact model does on the calibration windows.
pub(super) struct Recorded<'a> {
    pub llama: &'a Llama,
    pub tokenizer: &'a Tokenizer,
    pub observed: Observed,
    /// Keys that scores are relative to, `[layer][head][channel]`.
    pub anchors: Vec<Vec<Vec<f64>>>,
}

/// Polynomials, and bounds on all tensors.
pub(super) struct Refined {
    pub circuit: Circuit,
    pub bounds: BTreeMap<Site, f64>,
}

/// What is widened from round to round.
struct Reach {
    ranges: BTreeMap<Site, Range>,
    heads: BTreeMap<usize, Vec<Range>>,
    sums: Vec<Stretch>,
}

impl Recorded<'_> {
    /// Fits polynomials that no value of `windows` leaves.
    ///
    /// A tensor behind a polynomial may reach farther than behind the function, so the windows are
    /// run with the polynomials, and ranges are widened by what they reach until none escapes.
    /// Outside of its interval the function itself is taken, so that one escape does not spoil the
    /// ranges behind it.
    ///
    /// # Errors
    ///
    /// [`Error::Escapes`] when a value still leaves its interval after the last round,
    /// [`Error::Unfit`] when there is no polynomial for a range.
    pub fn refine(&self, windows: &[&[u32]], accuracy: Accuracy) -> Result<Refined> {
        let layers = self.llama.config.layers;
        let mut reach = Reach {
            ranges: self.observed.ranges.clone(),
            heads: self.observed.heads.clone(),
            sums: vec![Stretch::default(); layers],
        };
        let mut round = 0;
        loop {
            let circuit = self.fit_all(&reach, accuracy)?;
            let (reached, escapes) = run(self.llama, &circuit, windows)?;
            widen(&mut reach.ranges, &reached.ranges);
            widen_heads(&mut reach.heads, &reached.heads);
            check_finite(&reach.ranges)?;
            let Some((site, escape)) = escapes.first_key_value() else {
                // What is inside of a softmax depends on how it is made: the last run counts.
                let mut ranges = reach.ranges;
                ranges.retain(|site, _| !is_inside_softmax(site.role));
                let inside = reached.ranges.into_iter();
                ranges.extend(inside.filter(|(site, _)| is_inside_softmax(site.role)));
                let bounds = bounds(&ranges, accuracy.margin);
                return Ok(Refined { circuit, bounds });
            };
            if round == ROUNDS {
                return Err(Error::Escapes {
                    site: site.to_string(),
                    count: escape.count,
                    worst: escape.worst,
                    lo: escape.lo,
                    hi: escape.hi,
                });
            }
            tracing::debug!(round, ?escapes, "fitted again");
            round += 1;
            for (layer, sums) in reach.sums.iter_mut().enumerate() {
                stretch(sums, &circuit.layers[layer].softmax, layer, &reached.ranges);
            }
        }
    }

    fn fit_all(&self, reach: &Reach, accuracy: Accuracy) -> Result<Circuit> {
        let layers = (0..self.llama.config.layers)
            .map(|layer| self.fit_layer(layer, reach, accuracy))
            .collect::<Result<_>>()?;
        Ok(Circuit { layers })
    }

    fn fit_layer(&self, layer: usize, reach: &Reach, accuracy: Accuracy) -> Result<LayerFunctions> {
        let config = &self.llama.config;
        let epsilon = config.norm_epsilon;
        let empty = (f64::INFINITY, f64::NEG_INFINITY);
        let at = |role| Site::new(layer, role);
        let range = |site: Site| reach.ranges.get(&site).copied().unwrap_or(empty);
        let norm = |role| {
            let fitted = accuracy.norm(range(at(role)), epsilon);
            fitted.map_err(|source| self.unfit(at(role), source))
        };
        let attention_norm = match layer {
            // The client normalises the first layer's input.
            0 => LayerFunctions::exact(config).attention_norm,
            _ => norm(Role::AttentionMeanSquare)?,
        };
        let rows = self.observed.rows.get(&layer);
        let rows = rows.map_or(&[][..], |rows| &rows.kept);
        let heads: &[Range] = reach.heads.get(&layer).map_or(&[], |heads| heads);
        let scores = Scores {
            rows,
            heads,
            anchors: &self.anchors[layer],
            sums: reach.sums[layer],
        };
        let softmax = softmax::schedule(&scores, layer, accuracy)
            .map_err(|source| self.unfit(at(Role::Scores), source))?;
        let silu = accuracy.silu(range(at(Role::Gate)));
        Ok(LayerFunctions {
            attention_norm,
            softmax,
            mlp_norm: norm(Role::MlpMeanSquare)?,
            silu: silu.map_err(|source| self.unfit(at(Role::Gate), source))?,
        })
    }

    /// Says where a polynomial was not found, and by which token its range is so wide.
    fn unfit(&self, site: Site, source: Error) -> Error {
        let cause = self.observed.peaks.get(&site).map_or_else(
            || "calibrate on text like that to be served".to_owned(),
            |Peak { value, id }| {
                let token = self.tokenizer.token(*id).unwrap_or_default();
                format!(
                    "the largest value there, {value:.4}, is that of token {id} ({token:?}): leave it \
                     out of texts, put it into a prefix of every text, or give a checkpoint whose \
                     weights are rotated so that its activations spread over all channels"
                )
            },
        );
        Error::Unfit {
            site: site.to_string(),
            source: Box::new(source),
            cause,
        }
    }
}

/// The ranges of `windows` under the polynomials of `circuit`, and what left their intervals.
fn run(
    llama: &Llama,
    circuit: &Circuit,
    windows: &[&[u32]],
) -> Result<(Observed, BTreeMap<Site, Escape>)> {
    let mut observed = Observed::default();
    let mut within = Within::default();
    for window in windows {
        let policy = Recording::new(within, &mut observed, 0, window);
        let mut twin = Twin::new(llama, circuit, policy).beyond_context();
        twin.advance(window)?;
        within = twin.into_policy().inner;
    }
    Ok((observed, within.escapes))
}

fn is_inside_softmax(role: Role) -> bool {
    matches!(
        role,
        Role::Powers(_) | Role::Squares(_) | Role::SquareSum(_) | Role::MixedRaw
    )
}

/// Widens `sums` where those that the softmax of `layer` has reached left their intervals.
fn stretch(sums: &mut Stretch, softmax: &Softmax, layer: usize, reached: &BTreeMap<Site, Range>) {
    let normalised = softmax.rounds.iter().map(|round| match round {
        Round::Normalise(f) => f.fit.as_ref(),
        Round::Square => None,
    });
    let fits = normalised.chain([softmax.last.fit.as_ref()]);
    for (number, fit) in fits.enumerate() {
        let site = Site::new(layer, Role::SquareSum(number as u8));
        let (Some(fit), Some((lo, hi))) = (fit, reached.get(&site)) else {
            continue;
        };
        if *lo < fit.lo {
            sums.down *= STRETCH * fit.lo / lo;
        }
        if *hi > fit.hi {
            sums.up *= STRETCH * hi / fit.hi;
        }
    }
}

/// Refuses ranges that are infinite, or beyond what any bound may be.
///
/// # Errors
///
/// [`Error::InvalidCalibration`] with the first such site.
pub(super) fn check_finite(ranges: &BTreeMap<Site, Range>) -> Result<()> {
    let most = *BOUNDS.end();
    match ranges
        .iter()
        .find(|(_, (lo, hi))| !(-most < *lo && *hi < most))
    {
        None => Ok(()),
        Some((site, (lo, hi))) => Err(Error::InvalidCalibration {
            site: site.to_string(),
            reason: format!("values from {lo} to {hi}, admitted are magnitudes up to {most:e}"),
        }),
    }
}

fn bounds(ranges: &BTreeMap<Site, Range>, margin: f64) -> BTreeMap<Site, f64> {
    let bound = |(lo, hi): &Range| lo.abs().max(hi.abs()).max(*BOUNDS.start()) * (1.0 + margin);
    ranges
        .iter()
        .map(|(site, range)| (*site, bound(range)))
        .collect()
}
