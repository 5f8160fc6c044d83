//! The encrypted machine on shapes, with what it found remembered.
//!
//! The level that an operation leaves, and the time that it takes, are those of the encrypted
//! machine's own operation on [`DryRun`]. The search for a plan runs a layer thousands of times
//! with other bootstraps; each operation is run once for each kind of operands, and looked up from
//! then on.

use std::cell::RefCell;
use std::collections::HashMap;

use ckks_math::backend::dry_run::{DryRun, KernelTimes};
use he_linalg::Layout;

use crate::encrypted::cache::KeyValues;
use crate::encrypted::machine::Encrypted;
use crate::encrypted::plan::Refresh;
use crate::encrypted::tensor::Tensor;
use crate::error::{Error, Result};
use crate::model::attention::{Anchor, Softmax};
use crate::model::{Function, Machine, Projection, Site};

/// A tensor on shapes.
pub(super) type Shadow = Tensor<DryRun>;

/// The operations that are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Op {
    Project,
    MeanSquare,
    ApplyTimes,
    Add,
    Square,
    Scores,
    Exponential,
    SumKeys,
    Mix,
    Refresh(Refresh, usize),
}

/// All that decides what an operation on shapes leaves.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    op: Op,
    sites: Vec<Site>,
    operands: Vec<Operand>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Operand {
    layout: Layout,
    level: usize,
    /// The bits of the ciphertext's scale and of the tensor's unit.
    scale: (u64, u64),
    part: Option<usize>,
}

impl Operand {
    fn of(x: &Shadow) -> Self {
        Self {
            layout: x.packed.layout().clone(),
            level: x.level(),
            scale: (x.packed.scale().to_bits(), x.unit.to_bits()),
            part: x.part,
        }
    }
}

/// What an operation leaves, and its seconds; `None` where levels do not suffice.
type Known = Option<(Vec<Shadow>, f64)>;

/// What operations of one kind of pass were found to do.
#[derive(Default)]
pub(super) struct Memory(RefCell<HashMap<Key, Known>>);

/// Runs a pass on shapes.
pub(super) struct Follow<'a> {
    /// The machine that is followed.
    pub machine: Encrypted<'a, DryRun>,
    /// What is known of it.
    pub memory: &'a Memory,
    /// How its bootstraps are made.
    pub refresh: Refresh,
    /// The least level that a product may leave.
    pub least: usize,
    /// Prices.
    pub times: &'a KernelTimes,
    /// The level that a bootstrap at a site leaves, where there is one.
    pub decide: &'a dyn Fn(Site) -> Option<usize>,
    /// Sites that could be bootstrapped so far, in order.
    pub candidates: Vec<Site>,
    /// Seconds of all operations so far.
    pub seconds: f64,
    /// Ciphertexts bootstrapped so far.
    pub bootstraps: usize,
}

impl Follow<'_> {
    fn known<const N: usize>(
        &mut self,
        op: Op,
        sites: &[Site],
        operands: &[&Shadow],
        work: impl FnOnce(&mut Encrypted<'_, DryRun>) -> Result<[Shadow; N]>,
    ) -> Result<[Shadow; N]> {
        let key = Key {
            op,
            sites: sites.to_vec(),
            operands: operands.iter().map(|x| Operand::of(x)).collect(),
        };
        let found = self.memory.0.borrow().get(&key).cloned();
        let known = match found {
            Some(known) => known,
            None => {
                let known = self.find(work)?;
                self.memory.0.borrow_mut().insert(key, known.clone());
                known
            }
        };
        let (results, seconds) = known.ok_or_else(|| exhausted(self.least))?;
        self.seconds += seconds;
        Ok(results
            .try_into()
            .unwrap_or_else(|_| unreachable!("as many results as the operation has")))
    }

    /// Runs an operation.
    fn find<const N: usize>(
        &mut self,
        work: impl FnOnce(&mut Encrypted<'_, DryRun>) -> Result<[Shadow; N]>,
    ) -> Result<Known> {
        let backend = self.machine.ev.context().backend().clone();
        let before = backend.counts();
        match work(&mut self.machine) {
            Ok(results) if results.iter().all(|x| x.level() >= self.least) => {
                let counts = backend.counts() - &before;
                Ok(Some((results.to_vec(), self.times.seconds(&counts))))
            }
            Ok(_) => Ok(None),
            Err(error) if error.lacks_levels() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Levels do not suffice; which ones is known to nobody who asks.
fn exhausted(have: usize) -> Error {
    let op = "plan";
    ckks_math::Error::LevelExhausted { op, need: 1, have }.into()
}

impl Machine for Follow<'_> {
    type Tensor = Shadow;
    type Cache = KeyValues<DryRun>;
    type Error = Error;

    fn project<const N: usize>(
        &mut self,
        x: &Shadow,
        projections: [&Projection; N],
    ) -> Result<[Shadow; N]> {
        let sites = projections.map(|p| p.site);
        self.known(Op::Project, &sites, &[x], |m| m.project(x, projections))
    }

    fn mean_square(&mut self, x: &Shadow, site: Site) -> Result<Shadow> {
        let work = |m: &mut Encrypted<'_, DryRun>| Ok([m.mean_square(x, site)?]);
        let [y] = self.known(Op::MeanSquare, &[site], &[x], work)?;
        Ok(y)
    }

    fn apply_times<const N: usize>(
        &mut self,
        x: &Shadow,
        f: &Function,
        factors: [&Shadow; N],
        argument: Site,
        sites: [Site; N],
    ) -> Result<[Shadow; N]> {
        let all: Vec<Site> = sites.into_iter().chain([argument]).collect();
        let operands: Vec<&Shadow> = factors.into_iter().chain([x]).collect();
        self.known(Op::ApplyTimes, &all, &operands, |m| {
            m.apply_times(x, f, factors, argument, sites)
        })
    }

    fn add(&mut self, x: &Shadow, y: &Shadow, site: Site) -> Result<Shadow> {
        let work = |m: &mut Encrypted<'_, DryRun>| Ok([m.add(x, y, site)?]);
        let [sum] = self.known(Op::Add, &[site], &[x, y], work)?;
        Ok(sum)
    }

    fn square(&mut self, x: &Shadow, site: Site) -> Result<Shadow> {
        let work = |m: &mut Encrypted<'_, DryRun>| Ok([m.square(x, site)?]);
        let [y] = self.known(Op::Square, &[site], &[x], work)?;
        Ok(y)
    }

    fn append(
        &mut self,
        cache: &mut KeyValues<DryRun>,
        keys: &Shadow,
        values: &Shadow,
        sites: [Site; 2],
    ) -> Result<[Shadow; 2]> {
        self.machine.append(cache, keys, values, sites)
    }

    fn scores(
        &mut self,
        queries: &Shadow,
        keys: &Shadow,
        anchor: Option<&Anchor<'_>>,
        site: Site,
    ) -> Result<Shadow> {
        let work = |m: &mut Encrypted<'_, DryRun>| Ok([m.scores(queries, keys, anchor, site)?]);
        let [y] = self.known(Op::Scores, &[site], &[queries, keys], work)?;
        Ok(y)
    }

    fn exponential(
        &mut self,
        scores: &Shadow,
        softmax: &Softmax,
        argument: Site,
        site: Site,
    ) -> Result<Shadow> {
        let work =
            |m: &mut Encrypted<'_, DryRun>| Ok([m.exponential(scores, softmax, argument, site)?]);
        let [y] = self.known(Op::Exponential, &[site], &[scores], work)?;
        Ok(y)
    }

    fn sum_keys(&mut self, x: &Shadow, site: Site) -> Result<Shadow> {
        let work = |m: &mut Encrypted<'_, DryRun>| Ok([m.sum_keys(x, site)?]);
        let [y] = self.known(Op::SumKeys, &[site], &[x], work)?;
        Ok(y)
    }

    fn mix(&mut self, weights: &Shadow, values: &Shadow, site: Site) -> Result<Shadow> {
        let work = |m: &mut Encrypted<'_, DryRun>| Ok([m.mix(weights, values, site)?]);
        let [y] = self.known(Op::Mix, &[site], &[weights, values], work)?;
        Ok(y)
    }

    fn last(&mut self, x: &Shadow) -> Result<Shadow> {
        self.machine.last(x)
    }

    fn refresh<const N: usize>(
        &mut self,
        mut tensors: [Shadow; N],
        sites: [Site; N],
    ) -> Result<[Shadow; N]> {
        let together = N > 1 && tensors.iter().all(|x| x.part.is_some());
        for i in 0..if together { 1 } else { N } {
            let (x, site) = (tensors[i].clone(), sites[i]);
            if x.packed.layout().period() > self.refresh.slots {
                continue;
            }
            self.candidates.push(site);
            let Some(level) = (self.decide)(site) else {
                continue;
            };
            let op = Op::Refresh(self.refresh, level);
            let [fresh] = self.known(op, &[site], &[&x], |m| Ok([m.fresh(&x, site, level)?]))?;
            self.bootstraps += x.packed.layout().ciphertexts();
            if together {
                return self.machine.alike(&fresh, tensors, sites);
            }
            tensors[i] = fresh;
        }
        Ok(tensors)
    }
}
