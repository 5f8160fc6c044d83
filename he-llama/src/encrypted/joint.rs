//! The bootstraps of all kinds of passes together.
//!
//! Passes depend on each other through keys and values alone: the level at which a window leaves
//! those of a layer is what later windows and steps start from. So layer by layer all kinds of
//! passes are followed at once, for every level that their hidden states may have; the least time
//! of a session that is filled to its capacity wins.

use std::cell::RefCell;
use std::collections::BTreeMap;

use ckks_math::backend::dry_run::DryRun;
use ckks_math::bootstrap::Bootstrapper;

use crate::encrypted::follow::{Memory, Shadow};
use crate::encrypted::machine::PassPlan;
use crate::encrypted::packing::{Packing, PassKind};
use crate::encrypted::plan::{Placed, Plan, Refresh};
use crate::encrypted::search::{Kept, Passage, Passages, Search, Shapes};
use crate::error::Result;
use crate::model::{Role, Site};

/// Times that the ways of bootstrapping of all kinds of passes are gone through.
const ROUNDS: usize = 2;
/// Levels of cached keys and values that are tried for a step in one layer.
const STEP_LEVELS: usize = 4;

/// The ways of bootstrapping one kind of pass.
pub(super) struct Ways<'a> {
    shapes: &'a Shapes<'a>,
    packing: Packing,
    refreshes: Vec<(Refresh, Bootstrapper<DryRun>)>,
    memory: Memory,
    /// What is known for each way.
    known: RefCell<Vec<Passages>>,
}

impl<'a> Ways<'a> {
    /// All that are worth trying.
    ///
    /// # Errors
    ///
    /// [`Error::Linear`](crate::Error::Linear) when a layout has more places than an address has
    /// bits for, [`Error::Scheme`](crate::Error::Scheme) for parameters without bootstrapping.
    pub fn new(shapes: &'a Shapes<'a>, packing: Packing) -> Result<Self> {
        let (context, budget) = (shapes.ev.context(), shapes.budget);
        let make = |refresh: Refresh| -> Result<_> {
            let options = refresh.options(shapes.times);
            let made = Bootstrapper::new(context, refresh.slots, options)?;
            Ok((refresh, made))
        };
        let full = 1 << budget.log_slots;
        let periods = packing.bootstrapped_periods(&shapes.llama.config)?;
        let periods = periods.into_iter().filter(|period| *period <= full);
        let refreshes = periods.flat_map(|period| Refresh::of_period(period, budget));
        let refreshes = refreshes.map(make).collect::<Result<Vec<_>>>()?;
        let known = refreshes.iter().map(|_| Passages::default()).collect();
        Ok(Self {
            shapes,
            packing,
            refreshes,
            memory: Memory::default(),
            known: RefCell::new(known),
        })
    }

    fn search(&self, placement: usize) -> Search<'_> {
        let (refresh, bootstrapper) = &self.refreshes[placement];
        Search {
            shapes: self.shapes,
            packing: self.packing,
            refresh: *refresh,
            bootstrapper,
            memory: &self.memory,
        }
    }

    /// Passages through a layer.
    fn passages(
        &self,
        placement: usize,
        at: (usize, &Shadow),
        kept: usize,
    ) -> Result<Vec<Passage>> {
        let known = &mut self.known.borrow_mut()[placement];
        let found = self
            .search(placement)
            .known_passages(known, at.0, at.1, kept)?;
        Ok(found.to_vec())
    }
}

/// One kind of pass through the layers so far.
#[derive(Clone)]
struct Track {
    hidden: Shadow,
    sites: PassPlan,
    bootstraps: usize,
    kept: Vec<Kept>,
}

impl Track {
    fn behind(&self, passage: &Passage, kept: Kept, top: usize) -> Self {
        let mut track = self.clone();
        track.hidden = passage.hidden.clone();
        track.bootstraps += passage.bootstraps;
        track.kept.push(kept);
        let sites = passage.chosen.iter().map(|site| (*site, top));
        track.sites.extend(sites);
        track
    }
}

/// All kinds of passes through the layers so far.
#[derive(Clone)]
struct Tracks {
    /// Of the whole session.
    seconds: f64,
    /// In the order of [`PassKind`].
    kinds: Vec<Track>,
}

impl Tracks {
    /// Levels and units of the hidden states.
    fn state(&self) -> Vec<(usize, u64)> {
        let state = |track: &Track| (track.hidden.level(), track.hidden.unit.to_bits());
        self.kinds.iter().map(state).collect()
    }

    /// Whether it costs no more than `other` and leaves no lower level anywhere.
    fn serves_for(&self, other: &Self) -> bool {
        let mut pairs = self.kinds.iter().zip(&other.kinds);
        self.seconds <= other.seconds && pairs.all(|(x, y)| x.hidden.level() >= y.hidden.level())
    }
}

/// The search over all kinds of passes of a session.
pub(super) struct Joint<'a> {
    shapes: &'a Shapes<'a>,
    kinds: BTreeMap<PassKind, Ways<'a>>,
    /// Passes of each kind in a session that is filled to its capacity.
    counts: BTreeMap<PassKind, f64>,
    /// The levels at which passes of a kind take up what windows left at a level.
    taken_up: RefCell<BTreeMap<(PassKind, usize), Option<usize>>>,
}

impl<'a> Joint<'a> {
    /// The search for a session of `capacity` positions that has these kinds of passes.
    pub fn new(
        shapes: &'a Shapes<'a>,
        kinds: BTreeMap<PassKind, Ways<'a>>,
        capacity: usize,
    ) -> Self {
        let tokens = kinds[&PassKind::First].packing.shape().tokens;
        let count = |kind| match kind {
            PassKind::First => 1,
            PassKind::Later => capacity.div_ceil(tokens) - 1,
            // The first window may be all that is given.
            PassKind::Step => capacity.saturating_sub(tokens).max(1),
        };
        let counts = kinds.keys().map(|kind| (*kind, count(*kind) as f64));
        Self {
            shapes,
            counts: counts.collect(),
            kinds,
            taken_up: RefCell::default(),
        }
    }

    /// The plan with the least time; `None` where there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Uncalibrated`](crate::Error::Uncalibrated) for a place without a range or a
    /// polynomial, and what the passes fail with on shapes, but for too few levels: then there is
    /// no plan.
    pub fn best(&self) -> Result<Option<Plan>> {
        // With the most slots every candidate is one: whatever runs at all runs so.
        let widest = self
            .kinds
            .values()
            .map(|placements| placements.refreshes.len() - 1);
        let mut placements: Vec<usize> = widest.collect();
        let mut best: Option<(Tracks, Vec<usize>)> = None;
        let mut tried = BTreeMap::new();
        for _ in 0..ROUNDS {
            // Steps come last, and are most.
            for (at, of_kind) in self.kinds.values().enumerate().rev() {
                for placement in 0..of_kind.refreshes.len() {
                    let mut other = placements.clone();
                    other[at] = placement;
                    if tried.insert(other.clone(), ()).is_some() {
                        continue;
                    }
                    let Some(tracks) = self.with(&other)? else {
                        continue;
                    };
                    let better = best
                        .as_ref()
                        .is_none_or(|(least, _)| tracks.seconds < least.seconds);
                    if better {
                        best = Some((tracks, other));
                    }
                }
                if let Some((_, found)) = &best {
                    placements.clone_from(found);
                }
            }
        }
        let Some((mut tracks, placements)) = best else {
            return Ok(None);
        };
        self.relax(&mut tracks, &placements)?;
        let mut placed = BTreeMap::new();
        for ((kind, of_kind), (track, placement)) in
            self.kinds.iter().zip(tracks.kinds.iter().zip(placements))
        {
            let sites = of_kind
                .search(placement)
                .lowered(&track.sites, &track.kept)?;
            let refresh = of_kind.refreshes[placement].0;
            let bootstraps = track.bootstraps;
            placed.insert(
                *kind,
                Placed {
                    sites,
                    bootstraps,
                    refresh,
                },
            );
        }
        Ok(Some(Plan(placed)))
    }

    /// Lowers the levels at which windows leave keys and values as far as the passes behind them
    /// admit: their bootstraps may then leave less.
    fn relax(&self, tracks: &mut Tracks, placements: &[usize]) -> Result<()> {
        for layer in 0..tracks.kinds[0].kept.len() {
            while let Some(floor) = tracks.kinds[0].kept[layer].floor.checked_sub(1) {
                let mut lower = tracks.clone();
                if !self.lower_kept(&mut lower, layer, floor, placements)? {
                    break;
                }
                *tracks = lower;
            }
        }
        Ok(())
    }

    /// Takes `floor` for the level at which windows leave the keys and values of a layer; whether
    /// all kinds of passes still run.
    fn lower_kept(
        &self,
        tracks: &mut Tracks,
        layer: usize,
        floor: usize,
        placements: &[usize],
    ) -> Result<bool> {
        let kinds = self.kinds.iter().zip(placements).zip(&mut tracks.kinds);
        for (((kind, of_kind), placement), track) in kinds {
            let kept = &mut track.kept[layer];
            match kind {
                PassKind::First => kept.floor = floor,
                PassKind::Later => {
                    let Some(before) = self.taken_up(*kind, floor)? else {
                        return Ok(false);
                    };
                    *kept = Kept { before, floor };
                }
                PassKind::Step => {
                    let Some(before) = self.taken_up(*kind, floor)? else {
                        return Ok(false);
                    };
                    let before = before.min(kept.before);
                    let floor = before;
                    *kept = Kept { before, floor };
                }
            }
            if of_kind
                .search(*placement)
                .seconds(&track.sites, &track.kept)?
                .is_none()
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The cheapest tracks with one way of bootstrapping for each kind.
    fn with(&self, placements: &[usize]) -> Result<Option<Tracks>> {
        let start = |(of_kind, placement): (&Ways<'_>, &usize)| -> Result<Track> {
            Ok(Track {
                hidden: of_kind.search(*placement).input(Role::Hidden)?,
                sites: PassPlan::new(),
                bootstraps: 0,
                kept: Vec::new(),
            })
        };
        let kinds = self.kinds.values().zip(placements).map(start);
        let mut all = vec![Tracks {
            seconds: 0.0,
            kinds: kinds.collect::<Result<_>>()?,
        }];
        for layer in 0..self.shapes.llama.layers.len() {
            let mut next: BTreeMap<Vec<(usize, u64)>, Tracks> = BTreeMap::new();
            for tracks in &all {
                for behind in self.behind(tracks, layer, placements)? {
                    let state = behind.state();
                    let cheaper = next
                        .get(&state)
                        .is_none_or(|other| behind.seconds < other.seconds);
                    if cheaper {
                        next.insert(state, behind);
                    }
                }
            }
            let mut found: Vec<Tracks> = next.into_values().collect();
            found.sort_by(|x, y| x.seconds.total_cmp(&y.seconds));
            all = Vec::new();
            for tracks in found {
                if !all.iter().any(|other: &Tracks| other.serves_for(&tracks)) {
                    all.push(tracks);
                }
            }
        }
        let ends = all.into_iter().map(|tracks| self.end(tracks, placements));
        let ends: Vec<_> = ends.collect::<Result<_>>()?;
        let ends = ends.into_iter().flatten();
        Ok(ends.min_by(|x, y| x.seconds.total_cmp(&y.seconds)))
    }

    /// The same tracks with one layer more, in every useful manner.
    fn behind(&self, tracks: &Tracks, layer: usize, placements: &[usize]) -> Result<Vec<Tracks>> {
        let (top, mut all) = (self.shapes.budget.top, Vec::new());
        let first = &self.kinds[&PassKind::First];
        for passage in first.passages(placements[0], (layer, &tracks.kinds[0].hidden), 0)? {
            let floor = passage.kept;
            let kept = Kept { before: 0, floor };
            let mut some = vec![Tracks {
                seconds: tracks.seconds + passage.seconds,
                kinds: vec![tracks.kinds[0].behind(&passage, kept, top)],
            }];
            for (at, (kind, of_kind)) in self.kinds.iter().enumerate().skip(1) {
                let Some(before) = self.taken_up(*kind, floor)? else {
                    some.clear();
                    break;
                };
                let track = &tracks.kinds[at];
                let at_layer = (layer, &track.hidden);
                let options = match kind {
                    PassKind::Step => step_passages(of_kind, placements[at], at_layer, before)?,
                    _ => {
                        let passages = of_kind.passages(placements[at], at_layer, before)?;
                        let high = passages.into_iter().filter(|p| p.kept >= floor);
                        high.map(|p| (p, Kept { before, floor })).collect()
                    }
                };
                some = extended(&some, track, &options, self.counts[kind], top);
            }
            all.append(&mut some);
        }
        Ok(all)
    }

    /// The level at which a kind of pass takes up what windows left at `left`, whether the first
    /// window alone or several.
    fn taken_up(&self, kind: PassKind, left: usize) -> Result<Option<usize>> {
        if let Some(known) = self.taken_up.borrow().get(&(kind, left)) {
            return Ok(*known);
        }
        let windows = self.kinds[&PassKind::First].packing;
        let by = |kind: PassKind| self.kinds[&kind].search(0);
        let mut found = by(kind).taken_up(windows, left)?;
        if kind == PassKind::Step
            && let Some(later) = self.kinds.get(&PassKind::Later)
        {
            let among = self.taken_up(PassKind::Later, left)?;
            let several = match among {
                Some(level) => by(kind).taken_up(later.packing, level)?,
                None => None,
            };
            found = found.zip(several).map(|(x, y)| x.min(y));
        }
        self.taken_up.borrow_mut().insert((kind, left), found);
        Ok(found)
    }

    /// With the head behind the last layer; `None` where levels do not suffice.
    fn end(&self, mut tracks: Tracks, placements: &[usize]) -> Result<Option<Tracks>> {
        let site = Site::new(self.shapes.llama.config.layers, Role::Hidden);
        let kinds = self.kinds.iter().zip(placements);
        for ((kind, of_kind), (placement, track)) in kinds
            .zip(&mut tracks.kinds)
            .map(|((kind, placement), track)| (kind, (placement, track)))
        {
            let search = of_kind.search(*placement);
            let mut best: Option<(f64, usize, Option<usize>)> = None;
            for level in [None, Some(self.shapes.budget.top)] {
                if let Some((seconds, bootstraps)) = search.head(&track.hidden, level)?
                    && best.is_none_or(|(least, ..)| seconds < least)
                {
                    best = Some((seconds, bootstraps, level));
                }
            }
            let Some((seconds, bootstraps, level)) = best else {
                return Ok(None);
            };
            tracks.seconds += self.counts[kind] * seconds;
            track.bootstraps += bootstraps;
            track.sites.extend(level.map(|level| (site, level)));
        }
        Ok(Some(tracks))
    }
}

/// Tracks with one of the options of a further kind of pass each.
fn extended(
    some: &[Tracks],
    track: &Track,
    options: &[(Passage, Kept)],
    count: f64,
    top: usize,
) -> Vec<Tracks> {
    let pairs = some
        .iter()
        .flat_map(|tracks| options.iter().map(move |o| (tracks, o)));
    pairs
        .map(|(tracks, (passage, kept))| {
            let mut tracks = tracks.clone();
            tracks.seconds += count * passage.seconds;
            tracks.kinds.push(track.behind(passage, *kept, top));
            tracks
        })
        .collect()
}

/// Passages of steps through a layer whose cache windows left at `level` at most. The cache sinks
/// to the level of a step's own keys and values; from then on it stays.
fn step_passages(
    steps: &Ways<'_>,
    placement: usize,
    at: (usize, &Shadow),
    level: usize,
) -> Result<Vec<(Passage, Kept)>> {
    let (mut options, mut levels) = (Vec::new(), vec![level]);
    let mut done = 0;
    while let Some(&before) = levels.get(done) {
        done += 1;
        for passage in steps.passages(placement, at, before)? {
            if passage.kept >= before {
                let kept = Kept {
                    before,
                    floor: before,
                };
                options.push((passage, kept));
            } else if !levels.contains(&passage.kept) && levels.len() < STEP_LEVELS {
                levels.push(passage.kept);
            }
        }
    }
    Ok(options)
}
