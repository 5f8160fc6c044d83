//! Element-wise arithmetic and matrix products, by definition.

use super::{HostBlock, add, mul, signed, sub};
use crate::backend::{Basis, Pointwise, RingSpec};
use std::ops::Range;

/// `x op y`, row `i` of `x` with row `i mod y.rows` of `y`.
pub fn pointwise(ring: &RingSpec, op: Pointwise, x: &HostBlock, y: &HostBlock) -> HostBlock {
    let operation = match op {
        Pointwise::Add => add,
        Pointwise::Sub => sub,
        Pointwise::Mul => mul,
    };
    let (shape, y_rows) = (x.shape(), y.shape().rows);
    HostBlock::build(ring, shape.rows, shape.basis, |row, prime, j| {
        let q = ring.prime(prime).value();
        operation(x.limb(row, prime)[j], y.limb(row % y_rows, prime)[j], q)
    })
}

/// `acc + x * y`, rows as in [`pointwise`].
pub fn multiply_accumulate(
    ring: &RingSpec,
    acc: &HostBlock,
    x: &HostBlock,
    y: &HostBlock,
) -> HostBlock {
    let (shape, y_rows) = (acc.shape(), y.shape().rows);
    HostBlock::build(ring, shape.rows, shape.basis, |row, prime, j| {
        let q = ring.prime(prime).value();
        let product = mul(x.limb(row, prime)[j], y.limb(row % y_rows, prime)[j], q);
        add(acc.limb(row, prime)[j], product, q)
    })
}

/// Limb `i` times `constants[i]`.
pub fn scale_limbs(ring: &RingSpec, x: &HostBlock, constants: &[u64]) -> HostBlock {
    combine(ring, x.shape().basis, &[x], &[constants.to_vec()])
}

/// `constants[i]` added to limb `i` of some rows.
pub fn offset_limbs(
    ring: &RingSpec,
    x: &HostBlock,
    rows: &Range<usize>,
    constants: &[u64],
) -> HostBlock {
    let shape = x.shape();
    HostBlock::build(ring, shape.rows, shape.basis, |row, prime, j| {
        let residue = x.limb(row, prime)[j];
        if !rows.contains(&row) {
            return residue;
        }
        let limb = x.primes().iter().position(|&p| p == prime);
        let constant = limb.map_or(0, |limb| constants[limb]);
        add(residue, constant, ring.prime(prime).value())
    })
}

/// `sum_k constants[k] * xs[k]` over `basis`.
pub fn combine(
    ring: &RingSpec,
    basis: Basis,
    xs: &[&HostBlock],
    constants: &[Vec<u64>],
) -> HostBlock {
    let rows = xs.first().map_or(0, |x| x.shape().rows);
    let primes: Vec<usize> = basis.prime_indices(ring.q().len()).collect();
    HostBlock::build(ring, rows, basis, |row, prime, j| {
        let q = ring.prime(prime).value();
        let limb = primes.iter().position(|&p| p == prime).unwrap_or_default();
        xs.iter().zip(constants).fold(0, |sum, (x, c)| {
            add(sum, mul(x.limb(row, prime)[j], c[limb], q), q)
        })
    })
}

/// `out row i = sum_j entries[i * inputs + j] * x row j`.
pub fn gemm(ring: &RingSpec, outputs: usize, entries: &[i64], x: &HostBlock) -> HostBlock {
    let inputs = x.shape().rows;
    HostBlock::build(ring, outputs, x.shape().basis, |row, prime, j| {
        let q = ring.prime(prime).value();
        (0..inputs).fold(0, |sum, i| {
            let entry = signed(entries[row * inputs + i], q);
            add(sum, mul(entry, x.limb(i, prime)[j], q), q)
        })
    })
}
