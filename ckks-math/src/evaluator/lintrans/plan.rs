//! Baby and giant steps of a matrix, and the order in which giant steps are taken.

use crate::encoding::Complex64;
use std::collections::{BTreeMap, BTreeSet};

/// `out = sum_g rot_g( sum_b d_{g,b} * rot_b(in) )`, rotations to the left.
///
/// `d_{g,b}` is the diagonal of amount `g + b` rotated right by `g`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LinearTransformPlan {
    /// Length of the diagonals: slots of the operand and the result.
    pub slots: usize,
    /// Giant rotations, each with its baby rotations and their diagonals.
    pub giants: Vec<(usize, BabyTerms<Vec<Complex64>>)>,
}

/// Baby rotations with their diagonals.
pub type BabyTerms<D> = Vec<(usize, D)>;

/// The rotations of a transform without its diagonals: what is known before any value is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinearTransformSteps {
    /// Slots of the operand and the result.
    pub slots: usize,
    /// A period that all diagonals have: a power of two, at most `slots`.
    pub period: usize,
    /// Giant rotations, each with the baby rotations that have a diagonal.
    pub giants: Vec<(usize, Vec<usize>)>,
}

impl LinearTransformSteps {
    /// The number of diagonals.
    pub fn len(&self) -> usize {
        self.giants.iter().map(|(_, babies)| babies.len()).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl LinearTransformPlan {
    /// Splits diagonals into baby and giant steps: amounts `k = g + b` with `b` below
    /// `babies * stride`, `stride` the largest power of two that divides all amounts.
    pub fn from_diagonals(
        slots: usize,
        diagonals: &BTreeMap<usize, Vec<Complex64>>,
        babies: usize,
    ) -> Self {
        let stride = diagonals
            .keys()
            .filter(|&&k| k > 0)
            .map(|k| 1 << k.trailing_zeros())
            .min()
            .unwrap_or(1);
        let window = (babies * stride).min(slots);
        let mut giants = BTreeMap::<usize, Vec<(usize, Vec<Complex64>)>>::new();
        for (&k, diagonal) in diagonals {
            let (giant, baby) = (k - k % window, k % window);
            let mut permuted = diagonal.clone();
            permuted.rotate_right(giant % slots);
            giants.entry(giant).or_default().push((baby, permuted));
        }
        Self {
            slots,
            giants: giants.into_iter().collect(),
        }
    }

    /// The number of diagonals.
    pub fn len(&self) -> usize {
        self.giants.iter().map(|(_, terms)| terms.len()).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rotations that need a key, for an operand of [`LinearTransformPlan::slots`] slots.
    pub fn rotations(&self) -> BTreeSet<usize> {
        let babies = self.giants.iter().flat_map(|(_, terms)| terms);
        let giants: Vec<usize> = self.giants.iter().map(|(giant, _)| *giant).collect();
        let steps = chains(&giants, self.slots, true);
        babies
            .map(|(baby, _)| *baby)
            .chain(steps.iter().map(|chain| chain.step))
            .filter(|amount| !amount.is_multiple_of(self.slots))
            .collect()
    }

    /// The rotations, with the shortest period that all diagonals have.
    pub fn steps(&self) -> LinearTransformSteps {
        let babies = |terms: &BabyTerms<_>| terms.iter().map(|(baby, _)| *baby).collect();
        let giants = self.giants.iter();
        LinearTransformSteps {
            slots: self.slots,
            period: self.period(),
            giants: giants
                .map(|(giant, terms)| (*giant, babies(terms)))
                .collect(),
        }
    }

    /// The shortest period, a power of two, that all diagonals have.
    pub(super) fn period(&self) -> usize {
        let values = self.giants.iter().flat_map(|(_, terms)| terms);
        values.map(|(_, v)| period(v)).max().unwrap_or(1)
    }
}

/// The shortest period of a vector of a power-of-two length.
fn period(values: &[Complex64]) -> usize {
    let mut period = values.len();
    while period > 1 && values[..period / 2] == values[period / 2..period] {
        period /= 2;
    }
    period
}

/// Giant steps that are multiples of one rotation, summed by Horner's rule: one switching key for
/// all of them, and one switch for each multiple up to the largest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    /// The rotation of each step.
    pub step: usize,
    /// The giants at the multiples of `step`, the largest first, down to `step` itself; `None`
    /// where there is none.
    pub giants: Vec<Option<usize>>,
}

/// The giants but those at 0, in chains: with the fewest switches, and among those ways with the
/// fewest keys.
///
/// With `cyclic`, the operand repeats with the period `slots`, and amounts beyond half of it may
/// be taken as rotations to the right.
pub(super) fn chains(giants: &[usize], slots: usize, cyclic: bool) -> Vec<Chain> {
    let permuted: Vec<usize> = (0..giants.len())
        .filter(|&i| !giants[i].is_multiple_of(slots))
        .collect();
    let amount = |i: usize| giants[i];
    let alone = permuted
        .iter()
        .map(|&i| Chain {
            step: amount(i),
            giants: vec![Some(i)],
        })
        .collect();
    let mut schedules: Vec<Vec<Chain>> = vec![alone];
    schedules.push(chain(&permuted, amount, |step| step).into_iter().collect());
    if cyclic {
        let (left, right): (Vec<_>, Vec<_>) = permuted
            .iter()
            .copied()
            .partition(|&i| giants[i] % slots <= slots / 2);
        let left = chain(&left, |i| giants[i] % slots, |step| step);
        let right = chain(&right, |i| slots - giants[i] % slots, |step| slots - step);
        schedules.push(left.into_iter().chain(right).collect());
    }
    let covered = |schedule: &Vec<Chain>| {
        schedule
            .iter()
            .flat_map(|c| c.giants.iter().flatten())
            .count()
    };
    schedules.retain(|schedule| covered(schedule) == permuted.len());
    schedules
        .into_iter()
        .min_by_key(|schedule| {
            (
                schedule.iter().map(|c| c.giants.len()).sum::<usize>(),
                schedule.len(),
            )
        })
        .unwrap_or_default()
}

/// The key switches that giant steps take, as the evaluator runs them: see
/// [`crate::evaluator::Evaluator::linear_transform`].
///
/// There are as many as there are different giant steps but 0. Chains save keys, never switches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GiantChains {
    /// The rotation of each key switch; in a chain all are the same.
    pub rotations: Vec<usize>,
}

impl GiantChains {
    /// The chains for giant steps by different amounts below `slots`, the slots of the transform,
    /// where the operand has `operand_slots`.
    pub fn new(giants: &[usize], slots: usize, operand_slots: usize) -> Self {
        let chains = chains(giants, slots, operand_slots <= slots);
        let rotations = |chain: &Chain| vec![chain.step; chain.giants.len()];
        Self {
            rotations: chains.iter().flat_map(rotations).collect(),
        }
    }

    /// The number of key switches.
    pub fn switches(&self) -> usize {
        self.rotations.len()
    }
}

/// All giants in one chain of multiples of their greatest common divisor, unless it has gaps.
fn chain(
    giants: &[usize],
    amount: impl Fn(usize) -> usize,
    rotation: impl Fn(usize) -> usize,
) -> Option<Chain> {
    let step = giants.iter().fold(0, |g, &i| gcd(g, amount(i)));
    let last = giants.iter().map(|&i| amount(i)).max()?;
    // Each gap would cost a switch for nothing: giants alone take fewer.
    if last / step > giants.len() {
        return None;
    }
    // In reverse, so that the first of equal giants stays.
    let mut multiples = vec![None; last / step];
    for &i in giants.iter().rev() {
        multiples[last / step - amount(i) / step] = Some(i);
    }
    Some(Chain {
        step: rotation(step),
        giants: multiples,
    })
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn steps(giants: &[usize], slots: usize, cyclic: bool) -> Vec<(usize, usize)> {
        let chains = chains(giants, slots, cyclic);
        chains.iter().map(|c| (c.step, c.giants.len())).collect()
    }

    #[test]
    fn giants_are_chained_where_that_takes_no_more_switches() {
        assert_eq!(steps(&[0, 8, 16, 24], 32, true), [(8, 3)]);
        // Both signs: two chains, each with its key.
        let both = [0, 4, 8, 52, 56, 60];
        assert_eq!(steps(&both, 64, true), [(4, 2), (60, 3)]);
        // Rotations to the right are those to the left only for an operand of that period.
        assert_eq!(steps(&both, 64, false).len(), 5);
        // A gap costs a switch: each alone.
        assert_eq!(steps(&[0, 4, 12], 64, true), [(4, 1), (12, 1)]);
        assert_eq!(steps(&[0, 64], 64, true), []);
        assert_eq!(steps(&[3, 3], 64, true), [(3, 1), (3, 1)]);
    }

    proptest! {
        /// Chains sum the same rotations as giant steps alone, in as many key switches.
        #[test]
        fn chains_are_no_longer_than_their_giants(
            giants in proptest::collection::btree_set(0..64_usize, 0..20),
            stride in 0..3_u32,
            cyclic: bool,
        ) {
            let (giants, slots) = (Vec::from_iter(giants), 64 << stride);
            let giants: Vec<usize> = giants.iter().map(|giant| giant << stride).collect();
            let others = giants.iter().filter(|&&giant| giant != 0).count();
            let operand = if cyclic { slots } else { 2 * slots };
            let found = GiantChains::new(&giants, slots, operand);
            prop_assert_eq!(found.switches(), others);
            let mut summed = BTreeSet::new();
            for chain in chains(&giants, slots, cyclic) {
                for (i, giant) in chain.giants.iter().rev().enumerate() {
                    let giant = giants[giant.expect("a switch for nothing")];
                    prop_assert_eq!((chain.step * (i + 1)) % slots, giant);
                    summed.insert(giant);
                }
            }
            prop_assert_eq!(summed.len(), others);
        }
    }

    #[test]
    fn a_chain_starts_with_the_farthest() {
        let giants = [0, 60, 4, 56, 8];
        let found = chains(&giants, 64, true);
        assert_eq!(found[0].giants, [Some(4), Some(2)]);
        assert_eq!(found[1].giants, [Some(3), Some(1)]);
    }

    #[test]
    fn periods_are_the_shortest() {
        let values = |v: &[f64]| v.iter().map(|&x| Complex64::from(x)).collect::<Vec<_>>();
        assert_eq!(period(&values(&[1.0, 2.0, 1.0, 2.0])), 2);
        assert_eq!(period(&values(&[1.0, 2.0, 1.0, 3.0])), 4);
        assert_eq!(period(&values(&[5.0; 8])), 1);
    }
}
