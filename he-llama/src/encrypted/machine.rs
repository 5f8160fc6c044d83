//! The machine that runs the model on ciphertexts.

use std::collections::BTreeMap;

use ckks_math::backend::Backend;
use ckks_math::bootstrap::Bootstrapper;
use ckks_math::polynomial::Plan;
use ckks_math::{Ciphertext, Evaluator};
use he_linalg::matrix::{MatrixStore, Planned, from_fn};
use he_linalg::reduce::{Spread, SumOptions};
use he_linalg::{Axis, Contraction, Layout, Packed, ReducePlan};

use crate::config::Config;
use crate::encrypted::cache::KeyValues;
use crate::encrypted::fixed::FixedParts;
use crate::encrypted::maps;
use crate::encrypted::matrices::{Matrices, Name};
use crate::encrypted::packing::{Packing, Shape};
use crate::encrypted::tensor::Tensor;
use crate::encrypted::units::{Units, fit};
use crate::error::{Error, Result};
use crate::model::attention::{Anchor, Softmax};
use crate::model::{Function, Machine, Projection, Site};

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
    /// Plaintext matrices.
    pub matrices: &'a Matrices,
    /// Their encoded forms.
    pub store: &'a MatrixStore<B>,
    /// The products so far whose encoded forms can be kept and made ahead.
    pub products: Vec<Planned>,
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
        })
    }

    /// The tensor in another unit: the ciphertext stays, its scale changes.
    fn in_unit(&self, x: &Tensor<B>, unit: f64) -> Ciphertext<B> {
        let batch = x.packed.batch();
        batch.with_scale(batch.scale() * unit / x.unit)
    }

    /// Keys aligned with queries, in `unit`, less the anchors of those that queries see.
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
            let aligned = self.packing.aligned_at(index);
            if !aligned.visible {
                return 0.0;
            }
            let of_token = &anchors[aligned.token];
            -of_token[aligned.head % of_token.len()][aligned.dim] / unit
        });
        let parts = self.ev.split(keys.batch())?;
        let parts = parts.iter().zip(&values);
        let parts = parts.map(|(part, values)| Ok(self.ev.add_values(part, values)?));
        let batch = self.ev.join(&parts.collect::<Result<Vec<_>>>()?)?;
        Ok(Packed::new(keys.layout().clone(), batch)?)
    }

    /// Keys or values by offset from the queries of a window.
    fn by_offset(&self, x: &Tensor<B>) -> Result<Packed<B>> {
        let (input, output) = (self.packing.windows()?, self.packing.by_offset()?);
        let shape = self.packing.shape().common();
        let (name, row) = (Name::ByOffset(shape), maps::by_offset(shape));
        let matrix = self.matrices.of_attention(name, (&input, &output), row)?;
        Ok(matrix.apply_one(self.ev, self.store, &x.packed, 1.0)?)
    }

    /// Attention weights of a window copied along the channels of a head.
    fn spread(&self, weights: &Tensor<B>) -> Result<Packed<B>> {
        let (input, output) = (self.packing.scores()?, self.packing.weights_by_offset()?);
        let name = Name::Spread(self.packing.shape().common());
        let layouts = (&input, &output);
        let matrix = (self.matrices).of_attention(name, layouts, maps::spread_weights())?;
        Ok(matrix.apply_one(self.ev, self.store, &weights.packed, 1.0)?)
    }

    /// Scores of a window without the channels that they were summed over, times `factor`.
    fn compacted(&self, summed: &Packed<B>, factor: f64) -> Result<Packed<B>> {
        let (packing, output) = (self.packing, self.packing.scores()?);
        let name = Name::Compact(packing.shape().common());
        let any = maps::compact_scores(maps::any_factor);
        let matrix = (self.matrices).of_attention(name, (summed.layout(), &output), any)?;
        let of_seen = |index: &[usize]| f64::from(u8::from(packing.visible(index))) * factor;
        let seen = from_fn(maps::compact_scores(of_seen));
        let mut scores = matrix.apply_with(self.ev, summed, &[&seen], 1.0)?;
        Ok(scores.swap_remove(0))
    }

    /// The tensors, bootstrapped to the level that `wanted` gives for a site, as they are where it
    /// gives none. Parts of one ciphertext are bootstrapped together, by the first one's site.
    pub(super) fn refresh_by<const N: usize>(
        &mut self,
        mut tensors: [Tensor<B>; N],
        sites: [Site; N],
        mut wanted: impl FnMut(&Tensor<B>, Site) -> Result<Option<usize>>,
    ) -> Result<[Tensor<B>; N]> {
        let together = N > 1 && tensors.iter().all(|x| x.part.is_some());
        for (x, site) in tensors.iter_mut().zip(sites) {
            if let Some(level) = wanted(x, site)? {
                *x = self.fresh(x, site, level)?;
                if together {
                    let fresh = x.clone();
                    return self.alike(&fresh, tensors, sites);
                }
            } else if together {
                break;
            }
        }
        Ok(tensors)
    }

    /// Tensors that share the ciphertext of `fresh`.
    pub(super) fn alike<const N: usize>(
        &self,
        fresh: &Tensor<B>,
        mut tensors: [Tensor<B>; N],
        sites: [Site; N],
    ) -> Result<[Tensor<B>; N]> {
        for (x, site) in tensors.iter_mut().zip(sites) {
            *x = Tensor {
                unit: self.units.of(site)?,
                part: x.part,
                ..fresh.clone()
            };
        }
        Ok(tensors)
    }

    /// The tensor after a bootstrap, at `level`.
    pub(super) fn fresh(&mut self, x: &Tensor<B>, site: Site, level: usize) -> Result<Tensor<B>> {
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
}

impl<B: Backend> Machine for Encrypted<'_, B> {
    type Tensor = Tensor<B>;
    type Cache = KeyValues<B>;
    type Error = Error;

    fn project<const N: usize>(
        &mut self,
        x: &Tensor<B>,
        projections: [&Projection; N],
    ) -> Result<[Tensor<B>; N]> {
        self.project_all(x, projections)
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
        cache: &mut KeyValues<B>,
        keys: &Tensor<B>,
        values: &Tensor<B>,
        sites: [Site; 2],
    ) -> Result<[Tensor<B>; 2]> {
        let new = [keys.clone(), values.clone()];
        match self.packing.shape().is_step() {
            true => cache.append_step(self, &new, sites),
            false => cache.append_window(self, new, sites),
        }
    }

    fn scores(
        &mut self,
        queries: &Tensor<B>,
        keys: &Tensor<B>,
        anchor: Option<&Anchor<'_>>,
        site: Site,
    ) -> Result<Tensor<B>> {
        let unit = queries.unit * keys.unit;
        if self.packing.shape().is_step() {
            let k = self.anchored(&keys.packed, keys.unit, anchor)?;
            let q = self.rotated(queries, keys.part)?;
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
        let aligned = self.by_offset(keys)?;
        let aligned = self.anchored(&aligned, keys.unit, anchor)?;
        let first = SumOptions {
            spread: Spread::First,
            ..SumOptions::default()
        };
        let plan = Contraction::scores(queries.packed.layout(), aligned.layout(), first)?;
        let summed = plan.apply(self.ev, &queries.packed, &aligned)?;
        let wanted = self.units.of(site)?;
        let scores = self.compacted(&summed, unit / wanted)?;
        self.tensor(self.packing.scores()?, scores.batch(), wanted, site)
    }

    fn exponential(
        &mut self,
        scores: &Tensor<B>,
        softmax: &Softmax,
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
        let axes = self.packing.key_axes();
        let plan = ReducePlan::sum(x.packed.layout(), axes, SumOptions::default())?;
        let sum = plan.apply(self.ev, &x.packed)?;
        self.tensor(sum.layout().clone(), sum.batch(), x.unit, site)
    }

    fn mix(&mut self, weights: &Tensor<B>, values: &Tensor<B>, site: Site) -> Result<Tensor<B>> {
        let unit = weights.unit * values.unit;
        let (w, v) = if self.packing.shape().is_step() {
            (weights.packed.clone(), values.packed.clone())
        } else {
            (self.spread(weights)?, self.by_offset(values)?)
        };
        let axes = self.packing.key_axes();
        let plan = Contraction::new(w.layout(), v.layout(), axes, SumOptions::default())?;
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

    fn last(&mut self, x: &Tensor<B>) -> Result<Tensor<B>> {
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
        tensors: [Tensor<B>; N],
        sites: [Site; N],
    ) -> Result<[Tensor<B>; N]> {
        let plan = self.plan;
        self.refresh_by(tensors, sites, |_, site| Ok(plan.get(&site).copied()))
    }
}
