//! Element-wise reference kernels.

use ckks_math::arith::{Modulus, Shoup};
use ckks_math::backend::Pointwise;

/// `out <- x op y`.
pub fn binary(m: Modulus, op: Pointwise, out: &mut [u64], x: &[u64], y: &[u64]) {
    out.copy_from_slice(x);
    binary_assign(m, op, out, y);
}

/// `x <- x op y`.
pub fn binary_assign(m: Modulus, op: Pointwise, x: &mut [u64], y: &[u64]) {
    let pairs = x.iter_mut().zip(y);
    match op {
        Pointwise::Add => pairs.for_each(|(x, &y)| *x = m.add(*x, y)),
        Pointwise::Sub => pairs.for_each(|(x, &y)| *x = m.sub(*x, y)),
        Pointwise::Mul => pairs.for_each(|(x, &y)| *x = m.mul(*x, y)),
    }
}

/// `acc <- acc + x y`.
pub fn multiply_accumulate(m: Modulus, acc: &mut [u64], x: &[u64], y: &[u64]) {
    for ((acc, &x), &y) in acc.iter_mut().zip(x).zip(y) {
        *acc = m.add(*acc, m.mul(x, y));
    }
}

/// `x <- c x`.
pub fn scale(m: Modulus, x: &mut [u64], c: Shoup) {
    for x in x {
        *x = m.mul_shoup(*x, c);
    }
}

/// `x <- x + c`.
pub fn offset(m: Modulus, x: &mut [u64], c: u64) {
    for x in x {
        *x = m.add(*x, c);
    }
}

/// `out <- (x - out) c`.
pub fn subtract_from_and_scale(m: Modulus, out: &mut [u64], x: &[u64], c: Shoup) {
    for (out, &x) in out.iter_mut().zip(x) {
        *out = m.mul_shoup(m.sub(x, *out), c);
    }
}
