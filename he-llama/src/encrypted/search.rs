//! The cheapest way of one kind of pass through the layers, in ciphertexts bootstrapped.
//!
//! Layer by layer, for every level that its input may have, all subsets of the layer's candidates
//! are followed ([`Levels`]); the way with the fewest bootstraps through all layers wins. Then the
//! level that each bootstrap leaves is lowered as far as the run allows, because every operation
//! costs by the primes it carries.

use std::collections::{BTreeMap, BTreeSet};

use crate::calibrate::Calibration;
use crate::encrypted::levels::{Leveled, Levels};
use crate::encrypted::machine::PassPlan;
use crate::encrypted::packing::Packing;
use crate::encrypted::plan::Refresh;
use crate::encrypted::units::Units;
use crate::error::Result;
use crate::model::{Cache, Embedded, Llama, Positions, Role, Site};

/// Everything a search needs.
#[derive(Clone, Copy)]
pub(super) struct Search<'a> {
    pub llama: &'a Llama,
    pub calibration: &'a Calibration,
    pub units: &'a Units,
    pub packing: Packing,
    /// Level that a bootstrap leaves, and at which inputs are encrypted.
    pub top: usize,
    /// The least level that a product may leave.
    pub least: usize,
    /// How bootstraps are made: the slots that they admit, the level that they take.
    pub refresh: Refresh,
}

/// The cheapest way to a hidden state of some level.
#[derive(Clone)]
pub(super) struct Way {
    pub bootstraps: usize,
    pub plan: PassPlan,
    pub caches: Vec<Cache<Leveled>>,
    hidden: Leveled,
}

impl Search<'_> {
    fn levels<'b>(&'b self, plan: &'b PassPlan) -> Levels<'b> {
        let Refresh { slots, bottom } = self.refresh;
        let mut levels = Levels::new(self.units, self.packing, plan, bottom, &self.llama.config);
        (levels.slots, levels.least) = (slots, self.least);
        levels
    }

    fn positions(&self) -> Positions {
        let shape = self.packing.shape();
        Positions {
            start: shape.start,
            len: shape.tokens,
        }
    }

    fn input(&self) -> Result<Leveled> {
        let layout = self.packing.channels(self.llama.config.hidden)?;
        let unit = self.units.of(Site::new(0, Role::Hidden))?;
        Ok(Leveled {
            level: self.top,
            unit,
            count: layout.ciphertexts(),
            prompt: false,
            joined: false,
        })
    }

    /// The cheapest way through the model, or none. `floor` is the least level of new keys and
    /// values.
    pub fn run(&self, caches: &[Cache<Leveled>], floor: usize) -> Result<Option<Way>> {
        let input = self.input()?;
        let start = Way {
            bootstraps: 0,
            plan: PassPlan::new(),
            caches: caches.to_vec(),
            hidden: input,
        };
        let mut ways = BTreeMap::from([(usize::MAX, start)]);
        for layer in 0..self.llama.layers.len() {
            let mut next: BTreeMap<usize, Way> = BTreeMap::new();
            for way in ways.values() {
                for candidate in self.layer(layer, way, floor)? {
                    let level = candidate.hidden.level;
                    let cheaper = next
                        .get(&level)
                        .is_none_or(|w| candidate.bootstraps < w.bootstraps);
                    if cheaper {
                        next.insert(level, candidate);
                    }
                }
            }
            // A lower level at no lower price is of no use.
            let mut best = usize::MAX;
            ways = next
                .into_iter()
                .rev()
                .filter(|(_, way)| {
                    let better = way.bootstraps < best;
                    best = best.min(way.bootstraps);
                    better
                })
                .collect();
        }
        let end = Site::new(self.llama.config.layers, Role::Hidden);
        let mut done: Option<Way> = None;
        for mut way in ways.into_values() {
            // The head divides once more.
            if way.hidden.level < self.least + 1 {
                if way.hidden.level < self.refresh.bottom {
                    continue;
                }
                way.bootstraps += way.hidden.count;
                way.plan.insert(end, self.top);
            }
            if done.as_ref().is_none_or(|d| way.bootstraps < d.bootstraps) {
                done = Some(way);
            }
        }
        Ok(done)
    }

    /// All useful ways on from `way` through one layer.
    fn layer(&self, index: usize, way: &Way, floor: usize) -> Result<Vec<Way>> {
        let none = PassPlan::new();
        let follow = |chosen: &BTreeSet<Site>| -> Result<(Leveled, Cache<Leveled>, Levels<'_>)> {
            let mut levels = self.levels(&none);
            levels.chosen = Some((chosen.clone(), self.top));
            let mut cache = way.caches[index].clone();
            let normed = (index == 0).then_some(way.hidden);
            let hidden = self.llama.layers[index].forward(
                &mut levels,
                &self.calibration.circuit.layers[index],
                way.hidden,
                normed.as_ref(),
                &mut cache,
                self.positions(),
            )?;
            Ok((hidden, cache, levels))
        };
        let candidates = self.candidates(index)?;
        let mut found: BTreeMap<usize, Way> = BTreeMap::new();
        for bits in 0_u32..1 << candidates.len() {
            let chosen: BTreeSet<Site> = candidates
                .iter()
                .enumerate()
                .filter(|(i, _)| bits >> i & 1 == 1)
                .map(|(_, site)| *site)
                .collect();
            let Ok((hidden, cache, levels)) = follow(&chosen) else {
                continue;
            };
            let low = cache
                .entries
                .as_ref()
                .is_some_and(|(k, v)| k.level.min(v.level) < floor);
            let bootstraps = way.bootstraps + levels.bootstraps;
            let dearer = found
                .range(hidden.level..)
                .any(|(_, w)| w.bootstraps <= bootstraps);
            if low || dearer {
                continue;
            }
            let mut plan = way.plan.clone();
            plan.extend(chosen.iter().map(|site| (*site, self.top)));
            let mut caches = way.caches.clone();
            caches[index] = cache;
            found.insert(
                hidden.level,
                Way {
                    bootstraps,
                    plan,
                    caches,
                    hidden,
                },
            );
        }
        Ok(found.into_values().collect())
    }

    /// The candidates of a layer, met when levels never run out.
    fn candidates(&self, index: usize) -> Result<Vec<Site>> {
        let none = PassPlan::new();
        let mut levels = self.levels(&none);
        let plenty = Leveled {
            level: 1 << 20,
            ..self.input()?
        };
        let normed = (index == 0).then_some(plenty);
        let mut cache = Cache::default();
        self.llama.layers[index].forward(
            &mut levels,
            &self.calibration.circuit.layers[index],
            plenty,
            normed.as_ref(),
            &mut cache,
            self.positions(),
        )?;
        Ok(levels.candidates)
    }

    /// Lowers the level after each bootstrap while the pass still runs, and what follows it with the
    /// cache that it leaves: `then`, told the plan and the cache.
    pub fn lower(
        &self,
        way: &Way,
        caches: &[Cache<Leveled>],
        then: &dyn Fn(&PassPlan, &[Cache<Leveled>]) -> bool,
    ) -> PassPlan {
        let mut plan = way.plan.clone();
        let sites: Vec<Site> = plan.keys().copied().collect();
        for site in sites {
            while let Some(level) = plan[&site].checked_sub(1) {
                let kept = plan.insert(site, level);
                let left = self.follow(&plan, caches);
                if !left.is_some_and(|left| then(&plan, &left)) {
                    plan.insert(site, kept.unwrap_or(self.top));
                    break;
                }
            }
        }
        plan
    }

    /// The caches that a pass with this plan leaves; none if it runs out of levels.
    pub fn follow(
        &self,
        plan: &PassPlan,
        caches: &[Cache<Leveled>],
    ) -> Option<Vec<Cache<Leveled>>> {
        let mut levels = self.levels(plan);
        let mut caches = caches.to_vec();
        let x = self.input().ok()?;
        let input = Embedded {
            hidden: x,
            normed: x,
        };
        let circuit = &self.calibration.circuit;
        let positions = self.positions();
        let done = self
            .llama
            .forward(&mut levels, circuit, input, &mut caches, positions);
        done.is_ok().then_some(caches)
    }

    /// Periods of the tensors that may be bootstrapped, ascending.
    pub fn periods(&self) -> Result<Vec<usize>> {
        let any = Refresh {
            slots: usize::MAX,
            ..self.refresh
        };
        let whole = Self {
            refresh: any,
            ..*self
        };
        let mut periods = BTreeSet::new();
        for layer in 0..self.llama.layers.len() {
            for site in whole.candidates(layer)? {
                periods.insert(self.packing.of_site(site, &self.llama.config)?);
            }
        }
        Ok(periods.into_iter().collect())
    }
}
