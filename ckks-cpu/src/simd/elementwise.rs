//! Element-wise kernels.

use super::arith::{Narrow, Q, V, add_high, add_low, load, splat, store};
use ckks_math::backend::Pointwise;
use std::arch::x86_64::_mm512_setzero_si512;

/// `x <- f(x)`, each eight words.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
fn map(x: &mut [u64], f: impl Fn(V) -> V) {
    for x in x.as_chunks_mut::<8>().0 {
        store(x, f(load(x)));
    }
}

/// `x <- f(x, y)`.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
fn zip(x: &mut [u64], y: &[u64], f: impl Fn(V, V) -> V) {
    for (x, y) in x
        .as_chunks_mut::<8>()
        .0
        .iter_mut()
        .zip(y.as_chunks::<8>().0)
    {
        store(x, f(load(x), load(y)));
    }
}

/// `out <- f(x, y)`.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
fn zip_into(out: &mut [u64], x: &[u64], y: &[u64], f: impl Fn(V, V) -> V) {
    let pairs = x.as_chunks::<8>().0.iter().zip(y.as_chunks::<8>().0);
    for (out, (x, y)) in out.as_chunks_mut::<8>().0.iter_mut().zip(pairs) {
        store(out, f(load(x), load(y)));
    }
}

#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn binary(n: &Narrow, op: Pointwise, out: &mut [u64], x: &[u64], y: &[u64]) {
    let q = Q::new(n);
    match op {
        Pointwise::Add => zip_into(out, x, y, |x, y| q.add(x, y)),
        Pointwise::Sub => zip_into(out, x, y, |x, y| q.sub(x, y)),
        Pointwise::Mul => zip_into(out, x, y, |x, y| q.product(x, y)),
    }
}

#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn binary_assign(n: &Narrow, op: Pointwise, x: &mut [u64], y: &[u64]) {
    let q = Q::new(n);
    match op {
        Pointwise::Add => zip(x, y, |x, y| q.add(x, y)),
        Pointwise::Sub => zip(x, y, |x, y| q.sub(x, y)),
        Pointwise::Mul => zip(x, y, |x, y| q.product(x, y)),
    }
}

#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn multiply_accumulate(n: &Narrow, acc: &mut [u64], x: &[u64], y: &[u64]) {
    let q = Q::new(n);
    let zero = _mm512_setzero_si512();
    let pairs = x.as_chunks::<8>().0.iter().zip(y.as_chunks::<8>().0);
    for (acc, (x, y)) in acc.as_chunks_mut::<8>().0.iter_mut().zip(pairs) {
        let (x, y) = (load(x), load(y));
        store(
            acc,
            q.reduce(add_high(zero, x, y), add_low(load(acc), x, y)),
        );
    }
}

#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn scale(n: &Narrow, x: &mut [u64], c: [u64; 2]) {
    let (q, c) = (Q::new(n), [splat(c[0]), splat(c[1])]);
    map(x, |x| q.mul(x, c));
}

/// `out <- c x`.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn scale_into(n: &Narrow, out: &mut [u64], x: &[u64], c: [u64; 2]) {
    let (q, c) = (Q::new(n), [splat(c[0]), splat(c[1])]);
    zip(out, x, |_, x| q.mul(x, c));
}

#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn offset(n: &Narrow, x: &mut [u64], c: u64) {
    let (q, c) = (Q::new(n), splat(c));
    map(x, |x| q.add(x, c));
}

/// `out <- (x - out) c`.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn subtract_from_and_scale(n: &Narrow, out: &mut [u64], x: &[u64], c: [u64; 2]) {
    let (q, c) = (Q::new(n), [splat(c[0]), splat(c[1])]);
    zip(out, x, |out, x| q.mul(q.sub(x, out), c));
}
