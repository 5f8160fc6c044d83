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

use std::collections::BTreeMap;

use ckks_math::evaluator::doubling_rotations;

use crate::error::{Error, Result};
use crate::layout::check_vectors;
use crate::linear_map::{LinearMap, add_rotated};
use crate::rotations::{Rotation, merge};

mod split;

pub(crate) use split::Amount;
pub use split::CostModel;
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
    /// What the plan costs in the units of its [`CostModel`].
    pub cost: f64,
}

impl BsgsPlan {
    /// The cheapest plan found for one map.
    ///
    /// # Errors
    ///
    /// None for a map of this crate; see [`BsgsPlan::fused`].
    pub fn new(map: &LinearMap, model: &CostModel) -> Result<BsgsPlan> {
        Self::fused(&[map], model)
    }

    /// The cheapest plan found for several maps that read the same input and share its babies.
    ///
    /// # Errors
    ///
    /// When the maps differ in the number or period of input ciphertexts, or when there is none.
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
        let folds: usize = maps.iter().map(|m| m.outputs() * m.folds().len()).sum();
        let maps: Vec<MapPlan> = maps
            .iter()
            .map(|map| plan_map(map, &split, &babies))
            .collect();
        let products = amounts.len() as f64 * model.product;
        let cost = split.cost() + products + folds as f64 * model.giant;
        Ok(BsgsPlan {
            input_period: first.input_period(),
            babies,
            maps,
            cost,
        })
    }

    /// Number of rotations that meet a key, as (baby, giant, fold).
    pub fn rotation_counts(&self) -> (usize, usize, usize) {
        let nonzero = |amounts: &[usize]| amounts.iter().filter(|&&a| a != 0).count();
        let outputs = || self.maps.iter().flat_map(|m| &m.outputs);
        (
            self.babies.iter().map(|b| nonzero(b)).sum(),
            outputs()
                .flatten()
                .filter(|giant| giant.amount != 0)
                .count(),
            self.maps
                .iter()
                .map(|m| m.outputs.len() * m.fold_rotations().len())
                .sum(),
        )
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
            let giants = map.outputs.iter().flatten().map(|giant| giant.amount);
            let folds = map.outputs.iter().flat_map(|_| map.fold_rotations());
            giants
                .chain(folds)
                .map(|amount| Rotation::new(amount, map.period))
        });
        merge(babies.chain(others))
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
        let split = Split::cheapest(amounts, input_period, model);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::{Axis, Field};
    use crate::layout::Layout;
    use crate::testing::{activations, dense, distance, layout, noise};

    /// Sums of up to 256 terms below 1 in double precision, added in another order.
    const TOLERANCE: f64 = 1e-12;

    fn inputs(map: &LinearMap) -> Vec<Vec<f64>> {
        (0..map.inputs())
            .map(|i| noise(40 + i as u64, map.input_period()))
            .collect()
    }

    /// The plan computes what the maps compute, on inputs whose every slot is filled.
    fn check(plan: &BsgsPlan, maps: &[&LinearMap]) {
        let x = inputs(maps[0]);
        let got = plan.apply_clear(&x).expect("shape");
        assert_eq!(got.len(), maps.len());
        for (map, got) in maps.iter().zip(&got) {
            assert!(distance(got, &map.apply_clear(&x).expect("shape")) < TOLERANCE);
        }
        let products: usize = maps.iter().map(|m| m.diagonal_count()).sum();
        assert_eq!(plan.product_count(), products);
    }

    /// A map of one channel axis whose rows read at the given distances.
    fn with_amounts(period: usize, amounts: &[usize]) -> LinearMap {
        let x = layout(&[Field::new(Axis::CHANNEL, period)]);
        LinearMap::build(&x, &x, |out, terms| {
            for (j, k) in amounts.iter().enumerate() {
                terms.add(&[(out[0] + k) % period], 0.5 + (j * out[0] % 5) as f64);
            }
        })
        .expect("valid")
    }

    fn even() -> CostModel {
        CostModel {
            hoist: 0.0,
            baby: 1.0,
            giant: 1.0,
            product: 0.0,
            max_babies: usize::MAX,
        }
    }

    #[test]
    fn strided_amounts_split_into_square_roots() {
        let x = activations(64, 16);
        let map = dense(&x, &x, &noise(30, 64 * 64));
        let plan = BsgsPlan::new(&map, &even()).expect("valid");
        check(&plan, &[&map]);
        assert_eq!(plan.rotation_counts(), (7, 7, 0));
        assert_eq!(plan.cost, 14.0);
        // Rotations that are cheap to hoist shift the balance to babies.
        let cheap = CostModel {
            baby: 0.1,
            ..even()
        };
        let (babies, giants, _) = BsgsPlan::new(&map, &cheap)
            .expect("valid")
            .rotation_counts();
        assert!(babies > 2 * giants, "{babies} babies, {giants} giants");
    }

    #[test]
    fn amounts_that_wrap_count_from_the_largest_gap() {
        let wrapped: Vec<usize> = (0..16).map(|r| (1024 - r) % 1024).collect();
        let map = with_amounts(1024, &wrapped);
        let plan = BsgsPlan::new(&map, &even()).expect("valid");
        check(&plan, &[&map]);
        assert_eq!(plan.rotation_counts(), (3, 3, 0));
        assert_eq!(plan.rotations().len(), 6);
    }

    #[test]
    fn two_strides_with_a_gap_are_found() {
        let grid: Vec<usize> = (0..64).map(|k| 512 + k / 8 * 5 + k % 8 * 300).collect();
        let map = with_amounts(4096, &grid);
        let plan = BsgsPlan::new(&map, &even()).expect("valid");
        check(&plan, &[&map]);
        let (babies, giants, _) = plan.rotation_counts();
        assert_eq!(babies + giants, 15);
    }

    #[test]
    fn cheap_babies_take_the_longer_side_of_a_grid() {
        // 16 multiples of 128 with 3 remainders: no modulus leaves the remainders as the many.
        let grid: Vec<usize> = (0..48).map(|k| k / 3 * 128 + k % 3 * 41).collect();
        let map = with_amounts(2048, &grid);
        let cheap = CostModel {
            baby: 0.15,
            ..even()
        };
        let plan = BsgsPlan::new(&map, &cheap).expect("valid");
        check(&plan, &[&map]);
        assert_eq!(plan.rotation_counts(), (15, 2, 0));
    }

    #[test]
    fn any_set_of_amounts_is_planned_and_no_worse_than_one_rotation_each() {
        for seed in 0..40 {
            let count = 1 + 3 * seed as usize;
            let random = noise(seed, count)
                .into_iter()
                .map(|v| ((v + 1.0) * 128.0) as usize);
            let amounts = sorted(random);
            let map = with_amounts(256, &amounts);
            for max_babies in [usize::MAX, 4, 0] {
                let model = CostModel {
                    max_babies,
                    ..even()
                };
                let plan = BsgsPlan::new(&map, &model).expect("valid");
                check(&plan, &[&map]);
                let (babies, giants, _) = plan.rotation_counts();
                assert!(babies + giants <= amounts.len());
                assert!(plan.babies[0].len() <= max_babies.max(1));
            }
        }
    }

    #[test]
    fn queries_keys_and_values_share_babies() {
        let x = activations(64, 16);
        let wide = layout(&[
            Field::new(Axis::TOKEN, 16),
            Field::new(Axis::CHANNEL, 64),
            Field::new(Axis::OFFSET, 16),
        ]);
        let maps = [
            dense(&x, &wide, &noise(31, 64 * 64)),
            dense(&x, &x, &noise(32, 64 * 64)),
            dense(&x, &activations(32, 16), &noise(33, 32 * 64)),
        ];
        let refs: Vec<&LinearMap> = maps.iter().collect();
        let model = CostModel::default();
        let fused = BsgsPlan::fused(&refs, &model).expect("same input");
        check(&fused, &refs);
        let alone: f64 = maps
            .iter()
            .map(|m| BsgsPlan::new(m, &model).expect("valid").cost)
            .sum();
        assert!(fused.cost < 0.8 * alone, "{} against {alone}", fused.cost);
    }

    #[test]
    fn folds_and_several_ciphertexts() {
        let small = |fields: &[Field]| Layout::new(8, fields).expect("valid");
        let x = small(&[Field::new(Axis::TOKEN, 16), Field::new(Axis::CHANNEL, 40)]);
        let y = small(&[Field::new(Axis::TOKEN, 16), Field::new(Axis::PART, 4)]);
        let w = noise(34, 40 * 40);
        let row = |out: &[usize], terms: &mut crate::terms::Terms<'_>| {
            (0..40).for_each(|i| terms.add(&[out[0], i], w[out[1] * 40 + i]));
        };
        let square = dense(&x, &x, &w);
        let down = LinearMap::build_folded(&x, &y, row).expect("valid");
        assert_eq!(
            (square.inputs(), square.outputs(), down.folds().len()),
            (3, 3, 2)
        );
        let plan = BsgsPlan::fused(&[&square, &down], &even()).expect("same input");
        check(&plan, &[&square, &down]);
        // Two folds in one key switch, with three keys.
        assert_eq!(plan.rotation_counts().2, 3);
        let shared = plan.rotations();
        let uses: usize = shared.iter().map(|r| r.uses).sum();
        let (babies, giants, folds) = plan.rotation_counts();
        assert_eq!(uses, babies + giants + folds);
    }

    #[test]
    fn the_zero_map_has_an_empty_plan() {
        let x = activations(4, 4);
        let map = LinearMap::build(&x, &x, |_, _| ()).expect("valid");
        let plan = BsgsPlan::new(&map, &CostModel::default()).expect("valid");
        check(&plan, &[&map]);
        assert_eq!((plan.rotation_counts(), plan.cost), ((0, 0, 0), 0.0));
    }

    #[test]
    fn different_inputs_are_refused() {
        let (x, y) = (activations(4, 4), activations(8, 4));
        let (one, other) = (dense(&x, &x, &noise(35, 16)), dense(&y, &y, &noise(36, 64)));
        let result = BsgsPlan::fused(&[&one, &other], &CostModel::default());
        assert_eq!(
            result,
            Err(Error::InputMismatch {
                left: (1, 16),
                right: (1, 32)
            })
        );
        let none = BsgsPlan::fused(&[], &CostModel::default());
        assert!(matches!(none, Err(Error::Count { .. })));
    }
}
