//! Where bootstraps go and how they are made, chosen before the run.
//!
//! A bootstrap of few slots costs less, and admits fewer tensors; SlotsToCoeffs on fewer levels
//! costs more, and leaves the circuit a level more. For the prompt and for the steps behind it
//! every useful way to bootstrap is tried: the search finds where bootstraps
//! go, and the least time of all bootstraps of the session wins.

use ckks_math::bootstrap::BootstrapOptions;

use crate::calibrate::Calibration;
use crate::encrypted::levels::Leveled;
use crate::encrypted::machine::PassPlan;
use crate::encrypted::packing::{Packing, Shape};
use crate::encrypted::search::{Search, Way};
use crate::encrypted::units::Units;
use crate::error::{Error, Result};
use crate::model::{Cache, Llama};

/// Levels of the presets that a plan is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// log2 of the slots of a ciphertext.
    pub log_slots: u32,
    /// Levels that the preset reserves for SlotsToCoeffs.
    pub reserved: usize,
    /// The least level that a product may leave: those below are too short to divide by, and SlotsToCoeffs
    /// takes them all.
    pub least: usize,
    /// Level that a bootstrap leaves, and at which inputs are encrypted.
    pub top: usize,
}

/// How the bootstraps of a pass are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refresh {
    /// Slots: the largest period of a tensor that is bootstrapped.
    pub slots: usize,
    /// Levels of SlotsToCoeffs, and thereby the level that a tensor must still have.
    pub bottom: usize,
}

/// Most slots for which SlotsToCoeffs may take so few levels: beyond them its diagonals cost more
/// than the level is worth (a dry run of `n16-boot`: one level in place of two takes 4 % of a
/// bootstrap for 256 slots, 8 % for 512 and 35 % for 2048).
const FEW_LEVELS: [(usize, usize); 2] = [(1, 1 << 9), (2, 1 << 13)];

impl Refresh {
    /// The ways to bootstrap tensors of a period that are worth trying.
    fn of_period(period: usize, budget: Budget) -> impl Iterator<Item = Self> {
        let slots = period.max(4);
        let few = FEW_LEVELS.into_iter().filter(move |few| slots <= few.1);
        let levels = |few: (usize, _)| few.0.max(budget.least).min(budget.reserved);
        let mut bottoms: Vec<usize> = few.map(levels).collect();
        if bottoms.is_empty() {
            bottoms.push(budget.reserved);
        }
        bottoms.dedup();
        bottoms
            .into_iter()
            .map(move |bottom| Self { slots, bottom })
    }

    /// The same as the scheme's options.
    pub fn options(self) -> BootstrapOptions {
        BootstrapOptions {
            slots_to_coeffs_levels: Some(self.bottom),
            ..BootstrapOptions::default()
        }
    }
}

/// The bootstraps of one kind of pass.
#[derive(Clone, Debug)]
pub struct Placed {
    /// Where they are, and the level each leaves.
    pub sites: PassPlan,
    /// Ciphertexts bootstrapped.
    pub bootstraps: usize,
    /// How they are made.
    pub refresh: Refresh,
}

/// The plan of a session: one for its prompt and one for every later step.
#[derive(Clone, Debug)]
pub struct Plan {
    /// For the prompt.
    pub prompt: Placed,
    /// For each step after it; as the prompt's, without bootstraps, where there is none.
    pub step: Placed,
}

/// A kind of pass with one way to bootstrap.
struct Choice<'a> {
    search: Search<'a>,
    /// Time of a bootstrap.
    cost: f64,
}

impl Plan {
    /// The plan for a prompt of `len` tokens in a session with room for `keys` positions, where a
    /// bootstrap takes the time `cost`, in any unit.
    pub fn new(
        llama: &Llama,
        calibration: &Calibration,
        units: &Units,
        budget: Budget,
        (len, keys): (usize, usize),
        cost: &dyn Fn(Refresh) -> Result<f64>,
    ) -> Result<Self> {
        let choices = |shape| -> Result<Vec<Choice<'_>>> {
            let search = Search {
                llama,
                calibration,
                units,
                packing: Packing::new(&llama.config, shape, budget.log_slots),
                top: budget.top,
                least: budget.least,
                refresh: Refresh {
                    slots: 4,
                    bottom: budget.reserved,
                },
            };
            let periods = search.periods()?.into_iter();
            let refreshes = periods.flat_map(|p| Refresh::of_period(p, budget));
            refreshes
                .map(|refresh| {
                    Ok(Choice {
                        search: Search { refresh, ..search },
                        cost: cost(refresh)?,
                    })
                })
                .collect()
        };
        let steps = keys.saturating_sub(len);
        let prompts = choices(Shape::prompt(len, keys))?;
        let step = if steps > 0 {
            choices(Shape::step(len, keys))?
        } else {
            Vec::new()
        };
        let mut best: Option<(f64, Self)> = None;
        for prompt in &prompts {
            let found = prompt.with_steps(&step, steps)?;
            if let Some((cost, plan)) = found
                && best.as_ref().is_none_or(|(least, _)| cost < *least)
            {
                best = Some((cost, plan));
            }
        }
        best.map(|(_, plan)| plan)
            .ok_or_else(|| Error::Unplannable {
                site: "the model".into(),
                preset: format!("with {} levels", budget.top),
                levels: budget.top - budget.reserved.min(FEW_LEVELS[0].0.max(budget.least)),
            })
    }
}

impl Choice<'_> {
    /// The cheapest plan with a prompt bootstrapped in this way, and the time of its bootstraps:
    /// the prompt's and those of `count` steps.
    fn with_steps(&self, steps: &[Choice<'_>], count: usize) -> Result<Option<(f64, Plan)>> {
        let start = self.search.llama.caches();
        let Some(mut first) = self.search.run(&start, 0)? else {
            return Ok(None);
        };
        let price = |first: &Way| first.bootstraps as f64 * self.cost;
        if count == 0 {
            let prompt = self.place(&first, &start, &|_, _| true);
            let step = Placed {
                sites: PassPlan::new(),
                bootstraps: 0,
                ..prompt.clone()
            };
            return Ok(Some((price(&first), Plan { prompt, step })));
        }
        let least = cheapest(steps, &at_level(&first.caches, self.search.top))?;
        let Some(least) = least.map(|(cost, ..)| cost * count as f64) else {
            return Ok(None);
        };
        let mut best: Option<(f64, Plan)> = None;
        // Keys and values must be left at levels that the steps can use: `floor` at least.
        for floor in 1..=self.search.top + 1 {
            let reach = |best: &Option<(f64, Plan)>| {
                let bound = price(&first) + least;
                best.as_ref().is_none_or(|(cost, _)| bound < *cost)
            };
            if !reach(&best) {
                break;
            }
            if let Some((cost, step, next)) = cheapest(steps, &first.caches)? {
                let cost = price(&first) + count as f64 * cost;
                if best.as_ref().is_none_or(|(least, _)| cost < *least) {
                    // A step leaves its cache to another; from there on levels stay.
                    let search = step.search;
                    let again = |sites: &_, left: &[_]| search.follow(sites, left).is_some();
                    let step = step.place(&next, &first.caches, &again);
                    let twice = |_: &PassPlan, left: &[_]| {
                        let left = search.follow(&step.sites, left);
                        left.is_some_and(|left| again(&step.sites, &left))
                    };
                    let prompt = self.place(&first, &start, &twice);
                    best = Some((cost, Plan { prompt, step }));
                }
            }
            match self.search.run(&start, floor)? {
                Some(way) => first = way,
                None => break,
            }
        }
        Ok(best)
    }

    fn place(
        &self,
        way: &Way,
        caches: &[Cache<Leveled>],
        then: &dyn Fn(&PassPlan, &[Cache<Leveled>]) -> bool,
    ) -> Placed {
        Placed {
            sites: self.search.lower(way, caches, then),
            bootstraps: way.bootstraps,
            refresh: self.search.refresh,
        }
    }
}

/// The cheapest of some choices behind `caches`, with the time of its bootstraps.
fn cheapest<'c, 'a>(
    choices: &'c [Choice<'a>],
    caches: &[Cache<Leveled>],
) -> Result<Option<(f64, &'c Choice<'a>, Way)>> {
    let mut found: Option<(f64, &Choice<'a>, Way)> = None;
    for choice in choices {
        let Some(way) = choice.search.run(caches, 0)? else {
            continue;
        };
        let cost = way.bootstraps as f64 * choice.cost;
        if found.as_ref().is_none_or(|(least, ..)| cost < *least) {
            found = Some((cost, choice, way));
        }
    }
    Ok(found)
}

/// Caches whose entries are at `level`.
fn at_level(caches: &[Cache<Leveled>], level: usize) -> Vec<Cache<Leveled>> {
    let raise = |x: Leveled| Leveled { level, ..x };
    let mut caches = caches.to_vec();
    for cache in &mut caches {
        cache.entries = cache.entries.map(|(k, v)| (raise(k), raise(v)));
    }
    caches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded;

    fn plan(cost: &dyn Fn(Refresh) -> f64, (len, keys): (usize, usize)) -> (Plan, Vec<Refresh>) {
        let llama = embedded::source().expect("built in").llama;
        let calibration = embedded::calibration(&llama).expect("built in");
        let units = Units::new(&llama, &calibration).expect("calibrated");
        let budget = Budget {
            log_slots: 15,
            reserved: 3,
            least: 0,
            top: 16,
        };
        let tried = std::cell::RefCell::new(Vec::new());
        let cost = |refresh| {
            tried.borrow_mut().push(refresh);
            Ok(cost(refresh))
        };
        let plan = Plan::new(&llama, &calibration, &units, budget, (len, keys), &cost);
        let plan = plan.expect("levels enough");
        for (shape, placed) in [
            (Shape::prompt(len, keys), &plan.prompt),
            (Shape::step(len, keys), &plan.step),
        ] {
            let packing = Packing::new(&llama.config, shape, budget.log_slots);
            assert_eq!(placed.bootstraps, placed.sites.len());
            for (site, level) in &placed.sites {
                let period = packing.of_site(*site, &llama.config).expect("a site");
                assert!(period <= placed.refresh.slots, "{site}");
                assert!(*level > placed.refresh.bottom && *level <= budget.top);
            }
        }
        (plan, tried.into_inner())
    }

    #[test]
    fn steps_are_refreshed_with_fewer_slots_and_levels_than_the_prompt() {
        let by_slots = |refresh: Refresh| (refresh.slots as f64).sqrt() + 200.0;
        let (plan, tried) = plan(&by_slots, (16, 23));
        assert!(plan.step.refresh.slots < plan.prompt.refresh.slots);
        assert_eq!(plan.step.refresh.bottom, 1);
        assert!(plan.step.bootstraps > 0);
        assert!(tried.iter().any(|refresh| refresh.bottom == 3), "{tried:?}");
    }

    #[test]
    fn the_price_of_a_bootstrap_decides() {
        // Where the level that one level of SlotsToCoeffs saves has its price, two are taken.
        let dear = |refresh: Refresh| if refresh.bottom == 1 { 100.0 } else { 1.0 };
        assert_eq!(plan(&dear, (16, 23)).0.step.refresh.bottom, 2);
    }

    #[test]
    fn a_prompt_without_steps_needs_no_plan_for_them() {
        let (plan, _) = plan(&|_| 1.0, (16, 16));
        assert!(plan.prompt.bootstraps > 0 && plan.step.sites.is_empty());
        assert_eq!(plan.step.refresh, plan.prompt.refresh);
    }
}
