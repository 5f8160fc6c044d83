//! The machine that follows levels: what a pass of the encrypted machine does to them.

use std::collections::BTreeSet;

use crate::config::Config;
use crate::encrypted::machine::PassPlan;
use crate::encrypted::packing::Packing;
use crate::encrypted::polynomial::argument_levels;
use crate::encrypted::units::{Units, fit};
use crate::error::{Error, Result};
use crate::model::attention::{Anchor, Softmax};
use crate::model::function::{depth, depth_times};
use crate::model::{Cache, Function, Machine, Positions, Projection, Role, Site};

/// A tensor by its level, unit and number of ciphertexts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Leveled {
    /// Level of the ciphertexts.
    pub level: usize,
    /// What a stored 1 stands for.
    pub unit: f64,
    /// Number of ciphertexts.
    pub count: usize,
    /// Whether it still is packed as in the prompt.
    pub prompt: bool,
    /// Whether it shares its ciphertext.
    pub joined: bool,
}

/// Follows levels through a pass.
pub struct Levels<'a> {
    /// Units of the tensors.
    pub units: &'a Units,
    /// Layouts of the pass.
    pub packing: Packing,
    /// Where bootstraps are.
    pub plan: &'a PassPlan,
    /// The level that a tensor must still have to be bootstrapped.
    pub bottom: usize,
    /// Sizes of the model.
    pub config: &'a Config,
    /// The least level that a product may leave.
    pub least: usize,
    /// Most slots that a tensor may fill to be bootstrapped.
    pub slots: usize,
    /// Candidates met, in order.
    pub candidates: Vec<Site>,
    /// Ciphertexts bootstrapped.
    pub bootstraps: usize,
    /// Sites that a set of candidates includes, when a plan is being searched.
    pub chosen: Option<(BTreeSet<Site>, usize)>,
}

/// Fails where fewer levels are left than are needed.
fn exhausted(op: &'static str, need: usize, have: usize) -> Result<()> {
    if have >= need {
        return Ok(());
    }
    Err(ckks_math::Error::LevelExhausted { op, need, have }.into())
}

impl<'a> Levels<'a> {
    /// Follows `plan`.
    pub fn new(
        units: &'a Units,
        packing: Packing,
        plan: &'a PassPlan,
        bottom: usize,
        config: &'a Config,
    ) -> Self {
        Self {
            units,
            packing,
            plan,
            bottom,
            config,
            least: 0,
            slots: usize::MAX,
            candidates: Vec::new(),
            bootstraps: 0,
            chosen: None,
        }
    }

    /// `level - need`, if products may go as low as that.
    fn below(&self, op: &'static str, level: usize, need: usize) -> Result<usize> {
        let have = level.saturating_sub(self.least);
        exhausted(op, need, have)?;
        Ok(level - need)
    }

    fn argument(&self, x: &Leveled, f: &Function, site: Site) -> Result<usize> {
        self.below("argument", x.level, argument_levels(x.unit, fit(f, site)?))
    }

    fn fresh(&mut self, x: Leveled, site: Site) -> Result<Leveled> {
        if self.packing.of_site(site, self.config)? > self.slots {
            return Ok(x);
        }
        self.candidates.push(site);
        let to = match &self.chosen {
            Some((chosen, top)) => chosen.contains(&site).then_some(*top),
            None => self.plan.get(&site).copied(),
        };
        let Some(level) = to else { return Ok(x) };
        let unit = self.units.of(site)?;
        // A change of unit is a constant on the level above.
        let change = usize::from((x.unit / unit - 1.0).abs() > 1e-9);
        exhausted("refresh", self.bottom + change, x.level)?;
        self.bootstraps += x.count;
        Ok(Leveled { level, unit, ..x })
    }

    fn is_step(&self) -> bool {
        self.packing.shape().is_step()
    }
}

impl Machine for Levels<'_> {
    type Tensor = Leveled;
    type Error = Error;

    fn project<const N: usize>(
        &mut self,
        x: &Leveled,
        projections: [&Projection; N],
        _: Positions,
    ) -> Result<[Leveled; N]> {
        let level = self.below("project", x.level, 1)?;
        let roles = projections.map(|p| p.site.role);
        let widest = projections.iter().map(|p| p.outputs()).max().unwrap_or(0);
        let joined = self.packing.joined(&roles, widest)?.is_some();
        let mut results = [*x; N];
        for (result, p) in results.iter_mut().zip(projections) {
            let heads = matches!(
                p.site.role,
                Role::QueryRaw
                    | Role::Query
                    | Role::KeyRaw
                    | Role::Key
                    | Role::ValueRaw
                    | Role::Value
            );
            let layout = match (heads, self.is_step()) {
                (true, true) => self.packing.cache()?,
                (true, false) => self.packing.per_head()?,
                (false, _) => self.packing.channels(p.outputs())?,
            };
            let unit = self.units.of(p.site)?;
            *result = Leveled {
                level,
                unit,
                count: layout.ciphertexts(),
                prompt: false,
                joined,
            };
        }
        Ok(results)
    }

    fn mean_square(&mut self, x: &Leveled, _: Site) -> Result<Leveled> {
        let level = self.below("mean_square", x.level, 1)?;
        let unit = x.unit * x.unit / self.packing.hidden() as f64;
        Ok(Leveled {
            level,
            unit,
            count: 1,
            prompt: false,
            joined: false,
        })
    }

    fn apply_times<const N: usize>(
        &mut self,
        x: &Leveled,
        f: &Function,
        factors: [&Leveled; N],
        argument: Site,
        sites: [Site; N],
    ) -> Result<[Leveled; N]> {
        let top = self.argument(x, f, argument)?;
        let degree = fit(f, argument)?.degree();
        let mut products = factors.map(|factor| *factor);
        for (product, site) in products.iter_mut().zip(sites) {
            let late = top.saturating_sub(product.level);
            product.level = self.below("apply_times", top, depth_times(degree, late))?;
            product.unit = self.units.of(site)?;
        }
        Ok(products)
    }

    fn add(&mut self, x: &Leveled, y: &Leveled, _: Site) -> Result<Leveled> {
        let unit = if x.level < y.level { x.unit } else { y.unit };
        // Equal levels with different units have no room for the constant that unites them.
        if x.level == y.level && (x.unit / y.unit - 1.0).abs() > 1e-9 {
            exhausted("add", 1, 0)?;
        }
        Ok(Leveled {
            level: x.level.min(y.level),
            unit,
            ..*y
        })
    }

    fn square(&mut self, x: &Leveled, _: Site) -> Result<Leveled> {
        Ok(Leveled {
            level: self.below("square", x.level, 1)?,
            unit: x.unit * x.unit,
            ..*x
        })
    }

    fn append(
        &mut self,
        cache: &mut Cache<Leveled>,
        keys: &Leveled,
        values: &Leveled,
        _: [Site; 2],
        positions: Positions,
    ) -> Result<()> {
        cache.entries = Some(match cache.entries.take() {
            None => {
                let mark = |x: &Leveled| Leveled { prompt: true, ..*x };
                (mark(keys), mark(values))
            }
            Some((k, v)) if keys.joined => {
                let down =
                    |old: &Leveled| self.below("cache", old.level, 2 * usize::from(old.prompt));
                let level = down(&k)?.min(down(&v)?).min(keys.level);
                let part = |new: &Leveled| Leveled { level, ..*new };
                (part(keys), part(values))
            }
            Some((k, v)) => {
                let mut join = |old: &Leveled, new: &Leveled| -> Result<Leveled> {
                    let level = self.below("cache", old.level, 2 * usize::from(old.prompt))?;
                    let old = Leveled {
                        level,
                        prompt: false,
                        ..*old
                    };
                    self.add(&old, new, Site::new(0, Role::Key))
                };
                (join(&k, keys)?, join(&v, values)?)
            }
        });
        cache.len = positions.end();
        Ok(())
    }

    fn scores(
        &mut self,
        queries: &Leveled,
        keys: &Leveled,
        _: Option<&Anchor<'_>>,
        _: Positions,
        site: Site,
    ) -> Result<Leveled> {
        let count = self.packing.scores()?.ciphertexts();
        if self.is_step() {
            let level = self.below("scores", queries.level.min(keys.level), 1)?;
            return Ok(Leveled {
                level,
                unit: queries.unit * keys.unit,
                count,
                prompt: false,
                joined: false,
            });
        }
        let met = self.below("keys by offset", keys.level, 1)?;
        let level = self.below("scores", queries.level.min(met), 2)?;
        Ok(Leveled {
            level,
            unit: self.units.of(site)?,
            count,
            prompt: false,
            joined: false,
        })
    }

    fn exponential(
        &mut self,
        scores: &Leveled,
        softmax: &Softmax,
        _: Positions,
        argument: Site,
        site: Site,
    ) -> Result<Leveled> {
        let level = self.argument(scores, &softmax.exponential, argument)?;
        let degree = fit(&softmax.exponential, argument)?.degree();
        let level = self.below("exponential", level, depth(degree))?;
        Ok(Leveled {
            level,
            unit: self.units.of(site)?,
            ..*scores
        })
    }

    fn sum_keys(&mut self, x: &Leveled, _: Site) -> Result<Leveled> {
        Ok(*x)
    }

    fn mix(
        &mut self,
        weights: &Leveled,
        values: &Leveled,
        _: Positions,
        _: Site,
    ) -> Result<Leveled> {
        let unit = weights.unit * values.unit;
        let level = if self.is_step() {
            self.below("mix", weights.level.min(values.level), 2)?
        } else {
            let met = self.below("values by offset", values.level, 1)?;
            let spread = self.below("weights", weights.level, 1)?;
            self.below("mix", spread.min(met), 1)?
        };
        Ok(Leveled {
            level,
            unit,
            count: self.packing.per_head()?.ciphertexts(),
            prompt: false,
            joined: values.joined,
        })
    }

    fn last(&mut self, x: &Leveled, _: Positions) -> Result<Leveled> {
        Ok(*x)
    }

    fn refresh<const N: usize>(
        &mut self,
        mut tensors: [Leveled; N],
        sites: [Site; N],
    ) -> Result<[Leveled; N]> {
        let together = N > 1 && tensors.iter().all(|x| x.joined);
        for i in 0..if together { 1 } else { N } {
            tensors[i] = self.fresh(tensors[i], sites[i])?;
        }
        if together {
            let level = tensors[0].level;
            for x in &mut tensors {
                x.level = level;
            }
        }
        Ok(tensors)
    }
}
