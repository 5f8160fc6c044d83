//! Non-negative integers of any length, as far as the laws of meaning need them.

use super::{inverse, mul};
use std::cmp::Ordering;

/// A non-negative integer, words from low to high without zeros at the top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Big(Vec<u64>);

impl Big {
    /// A word.
    pub fn new(x: u64) -> Self {
        Self(vec![x]).trimmed()
    }

    /// The product of some words.
    pub fn product(factors: impl IntoIterator<Item = u64>) -> Self {
        factors.into_iter().fold(Self::new(1), |x, f| x.times(f))
    }

    fn trimmed(mut self) -> Self {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
        self
    }

    /// `self * y`.
    pub fn times(&self, y: u64) -> Self {
        let mut carry = 0_u128;
        let mut words = Vec::with_capacity(self.0.len() + 1);
        for &x in &self.0 {
            carry += u128::from(x) * u128::from(y);
            words.push(carry as u64);
            carry >>= 64;
        }
        words.push(carry as u64);
        Self(words).trimmed()
    }

    /// `self + y`.
    pub fn plus(&self, y: &Self) -> Self {
        let mut carry = 0_u128;
        let mut words = Vec::new();
        for i in 0..self.0.len().max(y.0.len()) + 1 {
            let word = |x: &Self| u128::from(x.0.get(i).copied().unwrap_or(0));
            carry += word(self) + word(y);
            words.push(carry as u64);
            carry >>= 64;
        }
        Self(words).trimmed()
    }

    /// `|self - y|`.
    pub fn distance(&self, y: &Self) -> Self {
        let (large, small) = if self.compare(y) == Ordering::Less {
            (y, self)
        } else {
            (self, y)
        };
        let mut borrow = false;
        let words = large.0.iter().enumerate().map(|(i, &x)| {
            let (a, under_a) = x.overflowing_sub(small.0.get(i).copied().unwrap_or(0));
            let (b, under_b) = a.overflowing_sub(u64::from(borrow));
            borrow = under_a || under_b;
            b
        });
        Self(words.collect()).trimmed()
    }

    /// Which is larger.
    pub fn compare(&self, y: &Self) -> Ordering {
        let by_length = self.0.len().cmp(&y.0.len());
        by_length.then_with(|| self.0.iter().rev().cmp(y.0.iter().rev()))
    }

    /// `self mod q`.
    pub fn modulo(&self, q: u64) -> u64 {
        let step =
            |r: u64, &x: &u64| (((u128::from(r) << 64) | u128::from(x)) % u128::from(q)) as u64;
        self.0.iter().rev().fold(0, step)
    }

    /// The nearest double, for bounds.
    pub fn to_f64(&self) -> f64 {
        let step = |sum: f64, &x: &u64| sum * 2.0_f64.powi(64) + x as f64;
        self.0.iter().rev().fold(0.0, step)
    }
}

/// The integer of least absolute value with given residues modulo distinct primes.
#[derive(Clone, Debug)]
pub struct CentredLift {
    /// The integer in `[0, D)`.
    value: Big,
    /// The product `D` of the primes.
    modulus: Big,
    /// Number of primes.
    primes: u64,
}

impl CentredLift {
    /// Lifts residues by the Chinese remainder theorem.
    pub fn new(residues: &[u64], moduli: &[u64]) -> Self {
        let modulus = Big::product(moduli.iter().copied());
        let mut value = Big::new(0);
        for (&x, &d) in residues.iter().zip(moduli) {
            let rest = Big::product(moduli.iter().copied().filter(|&m| m != d));
            value = value.plus(&rest.times(mul(x, inverse(rest.modulo(d), d), d)));
        }
        while value.compare(&modulus) != Ordering::Less {
            value = value.distance(&modulus);
        }
        Self {
            value,
            modulus,
            primes: moduli.len() as u64,
        }
    }

    /// Whether `residue` modulo `q` is that of an integer congruent to the residues and inside
    /// `[-D/2 - e, D/2 + e]` with `e = D k 2^-27` for `k` primes: the centred one, or, within `e`
    /// of the end of the range, its neighbour.
    ///
    /// `above` says on which side a number near the end was put; the same for all `q`.
    pub fn admits(&self, residue: u64, q: u64, above: bool) -> bool {
        let r = self.value.modulo(q);
        let below = super::sub(r, self.modulus.modulo(q), q);
        residue == (if above { r } else { below }) && self.side_admitted(above)
    }

    /// Whether the number may be represented as `value` (`above`) or `value - D`.
    fn side_admitted(&self, above: bool) -> bool {
        let twice = self.value.times(2);
        let natural_above = twice.compare(&self.modulus) != Ordering::Greater;
        // |2 value - D| <= 2 e = D k 2^-26.
        let near = twice
            .distance(&self.modulus)
            .times(1 << 26)
            .compare(&self.modulus.times(self.primes))
            != Ordering::Greater;
        natural_above == above || near
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn big_arithmetic_agrees_with_128_bits() {
        let x = u128::from(u64::MAX) * 12_345_678_901_234_567;
        let big = Big::product([u64::MAX, 12_345_678_901_234_567]);
        for q in [3, 65537, (1 << 61) - 1] {
            assert_eq!(u128::from(big.modulo(q)), x % u128::from(q));
        }
        let sum = big.plus(&big);
        assert_eq!(sum, big.times(2));
        assert_eq!(sum.distance(&big), big);
        assert_eq!(big.distance(&sum), big);
        assert_eq!(big.compare(&sum), Ordering::Less);
        assert!((big.to_f64() / x as f64 - 1.0).abs() < 1e-15);
    }

    /// Small signed numbers come back from their residues; a number off by `D` does not pass.
    #[test]
    fn lifts_are_centred() {
        let moduli = [257, 65537];
        for x in [-5_000_000_i64, -3, 0, 1, 8_000_000] {
            let residues = moduli.map(|m| super::super::signed(x, m));
            let lift = CentredLift::new(&residues, &moduli);
            let r = super::super::signed(x, 12289);
            assert!(lift.admits(r, 12289, x >= 0));
            assert!(!lift.admits(r, 12289, x < 0));
            let off = super::super::signed(x + 257 * 65537, 12289);
            assert!(!lift.admits(off, 12289, true) && !lift.admits(off, 12289, false));
        }
    }
}
