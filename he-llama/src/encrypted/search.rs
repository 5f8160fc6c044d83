//! Where the bootstraps of one kind of pass may go.
//!
//! A layer is followed ([`Follow`]) with sets of its candidates for bootstraps. A set grows only by
//! candidates before the operation at which it ran out of levels: whatever comes later cannot help.
//! [`crate::encrypted::plan`] joins the passages through all layers; then the level that each
//! bootstrap leaves is lowered as far as the pass allows, because every operation costs by the
//! primes it carries.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};

use ckks_math::Evaluator;
use ckks_math::backend::dry_run::{DryRun, KernelTimes};
use ckks_math::bootstrap::Bootstrapper;
use he_linalg::matrix::MatrixStore;
use he_linalg::{Layout, Packed};

use crate::calibrate::Calibration;
use crate::encrypted::cache::{KeyValues, among_windows};
use crate::encrypted::fixed::FixedParts;
use crate::encrypted::follow::{Follow, Memory, Shadow};
use crate::encrypted::machine::{Encrypted, PassPlan};
use crate::encrypted::matrices::Matrices;
use crate::encrypted::packing::{Packing, PassKind};
use crate::encrypted::plan::{Budget, Refresh};
use crate::encrypted::tensor::Tensor;
use crate::encrypted::units::Units;
use crate::error::Result;
use crate::model::{Embedded, Llama, Role, Site};

/// Sets of candidates of one layer that are followed at most.
const SETS: usize = 4096;
/// Bootstraps of a layer beyond the fewest with which it runs that are tried. One leaves a higher
/// level to the next layer; in a window three are those of queries, keys and values, which every
/// step behind it gains from.
const BEYOND_FEWEST: [(PassKind, usize); 3] = [
    (PassKind::First, 3),
    (PassKind::Later, 3),
    (PassKind::Step, 1),
];

/// What all searches of a plan share.
pub(super) struct Shapes<'a> {
    pub llama: &'a Llama,
    pub calibration: &'a Calibration,
    pub units: &'a Units,
    pub ev: &'a Evaluator<DryRun>,
    pub fixed: &'a FixedParts<DryRun>,
    pub matrices: &'a Matrices,
    pub store: &'a MatrixStore<DryRun>,
    pub budget: Budget,
    pub times: &'a KernelTimes,
}

/// A search for one kind of pass with one way of bootstrapping.
pub(super) struct Search<'a> {
    pub shapes: &'a Shapes<'a>,
    pub packing: Packing,
    pub refresh: Refresh,
    pub bootstrapper: &'a Bootstrapper<DryRun>,
    pub memory: &'a Memory,
}

/// The level of the keys and values of one layer before a pass, and the least one that the pass may
/// leave its own at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub before: usize,
    pub floor: usize,
}

/// One layer with some bootstraps.
#[derive(Clone)]
pub(super) struct Passage {
    pub hidden: Shadow,
    /// The lower level of new keys and values.
    pub kept: usize,
    pub seconds: f64,
    pub bootstraps: usize,
    /// Where they are, to the highest level.
    pub chosen: Vec<Site>,
}

/// A layer followed with some bootstraps.
struct Followed {
    /// `None` where levels ran out.
    passage: Option<Passage>,
    /// Candidates before the end.
    candidates: Vec<Site>,
}

impl Search<'_> {
    /// The machine, whose bootstraps `decide` places.
    fn follow<'f>(
        &'f self,
        plan: &'f PassPlan,
        progress: &'f mut dyn FnMut(crate::encrypted::Event) -> Result<()>,
        decide: &'f dyn Fn(Site) -> Option<usize>,
    ) -> Follow<'f> {
        let shapes = self.shapes;
        Follow {
            machine: Encrypted {
                ev: shapes.ev,
                bootstrapper: self.bootstrapper,
                config: &shapes.llama.config,
                units: shapes.units,
                plan,
                packing: self.packing,
                fixed: shapes.fixed,
                matrices: shapes.matrices,
                store: shapes.store,
                products: Vec::new(),
                heard: Vec::new(),
                progress,
            },
            memory: self.memory,
            refresh: self.refresh,
            least: shapes.budget.least,
            times: shapes.times,
            decide,
            candidates: Vec::new(),
            seconds: 0.0,
            bootstraps: 0,
        }
    }

    /// A tensor of zeros.
    fn zeros(&self, layout: Layout, level: usize, site: Site) -> Result<Shadow> {
        let packed = Packed::zeros(self.shapes.ev, layout, level)?;
        Ok(Tensor::new(packed, self.shapes.units.of(site)?))
    }

    /// A tensor that the client encrypts, at the highest level.
    ///
    /// # Errors
    ///
    /// [`Error::Linear`](crate::Error::Linear) when the layout has more places than an address has
    /// bits for.
    pub fn input(&self, role: Role) -> Result<Shadow> {
        let layout = self.packing.channels(self.shapes.llama.config.hidden)?;
        self.zeros(layout, self.shapes.budget.top, Site::new(0, role))
    }

    /// Keys and values of a layer before the pass, at `level`.
    fn cache(&self, layer: usize, level: usize) -> Result<KeyValues<DryRun>> {
        let mut cache = KeyValues::default();
        let sites = [Role::Key, Role::Value].map(|role| Site::new(layer, role));
        match self.packing.shape().kind {
            PassKind::First => {}
            PassKind::Later => {
                let [keys, values] = sites.map(|s| self.zeros(self.packing.windows()?, level, s));
                cache.complete = Some([keys?, values?]);
                let before = self.packing.shape();
                let shape = crate::encrypted::Shape {
                    used: before.tokens,
                    ..before
                };
                let [keys, values] = sites.map(|s| self.zeros(self.packing.windows()?, level, s));
                cache.last = Some((shape, [keys?, values?]));
            }
            PassKind::Step => {
                let [keys, values] = sites.map(|s| self.zeros(self.packing.cache()?, level, s));
                let (mut pair, parts) = ([keys?, values?], self.packing.cache_parts()?);
                for (x, part) in pair.iter_mut().zip(parts) {
                    x.part = part;
                }
                cache.stepped = Some(pair);
            }
        }
        Ok(cache)
    }

    /// One layer with bootstraps at `chosen` to the highest level.
    fn layer(
        &self,
        index: usize,
        hidden: &Shadow,
        kept: usize,
        chosen: &[Site],
    ) -> Result<Followed> {
        let (none, top) = (PassPlan::new(), self.shapes.budget.top);
        let decide = |site| chosen.contains(&site).then_some(top);
        let mut silent = |_| Ok(());
        let mut follow = self.follow(&none, &mut silent, &decide);
        let mut cache = self.cache(index, kept)?;
        let normed = match index {
            0 => Some(self.input(Role::Normed)?),
            _ => None,
        };
        let result = self.shapes.llama.layers[index].forward(
            &mut follow,
            &self.shapes.calibration.circuit.layers[index],
            hidden.clone(),
            normed.as_ref(),
            &mut cache,
        );
        let (seconds, bootstraps) = (follow.seconds, follow.bootstraps);
        let candidates = std::mem::take(&mut follow.candidates);
        let passage = match result {
            Ok(hidden) => Some(Passage {
                hidden,
                kept: new_level(&cache),
                seconds,
                bootstraps,
                chosen: chosen.to_vec(),
            }),
            Err(error) if error.lacks_levels() => None,
            Err(error) => return Err(error),
        };
        Ok(Followed {
            passage,
            candidates,
        })
    }

    /// The useful passages through one layer whose cache is at level `kept`: none of them is at
    /// least as dear as another that leaves no lower levels.
    fn passages(&self, index: usize, hidden: &Shadow, kept: usize) -> Result<Vec<Passage>> {
        let mut found: Vec<Passage> = Vec::new();
        let (mut sets, mut seen) = (vec![Vec::new()], HashSet::new());
        let kind = self.packing.shape().kind;
        let beyond = BEYOND_FEWEST.iter().find(|(of, _)| *of == kind);
        let beyond = beyond.map_or(1, |(_, beyond)| *beyond);
        let mut rest = None;
        while !sets.is_empty() && rest != Some(0) && seen.len() < SETS {
            let mut next: Vec<Vec<Site>> = Vec::new();
            for chosen in &sets {
                let followed = self.layer(index, hidden, kept, chosen)?;
                for site in followed.candidates {
                    if let Err(at) = chosen.binary_search(&site) {
                        let mut more = chosen.clone();
                        more.insert(at, site);
                        if seen.insert(more.clone()) {
                            next.push(more);
                        }
                    }
                }
                found.extend(followed.passage);
            }
            rest = match rest {
                Some(left) => Some(left - 1),
                None => (!found.is_empty()).then_some(beyond),
            };
            sets = next;
        }
        found.sort_by(|x, y| x.seconds.total_cmp(&y.seconds));
        let mut useful: Vec<Passage> = Vec::new();
        for passage in found {
            let no_better = useful.iter().any(|other| {
                other.hidden.level() >= passage.hidden.level() && other.kept >= passage.kept
            });
            if !no_better {
                useful.push(passage);
            }
        }
        Ok(useful)
    }

    /// [`Search::passages`], found once.
    ///
    /// # Errors
    ///
    /// What the layer fails with on shapes, but for too few levels: there is no such passage.
    pub fn known_passages<'p>(
        &self,
        known: &'p mut Passages,
        index: usize,
        hidden: &Shadow,
        kept: usize,
    ) -> Result<&'p [Passage]> {
        let key = (index, hidden.level(), hidden.unit.to_bits(), kept);
        Ok(match known.0.entry(key) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(self.passages(index, hidden, kept)?),
        })
    }

    /// Seconds and bootstraps of the head.
    ///
    /// # Errors
    ///
    /// What the head fails with on shapes, but for too few levels, which are `None`.
    pub fn head(&self, hidden: &Shadow, level: Option<usize>) -> Result<Option<(f64, usize)>> {
        let (none, decide) = (PassPlan::new(), |_| level);
        let mut silent = |_| Ok(());
        let mut follow = self.follow(&none, &mut silent, &decide);
        match self.shapes.llama.head(&mut follow, hidden) {
            Ok(_) => Ok(Some((follow.seconds, follow.bootstraps))),
            Err(error) if error.lacks_levels() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The same bootstraps at the lowest levels with which the pass still runs. Where it costs less
    /// then, those of mixed values are moved behind the sum with the residual stream, whose own
    /// level may sink.
    ///
    /// # Errors
    ///
    /// Those of [`Search::seconds`].
    pub fn lowered(&self, sites: &PassPlan, kept: &[Kept]) -> Result<PassPlan> {
        let (mut best, mut least) = self.lower(sites, kept)?;
        for layer in 0..kept.len() {
            let [from, to] = [Role::Mixed, Role::HiddenMiddle].map(|role| Site::new(layer, role));
            let mut moved = best.clone();
            if moved.contains_key(&to) || moved.remove(&from).is_none() {
                continue;
            }
            let top = self.shapes.budget.top;
            moved.insert(to, top);
            moved.values_mut().for_each(|level| *level = top);
            if self.seconds(&moved, kept)?.is_some() {
                let (plan, seconds) = self.lower(&moved, kept)?;
                if seconds < least {
                    (best, least) = (plan, seconds);
                }
            }
        }
        Ok(best)
    }

    /// Lowers the level after each bootstrap while the pass still runs; with the seconds it takes
    /// then.
    fn lower(&self, sites: &PassPlan, kept: &[Kept]) -> Result<(PassPlan, f64)> {
        let mut plan = sites.clone();
        let mut least = self.seconds(&plan, kept)?.unwrap_or(f64::INFINITY);
        for site in sites.keys().copied() {
            while let Some(level) = plan[&site].checked_sub(1) {
                let before = plan.insert(site, level);
                let Some(seconds) = self.seconds(&plan, kept)? else {
                    plan.insert(site, before.unwrap_or(self.shapes.budget.top));
                    break;
                };
                least = seconds;
            }
        }
        Ok((plan, least))
    }

    /// Seconds of a pass with this plan; `None` where levels do not suffice, for itself or for keys
    /// and values.
    ///
    /// # Errors
    ///
    /// What the pass fails with on shapes, but for too few levels: a place without a range, say.
    pub fn seconds(&self, plan: &PassPlan, kept: &[Kept]) -> Result<Option<f64>> {
        let decide = |site| plan.get(&site).copied();
        let mut silent = |_| Ok(());
        let mut follow = self.follow(plan, &mut silent, &decide);
        let layers = kept.iter().enumerate();
        let caches = layers.map(|(layer, kept)| self.cache(layer, kept.before));
        let mut caches = caches.collect::<Result<Vec<_>>>()?;
        let input = Embedded {
            hidden: self.input(Role::Hidden)?,
            normed: self.input(Role::Normed)?,
        };
        let (llama, circuit) = (self.shapes.llama, &self.shapes.calibration.circuit);
        match llama.forward(&mut follow, circuit, input, &mut caches) {
            Ok(_) => {
                let mut pairs = caches.iter().zip(kept);
                let high = pairs.all(|(cache, kept)| new_level(cache) >= kept.floor);
                Ok(high.then_some(follow.seconds))
            }
            Err(error) if error.lacks_levels() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The level of keys and values that windows leave at `level`, where the pass of this search
    /// takes them up: among those of all windows, or as a step has them.
    ///
    /// # Errors
    ///
    /// What taking them up fails with on shapes, but for too few levels, which are `None`.
    pub fn taken_up(&self, windows: Packing, level: usize) -> Result<Option<usize>> {
        let none = PassPlan::new();
        let (mut silent, decide) = (|_| Ok(()), |_| None);
        let mut machine = self.follow(&none, &mut silent, &decide).machine;
        let sites = [Role::Key, Role::Value].map(|role| Site::new(0, role));
        let [keys, values] = sites.map(|s| self.zeros(windows.windows()?, level, s));
        let (shape, entries) = (windows.shape(), [keys?, values?]);
        let found = match self.packing.shape().kind {
            PassKind::First => return Ok(Some(level)),
            PassKind::Later => among_windows(&machine, shape, entries),
            PassKind::Step => {
                let [keys, values] = sites.map(|s| self.zeros(self.packing.cache()?, level, s));
                let (mut like, parts) = ([keys?, values?], self.packing.cache_parts()?);
                for (x, part) in like.iter_mut().zip(parts) {
                    x.part = part;
                }
                let windows = KeyValues {
                    last: Some((shape, entries)),
                    ..KeyValues::default()
                };
                windows.converted(&mut machine, &like, sites)
            }
        };
        match found {
            Ok([keys, values]) => {
                let level = keys.level().min(values.level());
                Ok((level >= self.shapes.budget.least).then_some(level))
            }
            Err(error) if error.lacks_levels() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Passages through layers that were found before, by layer, level and unit of the hidden states,
/// and level of the cache.
#[derive(Default)]
pub(super) struct Passages(BTreeMap<(usize, usize, u64, usize), Vec<Passage>>);

/// The lower level of the keys and values that a pass has added to a cache.
fn new_level(cache: &KeyValues<DryRun>) -> usize {
    let new = cache.entries();
    new.map_or(0, |[keys, values]| keys.level().min(values.level()))
}
