//! The parts of a plan for any split, counted fast.
//!
//! The parts depend on which amounts each input, each output and each pair of both has. In the
//! structure of a dense matrix many of them have the same amounts, and are counted once. An amount
//! is split once, and different steps are told apart by marks instead of by sorting.

use std::collections::BTreeMap;

use ckks_math::evaluator::GiantChains;

use super::cost::PlanWork;
use super::split::{Amount, distinct};

/// Inputs, outputs or pairs of both with the same amounts.
struct Class {
    /// How many they are.
    count: usize,
    /// The period of the map, for outputs.
    period: usize,
    /// Numbers of the amounts among all different ones.
    amounts: Vec<usize>,
}

/// Counts the parts of a plan for one set of diagonals.
pub(super) struct Counter {
    inputs: usize,
    input_period: usize,
    products: usize,
    /// All different amounts, ascending.
    amounts: Vec<usize>,
    of_inputs: Vec<Class>,
    of_outputs: Vec<Class>,
    /// Empty with a single input.
    of_pairs: Vec<Class>,
    marks: Marks,
    keys: Marks,
}

impl Counter {
    /// For diagonals of `inputs` input ciphertexts of a period.
    pub(super) fn new(amounts: &[Amount], (inputs, input_period): (usize, usize)) -> Counter {
        let all = distinct(amounts.iter().map(|a| a.amount).collect());
        let longest = amounts.iter().map(|a| a.period).max().unwrap_or(1);
        let classes = |of: &dyn Fn(&Amount) -> (usize, usize, usize)| classes(amounts, &all, of);
        Counter {
            inputs,
            input_period,
            products: amounts.len(),
            of_inputs: classes(&|a| (a.input, 0, input_period)),
            of_outputs: classes(&|a| (a.output, 0, a.period)),
            of_pairs: match inputs {
                1 => Vec::new(),
                _ => classes(&|a| (a.output, a.input, a.period)),
            },
            marks: Marks::new(input_period),
            // The rotations of chains are below the period of their map.
            keys: Marks::new(input_period.max(longest)),
            amounts: all,
        }
    }

    /// The parts of a plan with the baby and giant step of each amount, and how many keys its
    /// rotations take.
    pub(super) fn work(&mut self, split: impl Fn(usize) -> (usize, usize)) -> (PlanWork, usize) {
        let parts: Vec<(usize, usize)> = self.amounts.iter().map(|&a| split(a)).collect();
        let (marks, keys) = (&mut self.marks, &mut self.keys);
        let single = self.inputs == 1;
        let mut work = PlanWork {
            single,
            inputs: self.inputs,
            products: self.products,
            ..PlanWork::default()
        };
        keys.clear();
        for class in &self.of_inputs {
            let babies = marks.different(class.amounts.iter().map(|&a| parts[a].0));
            let rotated = babies.iter().filter(|&&baby| baby != 0).count();
            work.operands += class.count;
            work.babies += class.count * rotated;
            work.identities += class.count * (babies.len() - rotated);
            work.hoists += class.count * usize::from(rotated > 0);
            babies.iter().for_each(|&baby| keys.add(baby));
        }
        for class in &self.of_outputs {
            let mut steps = marks.different(class.amounts.iter().map(|&a| parts[a].1));
            let rotated = steps.iter().filter(|&&step| step != 0).count();
            work.results += class.count;
            work.steps += class.count * steps.len();
            // As many key switches as steps by other amounts than 0, in chains or alone.
            work.giants += class.count * rotated;
            if single {
                steps.sort_unstable();
                steps = GiantChains::new(&steps, class.period, self.input_period).rotations;
            }
            steps.iter().for_each(|&step| keys.add(step));
        }
        work.sums = work.steps;
        if !single {
            let of_pair = |class: &Class| {
                let steps = class.amounts.iter().map(|&a| parts[a].1);
                class.count * marks.different(steps).len()
            };
            work.sums = self.of_pairs.iter().map(of_pair).sum();
        }
        (work, keys.len())
    }
}

/// Diagonals by what `of` names them, those with the same period and amounts together.
fn classes(
    amounts: &[Amount],
    all: &[usize],
    of: &dyn Fn(&Amount) -> (usize, usize, usize),
) -> Vec<Class> {
    let mut sets: BTreeMap<(usize, usize, usize), Vec<usize>> = BTreeMap::new();
    for amount in amounts {
        let number = all.partition_point(|&a| a < amount.amount);
        sets.entry(of(amount)).or_default().push(number);
    }
    let mut counts: BTreeMap<(usize, Vec<usize>), usize> = BTreeMap::new();
    for ((_, _, period), set) in sets {
        *counts.entry((period, distinct(set))).or_default() += 1;
    }
    let class = |((period, amounts), count)| Class {
        count,
        period,
        amounts,
    };
    counts.into_iter().map(class).collect()
}

/// A set of numbers below a bound, emptied without a pass over it.
struct Marks {
    /// The round in which each number was added last.
    rounds: Vec<u64>,
    round: u64,
    len: usize,
}

impl Marks {
    fn new(bound: usize) -> Marks {
        Marks {
            rounds: vec![0; bound],
            round: 1,
            len: 0,
        }
    }

    fn clear(&mut self) {
        self.round += 1;
        self.len = 0;
    }

    /// Whether a number was not in the set yet.
    fn insert(&mut self, value: usize) -> bool {
        let new = self.rounds[value] != self.round;
        self.rounds[value] = self.round;
        self.len += usize::from(new);
        new
    }

    /// Adds a rotation, which takes no key if it is by 0.
    fn add(&mut self, rotation: usize) {
        if rotation != 0 {
            self.insert(rotation);
        }
    }

    fn len(&self) -> usize {
        self.len
    }

    /// Different numbers, in the order of their first occurrence.
    fn different(&mut self, values: impl Iterator<Item = usize>) -> Vec<usize> {
        self.clear();
        values.filter(|&value| self.insert(value)).collect()
    }
}
