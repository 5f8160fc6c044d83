//! The choice of baby and giant steps for a set of rotation amounts.

use super::cost::{CostModel, PlanWork};
use super::count::Counter;

/// A diagonal of a set of maps, as far as the split is concerned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Amount {
    /// Number of the input ciphertext.
    pub(crate) input: usize,
    /// Number of the output ciphertext.
    pub(crate) output: usize,
    /// The rotation amount, below the input period.
    pub(crate) amount: usize,
    /// The period of the map.
    pub(crate) period: usize,
}

/// Which part of an amount is the baby step.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Baby {
    Remainder,
    Multiple,
}

/// A rule that writes amounts as baby plus giant step modulo the period.
///
/// With `a = amount - start`, the parts of `a` are `a mod modulus` and the rest. They are shifted
/// against each other by a constant so that 0, which is free, occurs as a giant step, and as a
/// baby step as well if 0 is one of the amounts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Split {
    period: usize,
    start: usize,
    modulus: usize,
    baby: Baby,
    shift: usize,
}

impl Split {
    /// The cheapest rule among the moduli tried, for amounts below `period` that rotate `inputs`
    /// input ciphertexts.
    pub(super) fn cheapest(
        amounts: &[Amount],
        (inputs, period): (usize, usize),
        model: &CostModel,
    ) -> Split {
        let mut counter = Counter::new(amounts, (inputs, period));
        let work = |split: &Split| counter.work(|amount| split.of(amount));
        Self::cheapest_by(amounts, (inputs, period), model, work)
    }

    /// The cheapest rule by what `work` counts of the parts of its plan and of their keys.
    fn cheapest_by(
        amounts: &[Amount],
        (inputs, period): (usize, usize),
        model: &CostModel,
        mut work: impl FnMut(&Split) -> (PlanWork, usize),
    ) -> Split {
        let all = distinct(amounts.iter().map(|a| a.amount).collect());
        let start = after_largest_gap(&all, period);
        let pivot = if all.first() == Some(&0) { 0 } else { start };
        let reach = |&k: &usize| (k + period - start) % period;
        let span = all.iter().map(reach).max().unwrap_or(0);
        let stride = all.iter().map(reach).fold(0, gcd).max(1);

        let mut best: Option<((bool, f64), Split)> = None;
        for (weight, modulus) in moduli(stride, span, all.len()) {
            for baby in [Baby::Remainder, Baby::Multiple] {
                let mut split = Split {
                    period,
                    start,
                    modulus,
                    baby,
                    shift: 0,
                };
                split.shift = split.of(pivot).1;
                let (work, keys) = work(&split);
                let babies = work.babies + work.identities;
                // A plan within the limit beats any plan beyond it.
                let too_many = babies > model.max_babies.max(inputs);
                let cost = work.rotations_cost(model) + keys as f64 * model.key;
                let price = (too_many, cost * weight);
                if best.as_ref().is_none_or(|(least, _)| price < *least) {
                    best = Some((price, split));
                }
            }
        }
        best.expect("at least one modulus is tried").1
    }

    /// Baby and giant step of an amount, both below the period.
    pub(super) fn of(&self, amount: usize) -> (usize, usize) {
        let a = (amount + self.period - self.start) % self.period;
        let remainder = a % self.modulus;
        let giant = match self.baby {
            Baby::Remainder => a - remainder,
            Baby::Multiple => remainder,
        };
        let giant = (giant + self.period - self.shift) % self.period;
        ((amount + self.period - giant) % self.period, giant)
    }
}

pub(super) fn distinct<T: Ord>(mut values: Vec<T>) -> Vec<T> {
    values.sort_unstable();
    values.dedup();
    values
}

/// The first amount after the largest cyclic gap in sorted amounts, where counting starts.
fn after_largest_gap(sorted: &[usize], period: usize) -> usize {
    let Some(&last) = sorted.last() else { return 0 };
    let before = std::iter::once(last).chain(sorted.iter().copied());
    let gaps = sorted
        .iter()
        .zip(before)
        .map(|(&k, b)| ((k + period - b - 1) % period, k));
    // The smallest start among the largest gaps, so that a full circle starts at its least amount.
    gaps.max_by_key(|&(gap, k)| (gap, std::cmp::Reverse(k)))
        .map_or(0, |(_, k)| k)
}

/// Moduli worth trying: the stride times powers of two, then small multiples of it and powers of
/// two times 3, 5 and 7.
///
/// With powers of two the maps of a model share most of their keys; a plan with another modulus
/// brings rotations of its own, and has to be [`WORTH`] times cheaper.
fn moduli(stride: usize, span: usize, count: usize) -> Vec<(f64, usize)> {
    let octaves = || {
        (0..usize::BITS)
            .map(|i| stride << i)
            .take_while(|&m| m <= 2 * span)
    };
    // The last one leaves a single giant step, or a single baby step.
    let shared: Vec<usize> = distinct(octaves().chain([span + 1]).collect());
    let small = (1..=count.min(48)).map(|j| j * stride);
    let large = octaves().flat_map(|m| [3, 5, 7].map(|odd| odd * m));
    let own = distinct(small.chain(large).filter(|m| !shared.contains(m)).collect());
    let weighed = |weight: f64| move |m: usize| (weight, m);
    shared
        .into_iter()
        .map(weighed(1.0))
        .chain(own.into_iter().map(weighed(WORTH)))
        .collect()
}

/// How much cheaper a plan with rotations of its own must be to be taken.
const WORTH: f64 = 1.25;

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use ckks_math::evaluator::GiantChains;
    use proptest::prelude::*;

    use super::*;

    /// The parts of a plan by their definition.
    impl Split {
        /// The rotations of the amounts of `inputs` input ciphertexts, and how many keys they take.
        fn work(&self, amounts: &[Amount], inputs: usize) -> (PlanWork, usize) {
            let parts = || amounts.iter().map(|a| (a, self.of(a.amount)));
            let babies = distinct(parts().map(|(a, (b, _))| (a.input, b)).collect());
            let steps = distinct(parts().map(|(a, (_, g))| (a.output, g)).collect());
            let sums = match inputs {
                1 => steps.len(),
                _ => distinct(parts().map(|(a, (_, g))| (a.output, g, a.input)).collect()).len(),
            };
            let keys = self.keys(&babies, amounts, inputs == 1);
            let rotated: Vec<usize> = babies.iter().filter(|b| b.1 != 0).map(|b| b.0).collect();
            let work = PlanWork {
                single: inputs == 1,
                inputs,
                operands: distinct(babies.iter().map(|b| b.0).collect()).len(),
                babies: rotated.len(),
                identities: babies.len() - rotated.len(),
                hoists: distinct(rotated).len(),
                // As many key switches as steps by other amounts than 0, in chains or alone.
                giants: steps.iter().filter(|g| g.1 != 0).count(),
                sums,
                results: distinct(steps.iter().map(|g| g.0).collect()).len(),
                steps: steps.len(),
                products: amounts.len(),
                maps: Vec::new(),
            };
            (work, keys)
        }

        /// The number of different rotations by baby steps, each with its input, and by the
        /// giant steps of the amounts: over one input by those of their chains.
        fn keys(&self, babies: &[(usize, usize)], amounts: &[Amount], single: bool) -> usize {
            let mut rotations: Vec<usize> = babies.iter().map(|b| b.1).collect();
            let giants = amounts
                .iter()
                .map(|a| (a.output, a.period, self.of(a.amount).1));
            let giants = distinct(giants.collect());
            for of_output in giants.chunk_by(|x, y| x.0 == y.0) {
                let steps = of_output.iter().map(|giant| giant.2).collect::<Vec<_>>();
                match single {
                    true => {
                        let chains = GiantChains::new(&steps, of_output[0].1, self.period);
                        rotations.extend(chains.rotations);
                    }
                    false => rotations.extend(steps),
                }
            }
            distinct(rotations).into_iter().filter(|&r| r != 0).count()
        }
    }

    /// Diagonals between up to four inputs and outputs of two maps, some blocks alike.
    fn diagonals() -> impl Strategy<Value = (Vec<Amount>, (usize, usize))> {
        let set = || {
            let strided = (1..60_usize, 0..9_usize, 0..1024_usize);
            let strided = strided.prop_map(|(count, log, from)| {
                (0..count).map(|i| from + (i << log)).collect::<Vec<_>>()
            });
            prop_oneof![strided, prop::collection::vec(0..1024_usize, 0..40)]
        };
        let sets = prop::collection::vec(set(), 1..4);
        let shape = (
            1..5_usize,
            1..5_usize,
            0..5_usize,
            5..11_u32,
            0..3_u32,
            any::<u64>(),
        );
        (sets, shape).prop_map(|(sets, (inputs, outputs, second, log, longer, seed))| {
            let period = 1 << log;
            let mut amounts = Vec::new();
            for (output, input) in (0..outputs).flat_map(|o| (0..inputs).map(move |i| (o, i))) {
                let which = (seed >> (4 * (4 * output + input) % 61)) as usize % (sets.len() + 1);
                let set = sets.get(which).into_iter().flatten();
                amounts.extend(
                    distinct(set.map(|a| a % period).collect())
                        .iter()
                        .map(|&amount| {
                            let period = if output < second {
                                period
                            } else {
                                period << longer
                            };
                            Amount {
                                input,
                                output,
                                amount,
                                period,
                            }
                        }),
                );
            }
            (amounts, (inputs, period))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        /// Every rule tried has the parts of the definition, so that the choice is the same.
        #[test]
        fn parts_are_counted_as_they_are_defined(
            (amounts, shape) in diagonals(),
            max_babies in prop::sample::select(vec![1_usize, 8, 64]),
        ) {
            let model = CostModel { max_babies, ..CostModel::default() };
            let mut counter = Counter::new(&amounts, shape);
            let mut tried = 0;
            let by_definition = Split::cheapest_by(&amounts, shape, &model, |split| {
                let defined = split.work(&amounts, shape.0);
                assert_eq!(counter.work(|amount| split.of(amount)), defined, "{split:?}");
                tried += 1;
                defined
            });
            prop_assert!(tried >= 2);
            prop_assert_eq!(Split::cheapest(&amounts, shape, &model), by_definition);
        }
    }
}
