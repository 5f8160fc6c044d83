//! The machine that runs the model on ciphertexts.

use std::collections::BTreeMap;

use ckks_math::backend::Backend;
use ckks_math::bootstrap::Bootstrapper;
use ckks_math::polyval::Plan;
use ckks_math::{Ciphertext, Evaluator};
use he_linalg::bsgs::CostModel;
use he_linalg::reduce::{Spread, SumOptions};
use he_linalg::{Axis, Contraction, Layout, Packed, PreparedMap, ReducePlan};

use crate::config::Config;
use crate::encrypted::fixed::FixedParts;
use crate::encrypted::maps;
use crate::encrypted::packing::{Packing, Shape};
use crate::encrypted::tensor::Tensor;
use crate::encrypted::units::{Units, fit};
use crate::error::{Error, Result};
use crate::model::attention::{Anchor, Softmax};
use crate::model::{Cache, Function, Machine, Positions, Projection, Role, Site};

/// Where bootstraps go in one kind of pass, and the level each leaves.
pub type PassPlan = BTreeMap<Site, usize>;

/// What a machine reports as it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A result at a site was formed.
    Reached(Site),
    /// A bootstrap of this many ciphertexts starts.
    Refresh(Site, usize),
    /// It is done.
    Refreshed(Site),
}

/// Runs one pass of the model on ciphertexts, following a plan.
pub struct Encrypted<'a, B: Backend> {
    /// Evaluates.
    pub ev: &'a Evaluator<B>,
    /// Refreshes.
    pub bootstrapper: &'a Bootstrapper<B>,
    /// Sizes of the model.
    pub config: &'a Config,
    /// Units of its tensors.
    pub units: &'a Units,
    /// Where to refresh.
    pub plan: &'a PassPlan,
    /// Layouts of this pass.
    pub packing: Packing,
    /// Parts that the device may submit as one.
    pub fixed: &'a FixedParts<B>,
    /// What was reported so far.
    pub heard: Vec<Event>,
    /// Receives every step; its error stops the pass before the next operation.
    pub progress: &'a mut dyn FnMut(Event) -> Result<()>,
}

impl<B: Backend> Encrypted<'_, B> {
    pub(super) fn report(&mut self, event: Event) -> Result<()> {
        self.heard.push(event);
        (self.progress)(event)
    }

    pub(super) fn tensor(
        &mut self,
        layout: Layout,
        batch: &Ciphertext<B>,
        unit: f64,
        site: Site,
    ) -> Result<Tensor<B>> {
        self.report(Event::Reached(site))?;
        let batch = batch.with_period(layout.period().min(batch.slots()))?;
        Ok(Tensor {
            packed: Packed::new(layout, batch)?,
            unit,
            part: None,
            prompt: None,
        })
    }

    /// The tensor in another unit: the ciphertext stays, its scale changes.
    fn in_unit(&self, x: &Tensor<B>, unit: f64) -> Ciphertext<B> {
        let batch = x.packed.batch();
        batch.with_scale(batch.scale() * unit / x.unit)
    }

    /// The layout that a projection writes to.
    fn output_layout(&self, p: &Projection) -> Result<Layout> {
        match p.site.role {
            Role::QueryRaw | Role::Query => self.packing.per_head(),
            Role::KeyRaw | Role::Key | Role::ValueRaw | Role::Value => {
                if self.packing.shape().is_step() {
                    self.packing.cache()
                } else {
                    self.packing.per_head()
                }
            }
            _ => self.packing.channels(p.outputs()),
        }
    }

    /// A prompt's keys or values at their places in the cache of a step.
    fn cached(&self, x: &Tensor<B>, part: Option<usize>) -> Result<Tensor<B>> {
        let Some(shape) = x.prompt else {
            return Ok(x.clone());
        };
        let prompt = Packing::new(self.config, shape, self.log_slots());
        let [turn, place] = maps::into_cache(&prompt, &self.packing, part)?;
        Ok(Tensor {
            packed: place.apply(self.ev, &turn.apply(self.ev, &x.packed)?)?,
            unit: x.unit,
            part,
            prompt: None,
        })
    }

    /// Keys as queries meet them, in `unit`, less the anchors of those that queries see.
    fn anchored(
        &self,
        keys: &Packed<B>,
        unit: f64,
        anchor: Option<&Anchor<'_>>,
    ) -> Result<Packed<B>> {
        let Some(anchor) = anchor else {
            return Ok(keys.clone());
        };
        let Shape { start, tokens, .. } = self.packing.shape();
        let anchors: Vec<_> = (start..start + tokens).map(|t| anchor.at(t)).collect();
        let values = keys.layout().pack(|index| {
            let met = self.packing.met_at(index);
            if !met.visible {
                return 0.0;
            }
            let of_token = &anchors[met.token];
            -of_token[met.head % of_token.len()][met.dim] / unit
        });
        let parts = self.ev.split(keys.batch())?;
        let parts = parts.iter().zip(&values);
        let parts = parts.map(|(part, values)| Ok(self.ev.add_values(part, values)?));
        let batch = self.ev.join(&parts.collect::<Result<Vec<_>>>()?)?;
        Ok(Packed::new(keys.layout().clone(), batch)?)
    }

    /// The tensor after a bootstrap, at `level`.
    fn fresh(&mut self, x: &Tensor<B>, site: Site, level: usize) -> Result<Tensor<B>> {
        let unit = self.units.of(site)?;
        let batch = self.in_unit(x, unit);
        let batch = batch.with_period(x.packed.layout().period())?;
        self.report(Event::Refresh(site, batch.count()))?;
        let fresh = self.bootstrapper.refresh_periodic(self.ev, &batch, level)?;
        self.report(Event::Refreshed(site))?;
        Ok(Tensor {
            packed: Packed::new(x.packed.layout().clone(), fresh)?,
            unit,
            ..*x
        })
    }

    fn log_slots(&self) -> u32 {
        self.ev.context().params().max_slots().trailing_zeros()
    }
}

impl<B: Backend> Machine for Encrypted<'_, B> {
    type Tensor = Tensor<B>;
    type Error = Error;

    fn project<const N: usize>(
        &mut self,
        x: &Tensor<B>,
        projections: [&Projection; N],
        _: Positions,
    ) -> Result<[Tensor<B>; N]> {
        let shape = self.packing.shape();
        let positions = Positions {
            start: shape.start,
            len: shape.tokens,
        };
        let input = x.packed.layout().clone();
        let from = (&input, x.part.unwrap_or(0));
        let mut parts = Vec::with_capacity(N);
        for p in projections {
            parts.push(maps::Part {
                projection: p,
                factor: x.unit / self.units.of(p.site)?,
                place: 0,
            });
        }
        let roles = projections.map(|p| p.site.role);
        let widest = projections.iter().map(|p| p.outputs()).max().unwrap_or(0);
        if let Some(joined) = self.packing.joined(&roles, widest)? {
            for (part, place) in parts.iter_mut().zip(joined.parts) {
                part.place = *place;
            }
            let output = joined.layout;
            let map = maps::projection(&parts, self.config, positions, from, &output, None)?;
            let prepared = PreparedMap::new(&map, &input, &output, &CostModel::default())?;
            let image = prepared.apply(self.ev, &x.packed)?;
            let mut results = Vec::with_capacity(N);
            for part in &parts {
                let site = part.projection.site;
                let unit = self.units.of(site)?;
                let mut result = self.tensor(output.clone(), image.batch(), unit, site)?;
                result.part = Some(part.place);
                results.push(result);
            }
            return Ok(results
                .try_into()
                .unwrap_or_else(|_| unreachable!("one result for each projection")));
        }
        let mut built = Vec::with_capacity(N);
        for part in parts {
            let p = part.projection;
            let output = self.output_layout(p)?;
            let token = (p.site.role == Role::LogitsRaw).then_some(shape.used - 1);
            let map = maps::projection(&[part], self.config, positions, from, &output, token)?;
            built.push((map, output, self.units.of(p.site)?, p.site));
        }
        let pairs: Vec<_> = built
            .iter()
            .map(|(map, output, ..)| (map, output))
            .collect();
        let prepared = PreparedMap::fused(&pairs, &input, &CostModel::default())?;
        let mut images = prepared.apply_all(self.ev, &x.packed)?.into_iter();
        let mut results = Vec::with_capacity(N);
        for (_, output, unit, site) in built {
            let image = images.next().expect("one image for each map");
            results.push(self.tensor(output, image.batch(), unit, site)?);
        }
        Ok(results
            .try_into()
            .unwrap_or_else(|_| unreachable!("one result for each projection")))
    }

    fn mean_square(&mut self, x: &Tensor<B>, site: Site) -> Result<Tensor<B>> {
        let squares = x.packed.square(self.ev)?;
        let sum = ReducePlan::sum(squares.layout(), &[Axis::CHANNEL], SumOptions::default())?;
        let total = sum.apply(self.ev, &squares)?;
        let unit = x.unit * x.unit / self.config.hidden as f64;
        self.tensor(self.packing.per_token()?, total.batch(), unit, site)
    }

    fn apply_times<const N: usize>(
        &mut self,
        x: &Tensor<B>,
        f: &Function,
        factors: [&Tensor<B>; N],
        argument: Site,
        sites: [Site; N],
    ) -> Result<[Tensor<B>; N]> {
        let f = fit(f, argument)?;
        let u = self.argument(x, f)?;
        // The parts of one ciphertext, whose units share a factor, are one product.
        let joined = factors.iter().all(|factor| factor.part.is_some());
        let all: Vec<_> = factors.into_iter().zip(sites).collect();
        let distinct = if joined {
            all.chunks(1).next().unwrap_or_default()
        } else {
            &all[..]
        };
        let mut products = self.products(x, &u, f, distinct)?;
        for (factor, site) in &all[products.len()..] {
            self.report(Event::Reached(*site))?;
            products.push(Tensor {
                unit: self.units.of(*site)?,
                part: factor.part,
                ..products[0].clone()
            });
        }
        Ok(products
            .try_into()
            .unwrap_or_else(|_| unreachable!("one product for each factor")))
    }

    fn add(&mut self, x: &Tensor<B>, y: &Tensor<B>, site: Site) -> Result<Tensor<B>> {
        // The higher operand is brought to the lower one's level, which changes its unit for free.
        let unit = if x.level() < y.level() {
            x.unit
        } else {
            y.unit
        };
        let sum = self
            .ev
            .add(&self.in_unit(x, unit), &self.in_unit(y, unit))?;
        self.tensor(y.packed.layout().clone(), &sum, unit, site)
    }

    fn square(&mut self, x: &Tensor<B>, site: Site) -> Result<Tensor<B>> {
        let y = x.packed.square(self.ev)?;
        self.tensor(x.packed.layout().clone(), y.batch(), x.unit * x.unit, site)
    }

    fn append(
        &mut self,
        cache: &mut Cache<Tensor<B>>,
        keys: &Tensor<B>,
        values: &Tensor<B>,
        sites: [Site; 2],
        positions: Positions,
    ) -> Result<()> {
        let shape = self.packing.shape();
        cache.entries = Some(match cache.entries.take() {
            None => {
                let mark = |x: &Tensor<B>| Tensor {
                    prompt: Some(shape),
                    ..x.clone()
                };
                (mark(keys), mark(values))
            }
            Some((k, v)) if keys.part.is_some() => {
                let mut all = self.cached(&k, keys.part)?.packed.batch().clone();
                if k.prompt.is_some() {
                    let values = self.cached(&v, values.part)?;
                    all = self.ev.add(&all, values.packed.batch())?;
                }
                let all = self.ev.add(&all, keys.packed.batch())?;
                let layout = keys.packed.layout();
                let mut part = |new: &Tensor<B>, site| -> Result<Tensor<B>> {
                    let cached = self.tensor(layout.clone(), &all, new.unit, site)?;
                    Ok(Tensor {
                        part: new.part,
                        ..cached
                    })
                };
                (part(keys, sites[0])?, part(values, sites[1])?)
            }
            Some((k, v)) => {
                let mut join = |old: &Tensor<B>, new: &Tensor<B>, site| -> Result<Tensor<B>> {
                    let old = self.cached(old, None)?;
                    self.add(&old, new, site)
                };
                (join(&k, keys, sites[0])?, join(&v, values, sites[1])?)
            }
        });
        cache.len = positions.end();
        Ok(())
    }

    fn scores(
        &mut self,
        queries: &Tensor<B>,
        keys: &Tensor<B>,
        anchor: Option<&Anchor<'_>>,
        _: Positions,
        site: Site,
    ) -> Result<Tensor<B>> {
        let unit = queries.unit * keys.unit;
        if self.packing.shape().is_step() {
            let k = self.anchored(&keys.packed, keys.unit, anchor)?;
            let q = self.turned(queries, keys.part)?;
            let q = Packed::new(queries.packed.layout().clone(), q)?;
            let axes = [Axis::DIM, Axis::PART];
            let axes = if keys.part.is_some() {
                &axes[..]
            } else {
                &axes[..1]
            };
            let plan = Contraction::new(q.layout(), k.layout(), axes, SumOptions::default())?;
            let scores = plan.apply(self.ev, &q, &k)?;
            return self.tensor(self.packing.scores()?, scores.batch(), unit, site);
        }
        let met = maps::by_offset(&self.packing)?.apply(self.ev, &keys.packed)?;
        let met = self.anchored(&met, keys.unit, anchor)?;
        let first = SumOptions {
            spread: Spread::First,
            ..SumOptions::default()
        };
        let plan = Contraction::scores(queries.packed.layout(), met.layout(), first)?;
        let summed = plan.apply(self.ev, &queries.packed, &met)?;
        let wanted = self.units.of(site)?;
        let map = maps::compact_scores(&self.packing, summed.layout(), unit / wanted)?;
        let scores = map.apply(self.ev, &summed)?;
        self.tensor(self.packing.scores()?, scores.batch(), wanted, site)
    }

    fn exponential(
        &mut self,
        scores: &Tensor<B>,
        softmax: &Softmax,
        _: Positions,
        argument: Site,
        site: Site,
    ) -> Result<Tensor<B>> {
        let f = fit(&softmax.exponential, argument)?;
        let unit = self.units.of(site)?;
        let layout = self.packing.scores()?;
        let middle = (f.lo + f.hi) / 2.0;
        // Pairs that do not see each other get the middle of the interval, whatever they hold.
        let packing = self.packing;
        let offsets = layout.pack(|index| {
            if packing.visible(index) {
                let head = packing.head_at(index) % softmax.shift.len();
                -(softmax.shift[head] + middle) / ((f.hi - f.lo) / 2.0)
            } else {
                0.0
            }
        });
        let mask = layout.pack(|index| f64::from(u8::from(packing.visible(index))));
        let scaled = self.scaled_argument(scores, f)?;
        let plan = Plan::new(&Self::series(f, 1.0 / unit)?);
        let scale = self.scale_below("exponential", scaled.level(), plan.depth() as usize)?;
        let parts = self.ev.split(&scaled)?;
        let parts = parts
            .iter()
            .zip(offsets.iter().zip(&mask))
            .map(|(part, (offsets, mask))| {
                let u = self.ev.add_values(part, offsets)?;
                Ok(self.ev.polynomial_masked(&u, &plan, mask, scale)?)
            })
            .collect::<Result<Vec<_>>>()?;
        self.tensor(layout, &self.ev.join(&parts)?, unit, site)
    }

    fn sum_keys(&mut self, x: &Tensor<B>, site: Site) -> Result<Tensor<B>> {
        let axis = if self.packing.shape().is_step() {
            Axis::KEY
        } else {
            Axis::OFFSET
        };
        let plan = ReducePlan::sum(x.packed.layout(), &[axis], SumOptions::default())?;
        let sum = plan.apply(self.ev, &x.packed)?;
        self.tensor(sum.layout().clone(), sum.batch(), x.unit, site)
    }

    fn mix(
        &mut self,
        weights: &Tensor<B>,
        values: &Tensor<B>,
        _: Positions,
        site: Site,
    ) -> Result<Tensor<B>> {
        let unit = weights.unit * values.unit;
        let step = self.packing.shape().is_step();
        let (w, v, axis) = if step {
            (weights.packed.clone(), values.packed.clone(), Axis::KEY)
        } else {
            let w = maps::spread_weights(&self.packing)?.apply(self.ev, &weights.packed)?;
            let v = maps::by_offset(&self.packing)?.apply(self.ev, &values.packed)?;
            (w, v, Axis::OFFSET)
        };
        let plan = Contraction::mix(w.layout(), v.layout(), axis, SumOptions::default())?;
        let mixed = plan.apply(self.ev, &w, &v)?;
        let layout = match values.part {
            Some(_) => mixed.layout().clone(),
            None => self.packing.per_head()?,
        };
        let tensor = self.tensor(layout, mixed.batch(), unit, site)?;
        Ok(Tensor {
            part: values.part,
            ..tensor
        })
    }

    fn last(&mut self, x: &Tensor<B>, _: Positions) -> Result<Tensor<B>> {
        // The head reads the slots of the last token; the others stay where they are.
        Ok(x.clone())
    }

    fn fixed<const N: usize, const K: usize>(
        &mut self,
        site: Site,
        tensors: [Tensor<B>; N],
        work: impl FnMut(&mut Self, [Tensor<B>; N]) -> Result<[Tensor<B>; K]>,
    ) -> Result<[Tensor<B>; K]> {
        self.fixed_part(site, tensors, work)
    }

    fn refresh<const N: usize>(
        &mut self,
        mut tensors: [Tensor<B>; N],
        sites: [Site; N],
    ) -> Result<[Tensor<B>; N]> {
        let mut first: Option<Tensor<B>> = None;
        for (x, site) in tensors.iter_mut().zip(sites) {
            let fresh = match &first {
                Some(first) if x.part.is_some() => Tensor {
                    unit: self.units.of(site)?,
                    part: x.part,
                    ..first.clone()
                },
                _ => match self.plan.get(&site) {
                    Some(&level) => self.fresh(x, site, level)?,
                    None => continue,
                },
            };
            first.get_or_insert_with(|| fresh.clone());
            *x = fresh;
        }
        Ok(tensors)
    }
}
