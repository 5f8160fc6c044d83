//! The fold between the conjugate-invariant ring and its transform, see
//! [`crate::kernels::twiddles`].

use super::arith::{Constants, Q, V, load, shoup_pair, splat, store};
use ckks_math::arith::{Modulus, Shoup};
use std::arch::x86_64::*;

/// `x_k <- x_k + w x_(N-k)` for `k > 0`.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn fold<const WIDE: bool>(m: Modulus, w: Shoup, x: &mut [u64]) {
    let q = Q::<WIDE>::new(&Constants::new(m));
    let w_lanes = shoup_pair::<WIDE>(w).map(|w| splat(w));
    mirror(
        x,
        |a, b| q.add(a, q.mul(b, w_lanes)),
        |a, b| m.add(a, m.mul_shoup(b, w)),
    );
}

/// `x_k <- x_k - w x_(N-k)` for `k > 0`, and `x_0 <- 2 x_0`.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn unfold<const WIDE: bool>(m: Modulus, w: Shoup, x: &mut [u64]) {
    let q = Q::<WIDE>::new(&Constants::new(m));
    let w_lanes = shoup_pair::<WIDE>(w).map(|w| splat(w));
    mirror(
        x,
        |a, b| q.sub(a, q.mul(b, w_lanes)),
        |a, b| m.sub(a, m.mul_shoup(b, w)),
    );
    x[0] = m.add(x[0], x[0]);
}

/// `(x_k, x_(N-k)) <- (f(x_k, x_(N-k)), f(x_(N-k), x_k))` for `k` from 1 to `N/2`.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
fn mirror(x: &mut [u64], f: impl Fn(V, V) -> V, scalar: impl Fn(u64, u64) -> u64) {
    let (first, second) = x.split_at_mut(x.len() / 2);
    let reversed = _mm512_set_epi64(0, 1, 2, 3, 4, 5, 6, 7);
    // Word 0 stays; the middle and what is left before it follow one by one.
    let low = first[1..].as_chunks_mut::<8>().0;
    let vectors = low.len();
    let high = second.as_rchunks_mut::<8>().1;
    for (low, high) in low.iter_mut().zip(high.iter_mut().rev()) {
        let (a, b) = (load(low), _mm512_permutexvar_epi64(reversed, load(high)));
        store(low, f(a, b));
        store(high, _mm512_permutexvar_epi64(reversed, f(b, a)));
    }
    for k in 8 * vectors + 1..=x.len() / 2 {
        let (a, b) = (x[k], x[x.len() - k]);
        (x[k], x[x.len() - k]) = (scalar(a, b), scalar(b, a));
    }
}
