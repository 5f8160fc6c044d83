//! A policy that records what another computes.

use std::collections::BTreeMap;

use ndarray::Array3;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use crate::error::{Error, Result};
use crate::model::policy::Escape;
use crate::model::{Function, Policy, Role, Site};

/// Smallest and largest element.
pub type Range = (f64, f64);

/// Scores of one query under the causal mask.
#[derive(Clone, Debug)]
pub struct Row {
    /// The head.
    pub head: usize,
    /// Scores of the keys that the query sees.
    pub scores: Vec<f32>,
}

/// A uniform sample of the rows of one layer.
#[derive(Debug)]
pub struct Rows {
    /// The sample.
    pub kept: Vec<Row>,
    seen: usize,
    capacity: usize,
    rng: ChaCha20Rng,
}

impl Rows {
    fn new(capacity: usize) -> Self {
        Self {
            kept: Vec::new(),
            seen: 0,
            capacity,
            rng: ChaCha20Rng::seed_from_u64(5),
        }
    }

    /// Reservoir sampling [Vitter 1985, algorithm R].
    fn offer(&mut self, head: usize, scores: impl Iterator<Item = f64>) {
        self.seen += 1;
        let row = || Row {
            head,
            scores: scores.map(|s| s as f32).collect(),
        };
        if self.kept.len() < self.capacity {
            self.kept.push(row());
        } else {
            let place = (self.rng.next_u64() % self.seen as u64) as usize;
            if place < self.capacity {
                self.kept[place] = row();
            }
        }
    }
}

/// What was seen at every site.
#[derive(Debug, Default)]
pub struct Observed {
    /// Ranges of all tensors.
    pub ranges: BTreeMap<Site, Range>,
    /// Rows of scores by layer; empty unless asked for.
    pub rows: BTreeMap<usize, Rows>,
    /// Range of the scores of each head by layer.
    pub heads: BTreeMap<usize, Vec<Range>>,
    /// The largest arguments of norms and of SiLU, with the token that each belongs to.
    pub peaks: BTreeMap<Site, Peak>,
}

/// A largest value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peak {
    /// The value.
    pub value: f64,
    /// The token at whose position it was.
    pub id: u32,
}

/// The calibrated polynomials within their intervals and the exact functions outside of them,
/// without noise: what escapes is counted and spoils nothing behind it.
#[derive(Debug, Default)]
pub struct Within {
    /// Arguments that left their polynomial's interval, by site.
    pub escapes: BTreeMap<Site, Escape>,
}

impl Policy for Within {
    const ROW_MAXIMUM: bool = false;

    fn evaluate(&mut self, f: &Function, x: f64, argument: Site) -> Result<f64> {
        let Some(fit) = &f.fit else {
            return Err(Error::Uncalibrated {
                site: argument.to_string(),
            });
        };
        if fit.contains(x) {
            return Ok(fit.value(x));
        }
        let (lo, hi) = (fit.lo, fit.hi);
        let new = Escape {
            count: 0,
            worst: x,
            lo,
            hi,
        };
        let entry = self.escapes.entry(argument).or_insert(new);
        let outside = |x: f64| (lo - x).max(x - hi);
        entry.count += 1;
        if outside(x) > outside(entry.worst) {
            entry.worst = x;
        }
        Ok(f.kind.exact(x))
    }

    fn result(&mut self, _: &mut Array3<f64>, _: Site) -> Result<()> {
        Ok(())
    }

    fn refresh(&mut self, _: &mut Array3<f64>, _: Site) -> Result<()> {
        Ok(())
    }
}

/// Extends `ranges` by those of `by`.
pub fn widen(ranges: &mut BTreeMap<Site, Range>, by: &BTreeMap<Site, Range>) {
    for (site, range) in by {
        extend(ranges.entry(*site).or_insert(*range), *range);
    }
}

/// Extends the ranges of heads by those of `by`.
pub fn widen_heads(heads: &mut BTreeMap<usize, Vec<Range>>, by: &BTreeMap<usize, Vec<Range>>) {
    for (layer, ranges) in by {
        let of_layer = heads.entry(*layer).or_insert_with(|| ranges.clone());
        for (range, by) in of_layer.iter_mut().zip(ranges) {
            extend(range, *by);
        }
    }
}

fn extend(range: &mut Range, by: Range) {
    *range = (range.0.min(by.0), range.1.max(by.1));
}

/// Passes everything through `inner` and records the results.
#[derive(Debug)]
pub struct Recording<'a, P> {
    /// The policy observed.
    pub inner: P,
    observed: &'a mut Observed,
    rows: usize,
    window: &'a [u32],
}

impl<'a, P> Recording<'a, P> {
    /// Records the run of the tokens `window` into `observed`, and keeps up to `rows` rows of
    /// scores per layer.
    pub fn new(inner: P, observed: &'a mut Observed, rows: usize, window: &'a [u32]) -> Self {
        Self {
            inner,
            observed,
            rows,
            window,
        }
    }

    /// Keeps the largest value of `x`, `[group, token, channel]`, with its token.
    fn keep_peak(&mut self, x: &Array3<f64>, site: Site) {
        for ((_, t, _), &value) in x.indexed_iter() {
            let Some(&id) = self.window.get(t) else {
                continue;
            };
            let peak = self
                .observed
                .peaks
                .entry(site)
                .or_insert(Peak { value, id });
            if value > peak.value {
                *peak = Peak { value, id };
            }
        }
    }

    fn keep_scores(&mut self, scores: &Array3<f64>, layer: usize) {
        let (heads, tokens, keys) = scores.dim();
        let ranges = self
            .observed
            .heads
            .entry(layer)
            .or_insert_with(|| vec![(f64::INFINITY, f64::NEG_INFINITY); heads]);
        let rows = self
            .observed
            .rows
            .entry(layer)
            .or_insert_with(|| Rows::new(self.rows));
        for (head, of_head) in scores.outer_iter().enumerate() {
            for (t, row) in of_head.outer_iter().enumerate() {
                let visible = keys - tokens + t + 1;
                extend(&mut ranges[head], range_of(row.iter().take(visible)));
                if self.rows > 0 {
                    rows.offer(head, row.iter().take(visible).copied());
                }
            }
        }
    }
}

fn range_of<'a>(values: impl Iterator<Item = &'a f64>) -> Range {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), v| {
        // Minimum and maximum pass over what is no number, which must not be lost.
        match v.is_nan() {
            true => (f64::NEG_INFINITY, f64::INFINITY),
            false => (lo.min(*v), hi.max(*v)),
        }
    })
}

impl<P: Policy> Policy for Recording<'_, P> {
    const ROW_MAXIMUM: bool = P::ROW_MAXIMUM;

    fn evaluate(&mut self, f: &Function, x: f64, argument: Site) -> Result<f64> {
        self.inner.evaluate(f, x, argument)
    }

    fn result(&mut self, x: &mut Array3<f64>, site: Site) -> Result<()> {
        self.inner.result(x, site)?;
        let range = range_of(x.iter());
        extend(self.observed.ranges.entry(site).or_insert(range), range);
        match site.role {
            Role::Scores => self.keep_scores(x, site.layer),
            Role::AttentionMeanSquare | Role::MlpMeanSquare | Role::Gate => {
                self.keep_peak(x, site);
            }
            _ => (),
        }
        Ok(())
    }

    fn refresh(&mut self, x: &mut Array3<f64>, site: Site) -> Result<()> {
        self.inner.refresh(x, site)
    }
}
