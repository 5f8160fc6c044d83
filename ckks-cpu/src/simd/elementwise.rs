//! Element-wise kernels.

use super::arith::{Constants, Q, V, load, shoup_pair, splat, store};
use ckks_math::arith::Shoup;
use ckks_math::backend::Pointwise;
use std::arch::x86_64::*;

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
pub fn binary<const WIDE: bool>(
    n: &Constants,
    op: Pointwise,
    out: &mut [u64],
    x: &[u64],
    y: &[u64],
) {
    let q = Q::<WIDE>::new(n);
    match op {
        Pointwise::Add => zip_into(out, x, y, |x, y| q.add(x, y)),
        Pointwise::Sub => zip_into(out, x, y, |x, y| q.sub(x, y)),
        Pointwise::Mul => zip_into(out, x, y, |x, y| q.product(x, y)),
    }
}

#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn binary_assign<const WIDE: bool>(n: &Constants, op: Pointwise, x: &mut [u64], y: &[u64]) {
    let q = Q::<WIDE>::new(n);
    match op {
        Pointwise::Add => zip(x, y, |x, y| q.add(x, y)),
        Pointwise::Sub => zip(x, y, |x, y| q.sub(x, y)),
        Pointwise::Mul => zip(x, y, |x, y| q.product(x, y)),
    }
}

#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn multiply_accumulate<const WIDE: bool>(n: &Constants, acc: &mut [u64], x: &[u64], y: &[u64]) {
    let q = Q::<WIDE>::new(n);
    let pairs = x.as_chunks::<8>().0.iter().zip(y.as_chunks::<8>().0);
    for (acc, (x, y)) in acc.as_chunks_mut::<8>().0.iter_mut().zip(pairs) {
        let (x, y) = (load(x), load(y));
        store(acc, q.finish(q.add_product(q.start(load(acc)), x, y)));
    }
}

/// `outs <- x0 y0, x0 y1 + x1 y0, x1 y1`.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn tensor<const WIDE: bool>(
    n: &Constants,
    outs: [&mut [u64]; 3],
    x: [&[u64]; 2],
    y: [&[u64]; 2],
) {
    let (q, zero) = (Q::<WIDE>::new(n), _mm512_setzero_si512());
    let [a, b, c] = outs.map(|out| out.as_chunks_mut::<8>().0.iter_mut());
    let ([x0, x1], [y0, y1]) = (
        x.map(|x| x.as_chunks::<8>().0),
        y.map(|y| y.as_chunks::<8>().0),
    );
    let words = x0.iter().zip(x1).zip(y0.iter().zip(y1));
    for (((a, b), c), ((x0, x1), (y0, y1))) in a.zip(b).zip(c).zip(words) {
        let (x0, x1, y0, y1) = (load(x0), load(x1), load(y0), load(y1));
        store(a, q.product(x0, y0));
        let cross = q.add_product(q.start(zero), x0, y1);
        store(b, q.finish(q.add_product(cross, x1, y0)));
        store(c, q.product(x1, y1));
    }
}

#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn scale<const WIDE: bool>(n: &Constants, x: &mut [u64], c: Shoup) {
    let (q, c) = (Q::<WIDE>::new(n), shoup_pair::<WIDE>(c).map(|c| splat(c)));
    map(x, |x| q.mul(x, c));
}

/// `out <- out + c x`.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn add_scaled<const WIDE: bool>(n: &Constants, out: &mut [u64], x: &[u64], c: Shoup) {
    let (q, c) = (Q::<WIDE>::new(n), shoup_pair::<WIDE>(c).map(|c| splat(c)));
    zip(out, x, |out, x| q.add(out, q.mul(x, c)));
}

/// `out <- c x`.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn scale_into<const WIDE: bool>(n: &Constants, out: &mut [u64], x: &[u64], c: Shoup) {
    let (q, c) = (Q::<WIDE>::new(n), shoup_pair::<WIDE>(c).map(|c| splat(c)));
    zip(out, x, |_, x| q.mul(x, c));
}

#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn offset<const WIDE: bool>(n: &Constants, x: &mut [u64], c: u64) {
    let (q, c) = (Q::<WIDE>::new(n), splat(c));
    map(x, |x| q.add(x, c));
}

/// `out <- (x - out) c`.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn subtract_from_and_scale<const WIDE: bool>(
    n: &Constants,
    out: &mut [u64],
    x: &[u64],
    c: Shoup,
) {
    let (q, c) = (Q::<WIDE>::new(n), shoup_pair::<WIDE>(c).map(|c| splat(c)));
    zip(out, x, |out, x| q.mul(q.sub(x, out), c));
}

/// The residues of signed integers; `small` if all are in `(-q, q)`.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn integers<const WIDE: bool>(n: &Constants, out: &mut [u64], x: &[i64], small: bool) {
    let (q, zero) = (Q::<WIDE>::new(n), _mm512_setzero_si512());
    let pairs = out
        .as_chunks_mut::<8>()
        .0
        .iter_mut()
        .zip(x.as_chunks::<8>().0);
    for (out, x) in pairs {
        let x = load(&x.map(i64::cast_unsigned));
        let residue = if small {
            // Negative integers are huge as words, and come down by `q`.
            _mm512_min_epu64(x, _mm512_add_epi64(x, q.q))
        } else {
            let size = q.reduce(_mm512_abs_epi64(x));
            let negative = _mm512_movepi64_mask(x);
            _mm512_mask_blend_epi64(negative, size, q.sub(zero, size))
        };
        store(out, residue);
    }
}

/// Each of the first `values` words, a multiple of 8, fills its run.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn spread(x: &mut [u64], values: usize) {
    let run = x.len() / values;
    if run == 1 {
        return;
    }
    let shift = splat(u64::from(run.trailing_zeros()));
    let lanes = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
    // From the last, so that no value is overwritten before it is read.
    for i in (0..values / 8).rev() {
        let words = load(&x.as_chunks::<8>().0[i]);
        let outs = x[8 * i * run..][..8 * run].as_chunks_mut::<8>().0;
        for (k, out) in outs.iter_mut().enumerate() {
            let from = _mm512_srlv_epi64(_mm512_add_epi64(lanes, splat(8 * k as u64)), shift);
            store(out, _mm512_permutexvar_epi64(from, words));
        }
    }
}
