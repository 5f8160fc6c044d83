//! The rounding formula of base conversion, in 128-bit integers.

use super::{HostBlock, add, inverse, mul, sub};
use crate::backend::{Basis, RingSpec};

/// [`crate::backend::RingKernels::base_convert`] by its formula.
pub fn base_convert(ring: &RingSpec, x: &HostBlock, to: Basis) -> HostBlock {
    let source: Vec<usize> = x.primes().to_vec();
    let moduli: Vec<u64> = source.iter().map(|&i| ring.prime(i).value()).collect();
    // D/d_i modulo any prime.
    let cofactor = |i: usize, modulus: u64| {
        let others = moduli.iter().enumerate().filter(|(k, _)| *k != i);
        others.fold(1 % modulus, |product, (_, &d)| {
            mul(product, d % modulus, modulus)
        })
    };
    let inverses: Vec<u64> = (0..moduli.len())
        .map(|i| inverse(cofactor(i, moduli[i]), moduli[i]))
        .collect();
    HostBlock::build_limbs(ring, x.shape().rows, to, |row, target| {
        if source.contains(&target) {
            return x.limb(row, target).to_vec();
        }
        let t = ring.prime(target).value();
        let cofactors: Vec<u64> = (0..moduli.len()).map(|i| cofactor(i, t)).collect();
        let product = moduli.iter().fold(1, |d, &m| mul(d, m % t, t));
        (0..ring.degree())
            .map(|j| {
                let mut sum = 0;
                let mut fraction = 1_u128 << 27;
                for (i, &d) in moduli.iter().enumerate() {
                    let y = mul(x.limb(row, source[i])[j], inverses[i], d);
                    sum = add(sum, mul(y % t, cofactors[i], t), t);
                    fraction += fixed_point(y, d);
                }
                let quotient = (fraction >> 28) as u64;
                sub(sum, mul(quotient % t, product, t), t)
            })
            .collect()
    })
}

/// `y / d` in units of `2^-28`, rounded as the formula rounds.
fn fixed_point(y: u64, d: u64) -> u128 {
    let bits = 64 - d.leading_zeros();
    let z = if bits >= 30 {
        u128::from(y) >> (bits - 30)
    } else {
        u128::from(y) << (30 - bits)
    };
    let reciprocal = (1_u128 << (30 + bits)) / u128::from(d);
    (z * reciprocal) >> 32
}
