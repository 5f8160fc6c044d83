//! The machine that only counts levels: what a layer costs an encrypted run.

use std::convert::Infallible;

use serde::Serialize;

use crate::config::Config;
use crate::model::attention::Softmax;
use crate::model::function::{self, Function};
use crate::model::llama::{Circuit, Embedded, Llama};
use crate::model::machine::{Cache, Machine, Positions};
use crate::model::projection::Projection;
use crate::model::site::{Role, Site};

/// Degree counted for functions without a polynomial.
const UNCALIBRATED: usize = 15;

/// Depth of one result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The result.
    pub site: Site,
    /// Levels from the encrypted input of the model to it, along the longest path.
    pub depth: usize,
}

/// Counts levels; a tensor is its depth. Cached keys and values count as fresh.
#[derive(Debug, Default)]
pub struct Ledger {
    /// All results in the order of the computation.
    pub entries: Vec<Entry>,
    /// Places where a bootstrap may be.
    pub candidates: usize,
}

impl Ledger {
    /// Levels of the whole model for one token.
    pub fn of(llama: &Llama, circuit: &Circuit) -> Self {
        let mut ledger = Self::default();
        let mut caches = llama.caches();
        let input = Embedded {
            hidden: 0,
            normed: 0,
        };
        let one = Positions { start: 0, len: 1 };
        let Ok(_) = llama.forward(&mut ledger, circuit, input, &mut caches, one);
        ledger
    }

    /// Depth of the result at `site`; `None` when there is none.
    pub fn depth(&self, layer: usize, role: Role) -> Option<usize> {
        let site = Site::new(layer, role);
        self.entries
            .iter()
            .find(|e| e.site == site)
            .map(|e| e.depth)
    }

    /// Levels of each layer, and last those of the head.
    pub fn per_layer(&self, config: &Config) -> Vec<usize> {
        let mut ends = vec![0];
        ends.extend((1..=config.layers).filter_map(|l| self.depth(l, Role::Hidden)));
        ends.extend(self.entries.iter().map(|e| e.depth).max());
        ends.windows(2).map(|w| w[1] - w[0]).collect()
    }

    fn note(&mut self, depth: usize, site: Site) -> Result<usize, Infallible> {
        self.entries.push(Entry { site, depth });
        Ok(depth)
    }
}

fn degree(f: &Function) -> usize {
    f.degree().unwrap_or(UNCALIBRATED)
}

impl Machine for Ledger {
    type Tensor = usize;
    type Error = Infallible;

    fn project<const N: usize>(
        &mut self,
        x: &usize,
        projections: [&Projection; N],
        _: Positions,
    ) -> Result<[usize; N], Infallible> {
        for p in projections {
            self.note(x + 1, p.site)?;
        }
        Ok([x + 1; N])
    }

    fn mean_square(&mut self, x: &usize, site: Site) -> Result<usize, Infallible> {
        self.note(x + 1, site)
    }

    fn apply_times(
        &mut self,
        x: &usize,
        f: &Function,
        factor: &usize,
        _: Site,
        site: Site,
    ) -> Result<usize, Infallible> {
        let late = factor.saturating_sub(*x);
        self.note(x + function::depth_times(degree(f), late), site)
    }

    fn add(&mut self, x: &usize, y: &usize, site: Site) -> Result<usize, Infallible> {
        self.note(*x.max(y), site)
    }

    fn square(&mut self, x: &usize, site: Site) -> Result<usize, Infallible> {
        self.note(x + 1, site)
    }

    fn append(
        &mut self,
        cache: &mut Cache<usize>,
        keys: &usize,
        values: &usize,
        positions: Positions,
    ) -> Result<(), Infallible> {
        let (k, v) = cache.entries.unwrap_or((0, 0));
        cache.entries = Some((k.max(*keys), v.max(*values)));
        cache.len = positions.end();
        Ok(())
    }

    fn scores(
        &mut self,
        queries: &usize,
        keys: &usize,
        _: Positions,
        site: Site,
    ) -> Result<usize, Infallible> {
        self.note(queries.max(keys) + 1, site)
    }

    fn exponential(
        &mut self,
        scores: &usize,
        softmax: &Softmax,
        _: Positions,
        _: Site,
        site: Site,
    ) -> Result<usize, Infallible> {
        self.note(scores + function::depth(degree(&softmax.exponential)), site)
    }

    fn sum_keys(&mut self, x: &usize, site: Site) -> Result<usize, Infallible> {
        self.note(*x, site)
    }

    fn mix(
        &mut self,
        weights: &usize,
        values: &usize,
        _: Positions,
        site: Site,
    ) -> Result<usize, Infallible> {
        self.note(weights.max(values) + 1, site)
    }

    fn last(&mut self, x: &usize, _: Positions) -> Result<usize, Infallible> {
        Ok(*x)
    }

    fn refresh(&mut self, x: usize, _: Site) -> Result<usize, Infallible> {
        self.candidates += 1;
        Ok(x)
    }
}
