//! The choice of baby and giant steps for a set of rotation amounts.

use ckks_math::evaluator::GiantChains;

use super::cost::{CostModel, PlanWork};

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
#[derive(Debug, Clone)]
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
        let mut all: Vec<usize> = amounts.iter().map(|a| a.amount).collect();
        all.sort_unstable();
        all.dedup();
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
                let (work, keys) = split.work(amounts, inputs);
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

    /// The number of different rotations by baby steps, each with its input, and by the giant steps
    /// of the amounts: over one input by those of their chains.
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

fn distinct<T: Ord>(mut values: Vec<T>) -> Vec<T> {
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
