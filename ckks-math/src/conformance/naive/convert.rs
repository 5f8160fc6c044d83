//! The base conversion of the naive backend, by the formula of
//! [`crate::backend::RingKernels::base_convert`].

use super::{Block, Fault, Naive};
use crate::arith::Modulus;
use crate::backend::{Basis, RingSpec};

/// The product of all moduli but number `skip`, modulo `m`.
fn cofactor(source: &[Modulus], skip: Option<usize>, m: Modulus) -> u64 {
    let others = source.iter().enumerate().filter(|(k, _)| Some(*k) != skip);
    others.fold(1, |c, (_, d)| m.mul(c, m.reduce(d.value())))
}

impl Naive {
    /// The rows of `x` over another basis.
    pub fn converted(&self, t: &RingSpec, x: &Block, to: Basis) -> Block {
        let source: Vec<Modulus> = t.moduli(x.shape.basis).collect();
        let inverse = |i: usize| source[i].inv(cofactor(&source, Some(i), source[i]));
        let inverses: Vec<u64> = (0..source.len()).map(inverse).collect();
        let digits = self.fill(t, x.shape.rows, x.shape.basis, |row, limb, m, j| {
            m.mul(x.at(row, limb, j), inverses[limb])
        });
        let held: Vec<usize> = x.shape.basis.prime_indices(t.q().len()).collect();
        let targets: Vec<usize> = to.prime_indices(t.q().len()).collect();
        let quotients: Vec<u64> = (0..x.shape.rows * t.degree())
            .map(|i| self.quotient(&source, &digits, i / t.degree(), i % t.degree()))
            .collect();
        // For each target the D/d_i, then D.
        let weights = |m| {
            let cofactors = (0..source.len()).map(|i| cofactor(&source, Some(i), m));
            cofactors.chain([cofactor(&source, None, m)]).collect()
        };
        let weights: Vec<Vec<u64>> = t.moduli(to).map(weights).collect();
        self.fill(t, x.shape.rows, to, |row, limb, m, j| {
            if let Some(own) = held.iter().position(|&p| p == targets[limb]) {
                let zero = self.has(Fault::CommonLimbsZeroed);
                return if zero { 0 } else { x.at(row, own, j) };
            }
            let weights = &weights[limb];
            let sum = (0..source.len()).fold(0, |sum, i| {
                let y = m.reduce(digits.at(row, i, j));
                m.add(sum, m.mul(y, weights[i]))
            });
            let quotient = m.reduce(quotients[row * t.degree() + j]);
            m.sub(sum, m.mul(quotient, weights[source.len()]))
        })
    }

    /// The quotient `v` of one coefficient.
    fn quotient(&self, source: &[Modulus], digits: &Block, row: usize, j: usize) -> u64 {
        if self.has(Fault::QuotientInFloat) {
            let terms = source.iter().enumerate();
            let sum: f64 = terms
                .map(|(i, d)| digits.at(row, i, j) as f64 / d.value() as f64)
                .sum();
            return sum.round() as u64;
        }
        let term = |(i, d): (usize, &Modulus)| {
            let (y, bits) = (digits.at(row, i, j), d.bits());
            let z = match bits {
                31.. => y >> (bits - 30),
                _ => y << (30 - bits),
            };
            (z * ((1_u128 << (30 + bits)) / u128::from(d.value())) as u64) >> 32
        };
        let sum: u64 = source.iter().enumerate().map(term).sum();
        let half = match self.has(Fault::QuotientFloors) {
            true => 0,
            false => 1 << 27,
        };
        (sum + half) >> 28
    }
}
