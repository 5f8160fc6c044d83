//! The fold between the conjugate-invariant ring and its transform, see
//! [`crate::kernels::Twiddles`].

use super::ntt::VectorNtt;
use super::residues::{Residues, V};
use super::words::Words;
use ckks_math::arith::Shoup;

/// `x_k <- x_k + w x_(N-k)` for `k > 0`.
#[inline(always)]
pub fn fold<R: Residues>(s: R::S, t: &VectorNtt, w: Shoup, x: &mut [u64]) {
    let (q, m) = (R::new(s, t.constants()), t.modulus());
    let lanes = q.constant(m, w);
    mirror::<R>(
        s,
        x,
        #[inline(always)]
        |a, b| q.add(a, q.mul(b, lanes)),
        |a, b| m.add(a, m.mul_shoup(b, w)),
    );
}

/// `x_k <- x_k - w x_(N-k)` for `k > 0`, and `x_0 <- 2 x_0`.
#[inline(always)]
pub fn unfold<R: Residues>(s: R::S, t: &VectorNtt, w: Shoup, x: &mut [u64]) {
    let (q, m) = (R::new(s, t.constants()), t.modulus());
    let lanes = q.constant(m, w);
    mirror::<R>(
        s,
        x,
        #[inline(always)]
        |a, b| q.sub(a, q.mul(b, lanes)),
        |a, b| m.sub(a, m.mul_shoup(b, w)),
    );
    x[0] = m.add(x[0], x[0]);
}

/// `(x_k, x_(N-k)) <- (f(x_k, x_(N-k)), f(x_(N-k), x_k))` for `k` from 1 to `N/2`.
#[inline(always)]
fn mirror<R: Residues>(
    s: R::S,
    x: &mut [u64],
    f: impl Fn(V<R>, V<R>) -> V<R>,
    scalar: impl Fn(u64, u64) -> u64,
) {
    let lanes = R::S::LANES;
    let (first, second) = x.split_at_mut(x.len() / 2);
    // Word 0 stays; the middle and what is left before it follow one by one.
    let low = first[1..].chunks_exact_mut(lanes);
    let done = low.len() * lanes;
    for (low, high) in low.zip(second.rchunks_exact_mut(lanes)) {
        let (a, b) = (s.load(low), s.reverse(s.load(high)));
        s.store(low, f(a, b));
        s.store(high, s.reverse(f(b, a)));
    }
    for k in done + 1..=x.len() / 2 {
        let (a, b) = (x[k], x[x.len() - k]);
        (x[k], x[x.len() - k]) = (scalar(a, b), scalar(b, a));
    }
}
