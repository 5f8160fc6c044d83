//! Which rotation keys a set of plans needs, and how to do with fewer.
//!
//! A rotation of a ciphertext of period `p` may use the key of any amount that is the same
//! modulo `p`. [`KeySet::direct`] gives every rotation a key of its own, sharing keys between
//! periods. [`KeySet::limited`] gives keys to the amounts used most and composes the others from
//! several keys, each one more key switch.

use crate::error::{Error, Result};

/// A left rotation of a ciphertext of some period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rotation {
    /// The period, a power of two.
    pub period: usize,
    /// The amount, below the period.
    pub amount: usize,
    /// How often it is done.
    pub uses: usize,
}

impl Rotation {
    /// One use of a rotation; the amount is reduced modulo the period.
    pub const fn new(amount: usize, period: usize) -> Rotation {
        Rotation {
            period,
            amount: amount & (period - 1),
            uses: 1,
        }
    }

    /// [`Rotation::new`] for an amount of either sign, negative for a rotation to the right.
    pub const fn signed(amount: i64, period: usize) -> Rotation {
        Rotation::new(amount.rem_euclid(period as i64) as usize, period)
    }
}

/// The different rotations by non-zero amounts with their uses added up, by period and amount.
pub fn merge(rotations: impl IntoIterator<Item = Rotation>) -> Vec<Rotation> {
    let mut all: Vec<Rotation> = rotations.into_iter().filter(|r| r.amount != 0).collect();
    all.sort_unstable();
    let mut merged: Vec<Rotation> = Vec::new();
    for rotation in all {
        match merged.last_mut() {
            Some(last) if (last.period, last.amount) == (rotation.period, rotation.amount) => {
                last.uses += rotation.uses;
            }
            _ => merged.push(rotation),
        }
    }
    merged
}

/// The rotations merged, with periods no larger than the ciphertexts.
fn fit(rotations: &[Rotation], log_slots: u32) -> Vec<Rotation> {
    let reduce = |r: &Rotation| Rotation {
        uses: r.uses,
        ..Rotation::new(r.amount, r.period.min(1 << log_slots))
    };
    merge(rotations.iter().map(reduce))
}

/// The amounts that have a rotation key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySet {
    slots: usize,
    amounts: Vec<usize>,
    /// For each amount below `slots`: the number of keys that compose it and the last of them.
    reached: Vec<Option<(u32, usize)>>,
}

impl KeySet {
    /// One key for every rotation, in ciphertexts of `2^log_slots` slots.
    ///
    /// Amounts that agree modulo the smaller of their periods share a key.
    pub fn direct(rotations: &[Rotation], log_slots: u32) -> KeySet {
        let mut by_period = fit(rotations, log_slots);
        by_period.reverse();
        let mut amounts: Vec<usize> = Vec::new();
        for Rotation { period, amount, .. } in by_period {
            if !amounts.iter().any(|k| k & (period - 1) == amount) {
                amounts.push(amount);
            }
        }
        Self::of(amounts, log_slots)
    }

    /// At most `limit` keys that reach every rotation.
    ///
    /// The direct set if it is small enough. Otherwise the powers of two that compose every amount,
    /// and as long as the limit allows, the amounts that save most key switches.
    ///
    /// # Errors
    ///
    /// When the limit is below the number of powers of two.
    pub fn limited(rotations: &[Rotation], log_slots: u32, limit: usize) -> Result<KeySet> {
        let direct = Self::direct(rotations, log_slots);
        if direct.amounts.len() <= limit {
            return Ok(direct);
        }
        let rotations = fit(rotations, log_slots);
        let any = rotations.iter().fold(0, |bits, r| bits | r.amount);
        // Powers of two from the stride of all amounts up to their highest bit.
        let basis: Vec<usize> = (any.trailing_zeros()..=any.ilog2())
            .map(|bit| 1 << bit)
            .collect();
        if basis.len() > limit {
            return Err(Error::TooFewKeys {
                need: basis.len(),
                limit,
            });
        }
        let mut set = Self::of(basis, log_slots);
        while set.amounts.len() < limit {
            let saving = |r: &&Rotation| r.uses * (set.hops(r) - 1);
            let Some(next) = rotations
                .iter()
                .max_by_key(saving)
                .filter(|r| saving(r) > 0)
            else {
                break;
            };
            let amounts = set.amounts.iter().copied().chain([next.amount]).collect();
            set = Self::of(amounts, log_slots);
        }
        Ok(set)
    }

    /// The set of given amounts, with shortest compositions found by breadth-first search.
    fn of(mut amounts: Vec<usize>, log_slots: u32) -> KeySet {
        amounts.sort_unstable();
        let slots = 1usize << log_slots;
        let mut reached = vec![None; slots];
        reached[0] = Some((0, 0));
        let mut frontier = vec![0];
        let mut hops = 0;
        while !frontier.is_empty() {
            hops += 1;
            let mut next = Vec::new();
            for from in frontier {
                for &key in &amounts {
                    let to = (from + key) & (slots - 1);
                    if reached[to].is_none() {
                        reached[to] = Some((hops, key));
                        next.push(to);
                    }
                }
            }
            frontier = next;
        }
        KeySet {
            slots,
            amounts,
            reached,
        }
    }

    /// The amounts to make keys for, ascending, none of them zero.
    pub fn amounts(&self) -> &[usize] {
        &self.amounts
    }

    /// The shortest list of keys whose amounts add up to a rotation; empty for amount 0.
    ///
    /// None when the keys do not reach it.
    pub fn chain(&self, rotation: Rotation) -> Option<Vec<usize>> {
        let period = rotation.period.min(self.slots);
        let copies = (rotation.amount & (period - 1)..self.slots).step_by(period);
        let (_, mut at) = copies.filter_map(|k| Some((self.reached[k]?.0, k))).min()?;
        let mut keys = Vec::new();
        while at != 0 {
            let (_, key) = self.reached[at]?;
            keys.push(key);
            at = (at + self.slots - key) & (self.slots - 1);
        }
        Some(keys)
    }

    /// Number of key switches of a rotation that the basis is known to reach.
    fn hops(&self, rotation: &Rotation) -> usize {
        self.chain(*rotation)
            .expect("powers of two compose every amount")
            .len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uses(amount: usize, period: usize, uses: usize) -> Rotation {
        Rotation {
            uses,
            ..Rotation::new(amount, period)
        }
    }

    #[test]
    fn merging_adds_uses_and_drops_zero() {
        let list = [
            Rotation::new(3, 8),
            Rotation::new(11, 8),
            Rotation::new(8, 8),
        ];
        assert_eq!(merge(list), [uses(3, 8, 2)]);
        assert_eq!(Rotation::signed(-1, 8), Rotation::new(7, 8));
    }

    #[test]
    fn periods_share_keys() {
        let list = [
            Rotation::new(7, 8),
            Rotation::signed(-1, 64),
            Rotation::new(5, 8),
        ];
        let set = KeySet::direct(&list, 6);
        assert_eq!(set.amounts(), [5, 63]);
        assert_eq!(set.chain(list[0]), Some(vec![63]));
        assert_eq!(set.chain(Rotation::new(0, 8)), Some(vec![]));
    }

    #[test]
    fn limited_sets_reach_every_rotation_with_fewer_keys() {
        let list: Vec<Rotation> = (0..1024)
            .step_by(16)
            .map(|k| uses(k, 1024, k % 7 + 1))
            .collect();
        let cost = |set: &KeySet| -> usize {
            let hops = |r: &Rotation| {
                let chain = set.chain(*r).expect("reachable");
                assert_eq!(chain.iter().sum::<usize>() % r.period, r.amount);
                assert!(chain.iter().all(|k| set.amounts().contains(k)));
                chain.len() * r.uses
            };
            list.iter().map(hops).sum()
        };
        let direct = KeySet::direct(&list, 12);
        assert_eq!(
            (direct.amounts().len(), KeySet::limited(&list, 12, 63)),
            (63, Ok(direct))
        );
        let mut last = usize::MAX;
        for limit in [6, 8, 12, 24, 48] {
            let set = KeySet::limited(&list, 12, limit).expect("six powers of two suffice");
            assert!(set.amounts().len() <= limit);
            assert!(cost(&set) < last);
            last = cost(&set);
        }
        let refused = KeySet::limited(&list, 12, 5);
        assert_eq!(refused, Err(Error::TooFewKeys { need: 6, limit: 5 }));
    }

    #[test]
    fn unreachable_rotations_have_no_chain() {
        let set = KeySet::direct(&[Rotation::new(4, 64)], 6);
        assert_eq!(set.chain(Rotation::new(2, 64)), None);
    }
}
