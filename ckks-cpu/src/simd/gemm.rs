//! Products of a matrix with rows of residues.

use super::arith::{Constants, Q, V, load, splat, store};
use std::arch::x86_64::*;

/// Registers of words taken together, for some rows of the matrix: every word is read once for all
/// of them, and the sums are enough independent chains to hide latency.
const PAIR: usize = 2;

/// `outs[r] <- sum_i weights[r, i] xs[i] mod q` for residues, a multiple of 16 in each slice.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn gemm<const WIDE: bool>(
    n: &Constants,
    outs: &mut [&mut [u64]],
    xs: &[&[u64]],
    weights: &[u64],
) {
    assert_eq!(weights.len(), outs.len() * xs.len());
    // As many rows as have registers for their sums.
    if WIDE {
        by_rows::<2, WIDE>(n, outs, xs, weights);
    } else {
        by_rows::<4, WIDE>(n, outs, xs, weights);
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
fn by_rows<const R: usize, const WIDE: bool>(
    n: &Constants,
    outs: &mut [&mut [u64]],
    xs: &[&[u64]],
    weights: &[u64],
) {
    let (q, inputs) = (Q::<WIDE>::new(n), xs.len());
    let Some(width) = xs.first().map(|x| x.len()) else {
        return;
    };
    // The words of all inputs at one place stay in the first-level cache.
    for at in (0..width).step_by(8 * PAIR) {
        let blocks = outs.chunks_mut(R).zip(weights.chunks(R * inputs));
        for (outs, weights) in blocks {
            if outs.len() == R {
                let sums = sums::<R, WIDE>(&q, n.lazy, at, xs, weights);
                for (out, sums) in outs.iter_mut().zip(sums) {
                    put(&mut out[at..], sums);
                }
                continue;
            }
            for (out, weights) in outs.iter_mut().zip(weights.chunks_exact(inputs)) {
                let [only] = sums::<1, WIDE>(&q, n.lazy, at, xs, weights);
                put(&mut out[at..], only);
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
fn put(out: &mut [u64], sums: [V; PAIR]) {
    for (out, sum) in out.as_chunks_mut::<8>().0.iter_mut().zip(sums) {
        store(out, sum);
    }
}

/// The sums of `R` rows at words `at..at + 8 PAIR`, reduced after every `lazy` products.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
fn sums<const R: usize, const WIDE: bool>(
    q: &Q<WIDE>,
    lazy: usize,
    at: usize,
    xs: &[&[u64]],
    weights: &[u64],
) -> [[V; PAIR]; R] {
    let inputs = xs.len();
    let mut out = [[_mm512_setzero_si512(); PAIR]; R];
    for start in (0..inputs).step_by(lazy) {
        let mut parts = [[q.start(_mm512_setzero_si512()); PAIR]; R];
        // Loops, because closures for `map` are not always inlined.
        for (parts, sums) in parts.iter_mut().zip(&out) {
            for (part, sum) in parts.iter_mut().zip(sums) {
                *part = q.start(*sum);
            }
        }
        for i in start..inputs.min(start + lazy) {
            let words = xs[i][at..at + 8 * PAIR].as_chunks::<8>().0;
            let x: [V; PAIR] = [load(&words[0]), load(&words[1])];
            for (r, parts) in parts.iter_mut().enumerate() {
                let w = splat(weights[r * inputs + i]);
                for (part, x) in parts.iter_mut().zip(x) {
                    *part = q.add_product(*part, x, w);
                }
            }
        }
        for (parts, sums) in parts.iter().zip(&mut out) {
            for (part, sum) in parts.iter().zip(sums) {
                *sum = q.finish(*part);
            }
        }
    }
    out
}
