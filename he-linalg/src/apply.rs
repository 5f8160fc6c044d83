//! Linear maps on ciphertexts.
//!
//! A [`PreparedMap`] holds the plan of one or several maps of the same input with compact
//! diagonals ([`diagonal`]): encoded ones of a whole model would not fit any memory. Applying it
//! encodes the diagonals for the level at hand ([`PreparedMap::encode`]), so that the result is at
//! exactly the canonical scale of the level below, and evaluates the baby and giant steps with
//! double hoisting [Bossuat-Mouchet-Troncoso-Hubaux 2021, Alg. 6]:
//!
//! ```text
//! one input        all babies of all maps from one decomposition, giants summed before
//!                  the division by P
//! several inputs   for each input the inner sums of all giant steps (babies shared as above),
//!                  added up over the inputs, then one rotation for each giant step
//! ```

use std::collections::BTreeMap;

use ckks_math::backend::Backend;
use ckks_math::encoding::Complex64;
use ckks_math::evaluator::{EncodedLinearTransform, LinearTransformPlan};
use ckks_math::{Ciphertext, Context, Evaluator};

use crate::bsgs::{BsgsPlan, CostModel, MapPlan, PlanWork};
use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::linear_map::LinearMap;
use crate::packed::{Packed, join};

pub mod diagonal;
#[cfg(test)]
mod tests;

use diagonal::Diagonal;

/// One or several maps of the same input, planned and stored compactly.
#[derive(Debug, Clone)]
pub struct PreparedMap {
    input: Layout,
    maps: Vec<Prepared>,
    work: PlanWork,
}

/// One map: the part of a [`MapPlan`] with compact diagonals.
#[derive(Debug, Clone)]
struct Prepared {
    output: Layout,
    period: usize,
    outputs: Vec<Vec<Giant>>,
    folds: Vec<usize>,
}

#[derive(Debug, Clone)]
struct Giant {
    amount: usize,
    /// For each input ciphertext the baby amounts with their diagonals.
    products: BTreeMap<usize, Vec<(usize, Diagonal)>>,
}

impl PreparedMap {
    /// Plans one map between two layouts.
    ///
    /// # Errors
    ///
    /// When the map was built for other numbers of ciphertexts.
    pub fn new(
        map: &LinearMap,
        input: &Layout,
        output: &Layout,
        model: &CostModel,
    ) -> Result<PreparedMap> {
        Self::fused(&[(map, output)], input, model)
    }

    /// Plans several maps of the same input, each with its output layout, which share baby steps.
    ///
    /// # Errors
    ///
    /// As [`BsgsPlan::fused`], and as [`PreparedMap::from_plan`].
    pub fn fused(
        maps: &[(&LinearMap, &Layout)],
        input: &Layout,
        model: &CostModel,
    ) -> Result<PreparedMap> {
        let linear: Vec<&LinearMap> = maps.iter().map(|(map, _)| *map).collect();
        let plan = BsgsPlan::fused(&linear, model)?;
        let outputs: Vec<Layout> = maps.iter().map(|(_, output)| (*output).clone()).collect();
        Self::from_plan(&plan, input, &outputs)
    }

    /// Stores a plan compactly, with one output layout for each of its maps.
    ///
    /// # Errors
    ///
    /// When the layouts do not have the numbers of ciphertexts of the plan.
    pub fn from_plan(plan: &BsgsPlan, input: &Layout, outputs: &[Layout]) -> Result<PreparedMap> {
        check_count("inputs", plan.babies.len(), input.ciphertexts())?;
        check_count("outputs", plan.maps.len(), outputs.len())?;
        let pairs = plan.maps.iter().zip(outputs);
        let maps = pairs
            .map(|(map, output)| Prepared::new(map, plan, output))
            .collect::<Result<_>>()?;
        let (input, work) = (input.clone(), plan.work());
        Ok(PreparedMap { input, maps, work })
    }

    /// The layout of the input.
    pub fn input(&self) -> &Layout {
        &self.input
    }

    /// The layouts of the outputs, one for each map.
    pub fn outputs(&self) -> impl ExactSizeIterator<Item = &Layout> {
        self.maps.iter().map(|map| &map.output)
    }

    /// Bytes of the stored diagonals.
    pub fn bytes(&self) -> usize {
        let giants = self.maps.iter().flat_map(|m| &m.outputs).flatten();
        let products = giants.flat_map(|g| g.products.values()).flatten();
        products.map(|(_, diagonal)| diagonal.bytes()).sum()
    }

    /// How many parts of which kind an application has.
    pub fn work(&self) -> &PlanWork {
        &self.work
    }

    /// Seconds of an application whose diagonals are encoded, but not on the device.
    pub fn seconds(&self, model: &CostModel) -> f64 {
        let parts = &model.at.transform;
        let single = self.input.ciphertexts() == 1;
        let outputs = self.maps.iter().flat_map(|map| &map.outputs);
        let lifts = outputs.flat_map(|giants| {
            let lists = || giants.iter().flat_map(|giant| giant.products.values());
            // The diagonals of a transform are encoded at the longest of their periods.
            let longest = lists().map(|products| period(products)).max().unwrap_or(1);
            lists().map(move |products| {
                let period = if single { longest } else { period(products) };
                parts.lift.of(products.len(), period)
            })
        });
        self.work.cost(model) + lifts.sum::<f64>()
    }

    /// The maps of a tensor, in order: one level, each result at the canonical scale of the level
    /// below.
    ///
    /// # Errors
    ///
    /// [`Error::LayoutMismatch`] for a tensor in another layout than the plan's input;
    /// [`Error::Scheme`] at level 0, for a missing rotation key, and where the device fails.
    pub fn apply_all<B: Backend>(
        &self,
        ev: &Evaluator<B>,
        x: &Packed<B>,
    ) -> Result<Vec<Packed<B>>> {
        self.apply_scaled(ev, x, 1.0)
    }

    /// `factor` times the maps of a tensor, at no further cost: the factor is encoded into the
    /// diagonals.
    ///
    /// The results are at the canonical scale of the level below, as those of
    /// [`PreparedMap::apply_all`].
    ///
    /// # Errors
    ///
    /// As [`PreparedMap::apply_all`].
    pub fn apply_scaled<B: Backend>(
        &self,
        ev: &Evaluator<B>,
        x: &Packed<B>,
        factor: f64,
    ) -> Result<Vec<Packed<B>>> {
        self.encode(ev.context(), x.level(), x.scale(), factor, false)?
            .apply_all(ev, x)
    }

    /// The only map of a tensor, as [`PreparedMap::apply_all`].
    ///
    /// # Errors
    ///
    /// [`Error::Count`] for a plan of several maps, else as [`PreparedMap::apply_all`].
    pub fn apply<B: Backend>(&self, ev: &Evaluator<B>, x: &Packed<B>) -> Result<Packed<B>> {
        only(self.apply_all(ev, x)?)
    }

    /// Encodes all diagonals times `factor` for operands at a level and scale.
    ///
    /// With `resident` they stay on the device, at `8 N limbs` bytes a diagonal; without, the host
    /// holds `8 N` bytes a diagonal and every use transforms them.
    ///
    /// # Errors
    ///
    /// [`Error::Scheme`] when `level` is 0 or above the top one, and where the diagonals cannot be
    /// encoded at the scale.
    pub fn encode<B: Backend>(
        &self,
        context: &Context<B>,
        level: usize,
        scale: f64,
        factor: f64,
        resident: bool,
    ) -> Result<EncodedMap<'_, B>> {
        let params = context.params();
        if level == 0 || level > params.max_level() {
            return Err(ckks_math::Error::LevelExhausted {
                op: "linear map",
                need: 1,
                have: level.min(params.max_level()),
            }
            .into());
        }
        let own = params.scale_at(level - 1) * params.group_modulus(level) / scale;
        let single = self.input.ciphertexts() == 1;
        let mut transforms = Vec::new();
        for input in 0..self.input.ciphertexts() {
            let mut of_input = Vec::new();
            for (key, plan) in self.transform_plans(input, single, factor) {
                let encoded = EncodedLinearTransform::new(context, &plan, level, own, resident)?;
                of_input.push((key, encoded));
            }
            transforms.push(of_input);
        }
        Ok(EncodedMap {
            map: self,
            level,
            target: params.scale_at(level - 1),
            transforms,
        })
    }

    /// What the evaluator does with one input ciphertext: a transform for each output if it is
    /// the only input, else the inner sum of each giant step.
    fn transform_plans(
        &self,
        input: usize,
        single: bool,
        factor: f64,
    ) -> Vec<(Target, LinearTransformPlan)> {
        let mut plans = Vec::new();
        for (map, prepared) in self.maps.iter().enumerate() {
            for (output, giants) in prepared.outputs.iter().enumerate() {
                let mut steps = Vec::new();
                for (giant, step) in giants.iter().enumerate() {
                    let Some(products) = step.products.get(&input) else {
                        continue;
                    };
                    let expand = |(baby, diagonal): &(usize, Diagonal)| {
                        let values = diagonal.values();
                        let values = values.map(|v| Complex64::new(v * factor, 0.0));
                        (*baby, values.collect::<Vec<_>>())
                    };
                    let terms: Vec<_> = products.iter().map(expand).collect();
                    let amount = if single { step.amount } else { 0 };
                    steps.push((Target { map, output, giant }, (amount, terms)));
                }
                let slots = prepared.period;
                if single {
                    if let Some((target, _)) = steps.first() {
                        let target = *target;
                        let giants = steps.into_iter().map(|(_, step)| step).collect();
                        plans.push((target, LinearTransformPlan { slots, giants }));
                    }
                } else {
                    plans.extend(steps.into_iter().map(|(target, step)| {
                        let giants = vec![step];
                        (target, LinearTransformPlan { slots, giants })
                    }));
                }
            }
        }
        plans
    }
}

/// Which sum a transform contributes to; with a single input `giant` is without meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Target {
    map: usize,
    output: usize,
    giant: usize,
}

impl Prepared {
    fn new(map: &MapPlan, plan: &BsgsPlan, output: &Layout) -> Result<Prepared> {
        check_count(
            "output ciphertexts",
            map.outputs.len(),
            output.ciphertexts(),
        )?;
        let giant = |giant: &crate::bsgs::Giant| {
            let mut products: BTreeMap<usize, Vec<(usize, Diagonal)>> = BTreeMap::new();
            for product in &giant.products {
                let baby = plan.babies[product.input][product.baby];
                let diagonal = Diagonal::new(&product.diagonal);
                products
                    .entry(product.input)
                    .or_default()
                    .push((baby, diagonal));
            }
            Giant {
                amount: giant.amount,
                products,
            }
        };
        let outputs = map.outputs.iter();
        Ok(Prepared {
            output: output.clone(),
            period: map.period,
            outputs: outputs
                .map(|giants| giants.iter().map(giant).collect())
                .collect(),
            folds: map.folds.clone(),
        })
    }
}

/// A prepared map encoded for operands at one level and scale.
pub struct EncodedMap<'m, B: Backend> {
    map: &'m PreparedMap,
    level: usize,
    /// The scale of the results.
    target: f64,
    /// For each input ciphertext its transforms.
    transforms: Vec<Vec<(Target, EncodedLinearTransform<B>)>>,
}

impl<B: Backend> EncodedMap<'_, B> {
    /// The maps of a tensor at the level encoded for, in order; see [`PreparedMap::apply_all`].
    ///
    /// # Errors
    ///
    /// [`Error::LayoutMismatch`] for a tensor in another layout than the plan's input;
    /// [`Error::Scheme`] when it is not at the level encoded for, for a missing rotation key, and
    /// where the device fails.
    pub fn apply_all(&self, ev: &Evaluator<B>, x: &Packed<B>) -> Result<Vec<Packed<B>>> {
        if !x.layout().fields().eq(self.map.input.fields())
            || x.layout().log_slots() != self.map.input.log_slots()
        {
            return Err(Error::LayoutMismatch {
                op: "linear map",
                left: x.layout().to_string(),
                right: self.map.input.to_string(),
            });
        }
        if x.level() != self.level {
            return Err(ckks_math::Error::LevelMismatch {
                op: "linear map",
                found: x.level(),
                expected: self.level,
            }
            .into());
        }
        let mut sums = self.inner_sums(ev, x)?;
        let mut results = Vec::with_capacity(self.map.maps.len());
        for (map, prepared) in self.map.maps.iter().enumerate() {
            let parts = (0..prepared.outputs.len())
                .map(|output| self.output(ev, &mut sums, map, output))
                .collect::<Result<Vec<_>>>()?;
            let mut batch = join(ev, parts)?;
            if !self.single() {
                batch = ev.rescale(&batch)?;
            }
            let batch = batch.with_scale(self.target);
            let folds: Vec<i64> = prepared.folds.iter().map(|&fold| fold as i64).collect();
            let batch = ev.doublings(&batch, &folds)?;
            results.push(Packed::new(prepared.output.clone(), batch)?);
        }
        Ok(results)
    }

    /// The only map of a tensor.
    ///
    /// # Errors
    ///
    /// [`Error::Count`] for a plan of several maps, else as [`EncodedMap::apply_all`].
    pub fn apply(&self, ev: &Evaluator<B>, x: &Packed<B>) -> Result<Packed<B>> {
        only(self.apply_all(ev, x)?)
    }

    /// Whether there is one input ciphertext: then its transforms are the outputs, and rescaled as
    /// they are divided by `P`.
    fn single(&self) -> bool {
        self.transforms.len() == 1
    }

    /// The transforms of all inputs, those with the same target added up.
    fn inner_sums(
        &self,
        ev: &Evaluator<B>,
        x: &Packed<B>,
    ) -> Result<BTreeMap<Target, Ciphertext<B>>> {
        let mut sums: BTreeMap<Target, Ciphertext<B>> = BTreeMap::new();
        for (x, transforms) in ev.split(x.batch())?.iter().zip(&self.transforms) {
            if transforms.is_empty() {
                continue;
            }
            let encoded: Vec<_> = transforms.iter().map(|(_, t)| t).collect();
            let results = if self.single() {
                ev.linear_transforms_rescaled(x, &encoded)?
            } else {
                ev.linear_transforms(x, &encoded)?
            };
            for ((target, _), result) in transforms.iter().zip(results) {
                let sum = match sums.remove(target) {
                    Some(sum) => ev.add(&sum, &result)?,
                    None => result,
                };
                sums.insert(*target, sum);
            }
        }
        Ok(sums)
    }

    /// One output ciphertext, before rescaling but for a single input: its inner sums rotated by
    /// their giant steps.
    fn output(
        &self,
        ev: &Evaluator<B>,
        sums: &mut BTreeMap<Target, Ciphertext<B>>,
        map: usize,
        output: usize,
    ) -> Result<Ciphertext<B>> {
        let prepared = &self.map.maps[map];
        let mut total: Option<Ciphertext<B>> = None;
        for (giant, step) in prepared.outputs[output].iter().enumerate() {
            let Some(sum) = sums.remove(&Target { map, output, giant }) else {
                continue;
            };
            let rotated = if self.single() {
                sum
            } else {
                ev.rotate(&sum, step.amount as i64)?
            };
            total = Some(match total {
                Some(total) => ev.add(&total, &rotated)?,
                None => rotated,
            });
        }
        match total {
            Some(total) => Ok(total),
            None => {
                if self.single() {
                    return Ok(ev.zeros(prepared.period, self.level - 1, 1)?);
                }
                let params = ev.context().params();
                let scale = self.target * params.group_modulus(self.level);
                let zeros = ev.zeros(prepared.period, self.level, 1)?;
                Ok(zeros.with_scale(scale))
            }
        }
    }
}

/// The longest period of some diagonals.
fn period(products: &[(usize, Diagonal)]) -> usize {
    let periods = products.iter().map(|(_, diagonal)| diagonal.period());
    periods.max().unwrap_or(1)
}

/// The single result of a list.
fn only<T>(mut results: Vec<T>) -> Result<T> {
    check_count("maps", 1, results.len())?;
    Ok(results.swap_remove(0))
}

fn check_count(what: &'static str, need: usize, got: usize) -> Result<()> {
    if need != got {
        return Err(Error::Count {
            op: "prepared map",
            what,
            need,
            got,
        });
    }
    Ok(())
}
