//! Baby-step giant-step plans: linear maps with few rotations.
//!
//! Every rotation amount `k` of a map is written as `g + b` (modulo the input period), and
//!
//! ```text
//! out = sum over g of  rot_g( sum over b of  rot_{-g}(diag_{g+b}) * rot_b(in) )
//! ```
//!
//! needs one rotation for each baby step `b` and one for each giant step `g` instead of one for
//! each `k` [Halevi-Shoup 2018]. Baby
//! rotations read the same ciphertext, so they share one decomposition ("hoisting") and cost less
//! than giant ones. All maps of one input, such as queries, keys and values, share the babies.
//!
//! The amounts need not be consecutive: the split takes the remainder and the multiple of a
//! modulus, counted from the end of the largest gap, with the modulus and the roles of the two
//! parts chosen by cost.

use std::collections::{BTreeMap, BTreeSet};

use ckks_math::evaluator::{GiantChains, doubling_rotations};

use crate::error::{Error, Result};
use crate::layout::check_vectors;
use crate::linear_map::{LinearMap, add_rotated};
use crate::rotations::{Rotation, merge};

mod cost;
mod count;
mod split;
#[cfg(test)]
mod tests;

pub use cost::{CostModel, PlanWork};
pub(crate) use split::Amount;
use split::Split;

/// One plaintext product of a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Product {
    /// Number of the input ciphertext.
    pub input: usize,
    /// Which of [`BsgsPlan::babies`] of that input is multiplied.
    pub baby: usize,
    /// The diagonal, rotated right by the giant step; as long as the period of its map.
    pub diagonal: Vec<f64>,
}

/// The products that are summed and then rotated together.
#[derive(Debug, Clone, PartialEq)]
pub struct Giant {
    /// Left rotation of the sum; 0 costs nothing.
    pub amount: usize,
    /// The products summed before the rotation.
    pub products: Vec<Product>,
}

/// The part of a plan that belongs to one map.
#[derive(Debug, Clone, PartialEq)]
pub struct MapPlan {
    /// The period of the map, the length of its diagonals.
    pub period: usize,
    /// For each output ciphertext the giant steps whose sum it is.
    pub outputs: Vec<Vec<Giant>>,
    /// Amounts of the rotate-and-adds that complete every output, see [`LinearMap::folds`].
    pub folds: Vec<usize>,
}

impl MapPlan {
    /// The rotations that the folds of one output take.
    fn fold_rotations(&self) -> Vec<usize> {
        let folds: Vec<i64> = self.folds.iter().map(|&fold| fold as i64).collect();
        let rotations = doubling_rotations(&folds).concat();
        rotations
            .into_iter()
            .map(|amount| amount as usize)
            .collect()
    }
}

/// Baby and giant steps of one or several maps of the same input.
#[derive(Debug, Clone, PartialEq)]
pub struct BsgsPlan {
    /// The period of the input.
    pub input_period: usize,
    /// For each input ciphertext the left rotations of it that products read; 0 costs nothing.
    pub babies: Vec<Vec<usize>>,
    /// The maps in the order given.
    pub maps: Vec<MapPlan>,
    /// Seconds of an evaluation by the prices of its [`CostModel`], but for bringing the diagonals
    /// to the device: see [`PreparedMap::seconds`](crate::PreparedMap::seconds).
    pub cost: f64,
}

impl BsgsPlan {
    /// The cheapest plan found for one map.
    ///
    /// # Errors
    /// As [`BsgsPlan::fused`].
    pub fn new(map: &LinearMap, model: &CostModel) -> Result<BsgsPlan> {
        Self::fused(&[map], model)
    }

    /// The cheapest plan found for several maps that read the same input and share its babies.
    ///
    /// # Errors
    /// [`Error::InputMismatch`] when the maps differ in the number or period of input ciphertexts,
    /// [`Error::Count`] when there is none.
    pub fn fused(maps: &[&LinearMap], model: &CostModel) -> Result<BsgsPlan> {
        let Some(first) = maps.first() else {
            return Err(Error::Count {
                op: "fused plan",
                what: "maps",
                need: 1,
                got: 0,
            });
        };
        let left = (first.inputs(), first.input_period());
        if let Some(other) = maps.iter().find(|m| (m.inputs(), m.input_period()) != left) {
            return Err(Error::InputMismatch {
                left,
                right: (other.inputs(), other.input_period()),
            });
        }
        let amounts = amounts_of(maps);
        let Steps { split, babies } = Steps::cheapest(&amounts, left, model);
        let maps: Vec<MapPlan> = maps
            .iter()
            .map(|map| plan_map(map, &split, &babies))
            .collect();
        let mut plan = BsgsPlan {
            input_period: first.input_period(),
            babies,
            maps,
            cost: 0.0,
        };
        plan.cost = plan.work().cost(model);
        Ok(plan)
    }

    /// Whether there is one input ciphertext: then giant steps are taken over `QP`, those at
    /// multiples of one amount with its key only.
    fn single(&self) -> bool {
        self.babies.len() == 1
    }

    /// How many parts of which kind an evaluation has.
    pub fn work(&self) -> PlanWork {
        let nonzero = |amounts: &[usize]| amounts.iter().filter(|&&a| a != 0).count();
        let babies: Vec<usize> = self.babies.iter().map(|b| nonzero(b)).collect();
        let outputs = || self.maps.iter().flat_map(|m| &m.outputs);
        let inputs_of = |giant: &Giant| {
            let inputs = giant.products.iter().map(|product| product.input);
            inputs.collect::<BTreeSet<_>>().len()
        };
        let of_map = |map: &MapPlan| (map.outputs.len(), map.folds.len());
        PlanWork {
            single: self.single(),
            inputs: self.babies.len(),
            operands: self.babies.iter().filter(|b| !b.is_empty()).count(),
            hoists: babies.iter().filter(|&&count| count > 0).count(),
            babies: babies.iter().sum(),
            identities: self.babies.iter().filter(|b| b.contains(&0)).count(),
            giants: self.maps.iter().map(|map| self.giant_switches(map)).sum(),
            sums: outputs().flatten().map(inputs_of).sum(),
            steps: outputs().flatten().count(),
            products: self.product_count(),
            results: outputs().filter(|giants| !giants.is_empty()).count(),
            maps: self.maps.iter().map(of_map).collect(),
        }
    }

    /// The order of the giant steps of an output over `QP`.
    fn chains(&self, map: &MapPlan, output: &[Giant]) -> GiantChains {
        let amounts: Vec<usize> = output.iter().map(|giant| giant.amount).collect();
        GiantChains::new(&amounts, map.period, self.input_period)
    }

    fn giant_switches(&self, map: &MapPlan) -> usize {
        let outputs = map.outputs.iter();
        if self.single() {
            return outputs
                .map(|output| self.chains(map, output).switches())
                .sum();
        }
        outputs.flatten().filter(|giant| giant.amount != 0).count()
    }

    /// Number of rotations multiplied by a key, as (baby, giant, fold).
    pub fn rotation_counts(&self) -> (usize, usize, usize) {
        let work = self.work();
        let folds = |m: &MapPlan| m.outputs.len() * m.fold_rotations().len();
        let folds = self.maps.iter().map(folds).sum();
        (work.babies, work.giants, folds)
    }

    /// Number of plaintext products.
    pub fn product_count(&self) -> usize {
        let giants = self.maps.iter().flat_map(|m| &m.outputs).flatten();
        giants.map(|giant| giant.products.len()).sum()
    }

    /// The different rotations that need a key, with how often each is used.
    pub fn rotations(&self) -> Vec<Rotation> {
        let babies = self
            .babies
            .iter()
            .flatten()
            .map(|&b| Rotation::new(b, self.input_period));
        let others = self.maps.iter().flat_map(|map| {
            let giants = map
                .outputs
                .iter()
                .flat_map(|output| self.giant_rotations(map, output));
            let folds = map.outputs.iter().flat_map(|_| map.fold_rotations());
            giants
                .chain(folds)
                .map(|amount| Rotation::new(amount, map.period))
        });
        merge(babies.chain(others))
    }

    /// The rotations of an output's giant steps, one for each key switch.
    fn giant_rotations(&self, map: &MapPlan, output: &[Giant]) -> Vec<usize> {
        if self.single() {
            return self.chains(map, output).rotations;
        }
        output.iter().map(|giant| giant.amount).collect()
    }

    /// The plan on slot vectors in the clear: for each map its output vectors.
    ///
    /// # Errors
    ///
    /// [`Error::Count`] for another number of vectors than the map has inputs,
    /// [`Error::VectorLength`] for one that is no whole number of periods.
    pub fn apply_clear(&self, inputs: &[Vec<f64>]) -> Result<Vec<Vec<Vec<f64>>>> {
        check_vectors("linear map", inputs, self.babies.len(), self.input_period)?;
        let rotate = |input: &Vec<f64>, &b: &usize| {
            let period = &input[..self.input_period];
            [&period[b..], &period[..b]].concat()
        };
        let pairs = inputs.iter().zip(&self.babies);
        let rotated: Vec<Vec<Vec<f64>>> = pairs
            .map(|(x, babies)| babies.iter().map(|b| rotate(x, b)).collect())
            .collect();
        let outputs = |map: &MapPlan| -> Vec<Vec<f64>> {
            map.outputs
                .iter()
                .map(|giants| map.output_clear(giants, &rotated))
                .collect()
        };
        Ok(self.maps.iter().map(outputs).collect())
    }
}

impl MapPlan {
    fn output_clear(&self, giants: &[Giant], rotated: &[Vec<Vec<f64>>]) -> Vec<f64> {
        let mut output = vec![0.0; self.period];
        for giant in giants {
            let mut sum = vec![0.0; self.period];
            for product in &giant.products {
                let x = rotated[product.input][product.baby].iter().cycle();
                let terms = product.diagonal.iter().zip(x);
                sum.iter_mut()
                    .zip(terms)
                    .for_each(|(s, (d, x))| *s += d * x);
            }
            sum.rotate_left(giant.amount);
            output.iter_mut().zip(sum).for_each(|(out, s)| *out += s);
        }
        self.folds
            .iter()
            .fold(output, |x, &fold| add_rotated(&x, fold))
    }
}

/// How the rotation amounts of all diagonals are split into steps; needs no diagonal.
pub(crate) struct Steps {
    split: Split,
    /// For each input ciphertext its baby steps, ascending.
    babies: Vec<Vec<usize>>,
}

impl Steps {
    /// The cheapest split found, for diagonals between `inputs` ciphertexts of some period and the
    /// outputs of all maps, which are counted through.
    pub(crate) fn cheapest(
        amounts: &[Amount],
        (inputs, input_period): (usize, usize),
        model: &CostModel,
    ) -> Steps {
        let split = Split::cheapest(amounts, (inputs, input_period), model);
        let babies = (0..inputs).map(|input| {
            let of_input = amounts.iter().filter(|a| a.input == input);
            sorted(of_input.map(|a| split.of(a.amount).0))
        });
        let babies = babies.collect();
        Steps { split, babies }
    }

    /// Baby and giant step of an amount, both below the input period.
    pub(crate) fn of(&self, amount: usize) -> (usize, usize) {
        self.split.of(amount)
    }
}

/// Every diagonal of the maps; the outputs of all maps are counted through.
fn amounts_of(maps: &[&LinearMap]) -> Vec<Amount> {
    let mut amounts = Vec::new();
    let mut first_output = 0;
    for map in maps {
        for block in map.blocks() {
            let (input, output) = (block.input, first_output + block.output);
            amounts.extend(block.diagonals.keys().map(|&amount| Amount {
                input,
                output,
                amount,
                period: map.period(),
            }));
        }
        first_output += map.outputs();
    }
    amounts
}

fn plan_map(map: &LinearMap, split: &Split, babies: &[Vec<usize>]) -> MapPlan {
    let mut outputs: Vec<BTreeMap<usize, Vec<Product>>> = vec![BTreeMap::new(); map.outputs()];
    for block in map.blocks() {
        for (&amount, diagonal) in &block.diagonals {
            let (b, g) = split.of(amount);
            let baby = babies[block.input]
                .binary_search(&b)
                .expect("every baby is listed");
            let mut diagonal = diagonal.clone();
            diagonal.rotate_right(g);
            let product = Product {
                input: block.input,
                baby,
                diagonal,
            };
            outputs[block.output].entry(g).or_default().push(product);
        }
    }
    let giants = |steps: BTreeMap<usize, Vec<Product>>| {
        steps
            .into_iter()
            .map(|(amount, products)| Giant { amount, products })
            .collect()
    };
    MapPlan {
        period: map.period(),
        outputs: outputs.into_iter().map(giants).collect(),
        folds: map.folds().to_vec(),
    }
}

fn sorted(values: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut values: Vec<usize> = values.collect();
    values.sort_unstable();
    values.dedup();
    values
}
