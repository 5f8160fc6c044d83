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
        *acc = m.reduce_u128(u128::from(x) * u128::from(y) + u128::from(*acc));
    }
}

/// `outs <- x0 y0, x0 y1 + x1 y0, x1 y1`.
pub fn tensor(m: Modulus, [a, b, c]: [&mut [u64]; 3], x: [&[u64]; 2], y: [&[u64]; 2]) {
    let outs = a.iter_mut().zip(b).zip(c);
    let words = x[0].iter().zip(x[1]).zip(y[0].iter().zip(y[1]));
    for (((a, b), c), ((&x0, &x1), (&y0, &y1))) in outs.zip(words) {
        let product = |x: u64, y: u64| u128::from(x) * u128::from(y);
        *a = m.mul(x0, y0);
        *b = m.reduce_u128(product(x0, y1) + product(x1, y0));
        *c = m.mul(x1, y1);
    }
}

/// `x <- c x`.
pub fn scale(m: Modulus, x: &mut [u64], c: Shoup) {
    for x in x {
        *x = m.mul_shoup(*x, c);
    }
}

/// `out <- out + c x`.
pub fn add_scaled(m: Modulus, out: &mut [u64], x: &[u64], c: Shoup) {
    for (out, &x) in out.iter_mut().zip(x) {
        *out = m.add(*out, m.mul_shoup(x, c));
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

/// The residues of signed integers of absolute value at most `bound`.
pub fn integers(m: Modulus, out: &mut [u64], x: &[i64], bound: u64) {
    let pairs = out.iter_mut().zip(x);
    if bound < m.value() {
        pairs.for_each(|(out, &x)| *out = (x + ((x >> 63) & m.value() as i64)) as u64);
    } else {
        pairs.for_each(|(out, &x)| *out = m.reduce_i64(x));
    }
}

/// Each of the first `values` words fills its run: that many runs are all of `x`.
pub fn spread(x: &mut [u64], values: usize) {
    match x.len() / values {
        1 => {}
        // Short copies are unrolled when their length is known.
        2 => runs(2, x, values),
        4 => runs(4, x, values),
        8 => runs(8, x, values),
        run => runs(run, x, values),
    }
}

#[inline(always)]
fn runs(run: usize, x: &mut [u64], values: usize) {
    // From the last, so that no value is overwritten before it is read.
    for i in (0..values).rev() {
        let value = x[i];
        x[i * run..(i + 1) * run].fill(value);
    }
}
