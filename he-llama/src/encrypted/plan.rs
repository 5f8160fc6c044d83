//! Where bootstraps go, found before the run.
//!
//! Layer by layer, for every level that its input may have, all subsets of the layer's candidates
//! are followed ([`Levels`]); the cheapest way through all layers wins, counted in ciphertexts
//! bootstrapped. Then the level that each bootstrap leaves is lowered as far as the run allows,
//! because every operation costs by the primes it carries.

use std::collections::{BTreeMap, BTreeSet};

use crate::calibrate::Calibration;
use crate::encrypted::levels::{Leveled, Levels};
use crate::encrypted::machine::PassPlan;
use crate::encrypted::packing::{Packing, Shape};
use crate::encrypted::units::Units;
use crate::error::{Error, Result};
use crate::model::{Cache, Embedded, Llama, Positions, Role, Site};

/// Levels of the presets that a plan is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// log2 of the slots of a ciphertext.
    pub log_slots: u32,
    /// Level that a tensor needs to be bootstrapped.
    pub bottom: usize,
    /// Level that a bootstrap leaves, and at which inputs are encrypted.
    pub top: usize,
}

/// The plan of a session: one for its prompt and one for every later step.
#[derive(Clone, Debug)]
pub struct Plan {
    /// For the prompt.
    pub prompt: PassPlan,
    /// For each step after it.
    pub step: PassPlan,
    /// Ciphertexts bootstrapped for the prompt and for a step.
    pub bootstraps: (usize, usize),
    /// Largest period of a tensor that is bootstrapped.
    pub slots: usize,
}

/// Everything a search needs.
struct Search<'a> {
    llama: &'a Llama,
    calibration: &'a Calibration,
    units: &'a Units,
    packing: Packing,
    budget: Budget,
    /// Most slots of a bootstrap.
    slots: usize,
}

/// The cheapest way to a hidden state of some level.
#[derive(Clone)]
struct Way {
    bootstraps: usize,
    plan: PassPlan,
    caches: Vec<Cache<Leveled>>,
    hidden: Leveled,
}

impl Plan {
    /// The plan for a prompt of `len` tokens in a session with room for `keys` positions.
    pub fn new(
        llama: &Llama,
        calibration: &Calibration,
        units: &Units,
        budget: Budget,
        len: usize,
        keys: usize,
    ) -> Result<Self> {
        let mut best: Option<(f64, Self)> = None;
        for log_slots in 2..=budget.log_slots {
            let slots = 1 << log_slots;
            let search = |shape| Search {
                llama,
                calibration,
                units,
                packing: Packing::new(&llama.config, shape, budget.log_slots),
                budget,
                slots,
            };
            let (prompt, step) = (Shape::prompt(len, keys), Shape::step(len, keys));
            let found = Self::within(&search(prompt), &search(step), keys <= len)?;
            let Some(plan) = found else { continue };
            let cost = plan.cost();
            if best.as_ref().is_none_or(|(least, _)| cost < *least) {
                best = Some((cost, plan));
            }
        }
        best.map(|(_, plan)| plan)
            .ok_or_else(|| Error::Unplannable {
                site: "the model".into(),
                preset: format!("with {} levels", budget.top),
                levels: budget.top - budget.bottom,
            })
    }

    /// The plan with bootstraps of at most the searches' slots, for a prompt that is all there is
    /// or has steps behind it.
    fn within(prompt: &Search<'_>, step: &Search<'_>, alone: bool) -> Result<Option<Self>> {
        // Keys and values must be left at levels that the steps can use.
        for floor in 0..=prompt.budget.top {
            let Some(first) = prompt.run(&prompt.llama.caches(), floor)? else {
                return Ok(None);
            };
            if alone {
                return Ok(Some(prompt.finish(&first, None, step)));
            }
            if let Some(next) = step.run(&first.caches, 0)? {
                return Ok(Some(prompt.finish(&first, Some(&next), step)));
            }
        }
        Ok(None)
    }

    /// Relative time of the bootstraps: their diagonals grow with the root of the slots (counted
    /// by dry runs: 256 slots take 1.05 times what 64 do, 2048 1.2 times, 8192 1.5 times).
    fn cost(&self) -> f64 {
        let (prompt, step) = self.bootstraps;
        (prompt + step) as f64 * (1.0 + (self.slots as f64).sqrt() / 200.0)
    }
}

impl Search<'_> {
    fn finish(&self, prompt: &Way, step: Option<&Way>, steps: &Search<'_>) -> Plan {
        let lowered = self.lower(prompt.plan.clone(), prompt, &self.llama.caches());
        let stepped = step.map(|way| steps.lower(way.plan.clone(), way, &prompt.caches));
        let slots = self
            .periods(&lowered)
            .into_iter()
            .chain(stepped.iter().flat_map(|plan| steps.periods(plan)))
            .max()
            .unwrap_or(4)
            .max(4);
        Plan {
            bootstraps: (prompt.bootstraps, step.map_or(0, |way| way.bootstraps)),
            prompt: lowered,
            step: stepped.unwrap_or_default(),
            slots,
        }
    }

    fn levels<'b>(&'b self, plan: &'b PassPlan) -> Levels<'b> {
        let bottom = self.budget.bottom;
        let mut levels = Levels::new(self.units, self.packing, plan, bottom, &self.llama.config);
        levels.slots = self.slots;
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
            level: self.budget.top,
            unit,
            count: layout.ciphertexts(),
            prompt: false,
            joined: false,
        })
    }

    /// The cheapest way through the model, or none. `floor` is the least level of new keys and
    /// values.
    fn run(&self, caches: &[Cache<Leveled>], floor: usize) -> Result<Option<Way>> {
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
            if way.hidden.level < 1 {
                if way.hidden.level < self.budget.bottom {
                    continue;
                }
                way.bootstraps += way.hidden.count;
                way.plan.insert(end, self.budget.top);
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
            levels.chosen = Some((chosen.clone(), self.budget.top));
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
            plan.extend(chosen.iter().map(|site| (*site, self.budget.top)));
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

    /// Lowers the level after each bootstrap while the pass still runs and leaves its cache at the
    /// levels it had.
    fn lower(&self, mut plan: PassPlan, way: &Way, caches: &[Cache<Leveled>]) -> PassPlan {
        let sites: Vec<Site> = plan.keys().copied().collect();
        for site in sites {
            while let Some(level) = plan[&site].checked_sub(1) {
                let kept = plan.insert(site, level);
                if !self.runs(&plan, way, caches) {
                    plan.insert(site, kept.unwrap_or(self.budget.top));
                    break;
                }
            }
        }
        plan
    }

    fn runs(&self, plan: &PassPlan, way: &Way, caches: &[Cache<Leveled>]) -> bool {
        let mut levels = self.levels(plan);
        let mut caches = caches.to_vec();
        let Ok(x) = self.input() else { return false };
        let input = Embedded {
            hidden: x,
            normed: x,
        };
        let circuit = &self.calibration.circuit;
        let done = self
            .llama
            .forward(&mut levels, circuit, input, &mut caches, self.positions());
        let entries = |c: &Cache<Leveled>| c.entries.map(|(k, v)| (k.level, v.level));
        done.is_ok()
            && caches
                .iter()
                .zip(&way.caches)
                .all(|(a, b)| entries(a) >= entries(b))
    }

    /// Periods of the tensors that a plan bootstraps.
    fn periods(&self, plan: &PassPlan) -> Vec<usize> {
        plan.keys()
            .filter_map(|site| self.packing.of_site(*site, &self.llama.config).ok())
            .collect()
    }
}
