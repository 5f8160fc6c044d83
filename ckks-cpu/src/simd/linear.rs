//! Sums of scaled slices, and the quotient of base conversion.

use super::arith::{Constants, Q, V, load, splat, store};
use crate::kernels::Source;
use std::arch::x86_64::*;

/// Registers of words summed together: enough independent chains to hide latency.
const REGISTERS: usize = 4;

/// Primes of [`linear_many`], and registers of words for each.
pub const TARGETS: usize = 4;
const PAIR: usize = 2;

/// `out <- sum_i weights[i] xs[i] mod q`, words of `xs` below `2^50` unless `WIDE`.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn linear<const WIDE: bool>(n: &Constants, out: &mut [u64], xs: &[&[u64]], weights: &[u64]) {
    let q = Q::<WIDE>::new(n);
    let (wide, rest) = out.as_chunks_mut::<{ 8 * REGISTERS }>();
    let start = wide.len() * 8 * REGISTERS;
    for (i, out) in wide.iter_mut().enumerate() {
        let sums = sum::<REGISTERS, WIDE>(&q, i * 8 * REGISTERS, xs, weights);
        for (out, sum) in out.as_chunks_mut::<8>().0.iter_mut().zip(sums) {
            store(out, sum);
        }
    }
    for (i, out) in rest.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let [only] = sum::<1, WIDE>(&q, start + 8 * i, xs, weights);
        store(out, only);
    }
}

/// Sums modulo [`TARGETS`] primes at once, each word of `xs` read once for all; at most [`Q::LAZY`]
/// of them. `out` holds the results one after the other.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn linear_many<const WIDE: bool>(
    n: [&Constants; TARGETS],
    out: &mut [u64],
    xs: &[&[u64]],
    weights: [&[u64]; TARGETS],
) {
    assert!(xs.len() <= Q::<WIDE>::LAZY && weights.iter().all(|w| w.len() == xs.len()));
    let zero = _mm512_setzero_si512();
    let q: [Q<WIDE>; TARGETS] = [Q::new(n[0]), Q::new(n[1]), Q::new(n[2]), Q::new(n[3])];
    let width = out.len() / TARGETS;
    for at in (0..width).step_by(8 * PAIR) {
        let mut sums = [[[zero; 3]; PAIR]; TARGETS];
        for (i, x) in xs.iter().enumerate() {
            let words = x[at..at + 8 * PAIR].as_chunks::<8>().0;
            for words in words {
                // Callers go on with the words behind these slices.
                _mm_prefetch::<_MM_HINT_T1>(words.as_ptr().wrapping_add(width).cast());
            }
            let x: [V; PAIR] = [load(&words[0]), load(&words[1])];
            for t in 0..TARGETS {
                let w = splat(weights[t][i]);
                for k in 0..PAIR {
                    sums[t][k] = q[t].add_product(sums[t][k], x[k], w);
                }
            }
        }
        for (t, out) in out.chunks_exact_mut(width).enumerate() {
            let out = out[at..at + 8 * PAIR].as_chunks_mut::<8>().0;
            for k in 0..PAIR {
                store(&mut out[k], q[t].finish(sums[t][k]));
            }
        }
    }
}

/// The sums at words `at..at + 8 W`.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
fn sum<const W: usize, const WIDE: bool>(
    q: &Q<WIDE>,
    at: usize,
    xs: &[&[u64]],
    weights: &[u64],
) -> [V; W] {
    let zero = _mm512_setzero_si512();
    let mut sums = [zero; W];
    for (xs, weights) in xs
        .chunks(Q::<WIDE>::LAZY)
        .zip(weights.chunks(Q::<WIDE>::LAZY))
    {
        let mut parts = [q.start(zero); W];
        for k in 0..W {
            parts[k] = q.start(sums[k]);
        }
        for (x, &w) in xs.iter().zip(weights) {
            let w = splat(w);
            let words = x[at..at + 8 * W].as_chunks::<8>().0;
            for k in 0..W {
                parts[k] = q.add_product(parts[k], load(&words[k]), w);
            }
        }
        for k in 0..W {
            sums[k] = q.finish(parts[k]);
        }
    }
    sums
}

/// The quotient `v` of base conversion from its digits, see
/// [`ckks_math::backend::RingKernels::base_convert`].
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn quotient(sources: &[Source], digits: &[&[u64]], out: &mut [u64]) {
    for (i, out) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let mut sum = splat(1 << 27);
        for (source, digits) in sources.iter().zip(digits) {
            let digit = load(&digits.as_chunks::<8>().0[i]);
            // One of the shifts is by 0.
            let right = splat(source.shift.max(0) as u64);
            let left = splat((-source.shift).max(0) as u64);
            let z = _mm512_sllv_epi64(_mm512_srlv_epi64(digit, right), left);
            let part = _mm512_srli_epi64::<32>(_mm512_mul_epu32(z, splat(source.ratio)));
            sum = _mm512_add_epi64(sum, part);
        }
        store(out, _mm512_srli_epi64::<28>(sum));
    }
}
