//! A policy that records what another computes.

use std::collections::BTreeMap;

use ndarray::Array3;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use crate::error::Result;
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
}

/// Extends `ranges` by those of `by`.
pub fn widen(ranges: &mut BTreeMap<Site, Range>, by: &BTreeMap<Site, Range>) {
    for (site, range) in by {
        extend(ranges.entry(*site).or_insert(*range), *range);
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
}

impl<'a, P> Recording<'a, P> {
    /// Records into `observed`, and keeps up to `rows` rows of scores per layer.
    pub fn new(inner: P, observed: &'a mut Observed, rows: usize) -> Self {
        Self {
            inner,
            observed,
            rows,
        }
    }

    fn keep_rows(&mut self, scores: &Array3<f64>, layer: usize) {
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
                rows.offer(head, row.iter().take(visible).copied());
            }
        }
    }
}

fn range_of<'a>(values: impl Iterator<Item = &'a f64>) -> Range {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), v| {
        (lo.min(*v), hi.max(*v))
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
        if site.role == Role::Scores && self.rows > 0 {
            self.keep_rows(x, site.layer);
        }
        Ok(())
    }

    fn refresh(&mut self, x: &mut Array3<f64>, site: Site) -> Result<()> {
        self.inner.refresh(x, site)
    }
}
