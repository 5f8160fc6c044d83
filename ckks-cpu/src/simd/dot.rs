//! Inner products with switching keys, and the moves of automorphisms.

use super::arith::{Constants, Q, V, load, store};
use crate::kernels::{KeyLimb, PATTERN_BITS, Permutation};
use std::arch::x86_64::*;

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
fn arrange(words: V, pattern: u64) -> V {
    // Lane k takes the word with index bits 3k..3k+3 of the pattern; higher bits are ignored.
    let shifts = _mm512_set_epi64(21, 18, 15, 12, 9, 6, 3, 0);
    let lanes = _mm512_srlv_epi64(_mm512_set1_epi64(pattern as i64), shifts);
    _mm512_permutexvar_epi64(lanes, words)
}

/// Words to fetch ahead of the key being read: keys come from memory, often in short pieces, so
/// that the hardware's own prefetch starts anew for each.
const AHEAD: usize = 2048;

/// Runs to fetch ahead where an automorphism moves them.
const RUNS_AHEAD: usize = 12;

/// `out <- x` permuted.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn permute(permutation: &Permutation, out: &mut [u64], x: &[u64]) {
    let x = x.as_chunks::<8>().0;
    let runs = out.as_chunks_mut::<8>().0.iter_mut();
    for (out, &entry) in runs.zip(permutation.entries()) {
        store(
            out,
            arrange(load(&x[(entry >> PATTERN_BITS) as usize]), entry),
        );
    }
}

/// See [`crate::kernels::Prime::dot`].
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn dot<const WIDE: bool>(
    n: &Constants,
    outs: &mut [&mut [u64]],
    xs: &[&[u64]],
    permutation: Option<&Permutation>,
    key: KeyLimb<'_>,
) {
    let q = Q::<WIDE>::new(n);
    let (out_b, out_a) = outs.split_at_mut(outs.len() / 2);
    let rows = out_b.len();
    if rows == 0 {
        return;
    }
    let digits = xs.len() / rows;
    let zero = _mm512_setzero_si512();
    for (i, run) in key.words.chunks_exact(16 * key.digits).enumerate() {
        let entry = permutation.map_or((i as u64) << PATTERN_BITS, |p| p.entries()[i]);
        let from = 8 * (entry >> PATTERN_BITS) as usize;
        let pairs = &run.as_chunks::<8>().0[..2 * digits];
        for pair in pairs {
            _mm_prefetch::<_MM_HINT_T0>(pair.as_ptr().wrapping_add(AHEAD).cast());
        }
        if let Some(&next) = permutation.and_then(|p| p.entries().get(i + RUNS_AHEAD)) {
            let next = 8 * (next >> PATTERN_BITS) as usize;
            for x in xs {
                _mm_prefetch::<_MM_HINT_T0>(x.as_ptr().wrapping_add(next).cast());
            }
        }
        for r in 0..rows {
            let (mut b, mut a) = (q.start(zero), q.start(zero));
            for (d, pair) in pairs.as_chunks::<2>().0.iter().enumerate() {
                if d % Q::<WIDE>::LAZY == 0 && d > 0 {
                    b = q.start(q.finish(b));
                    a = q.start(q.finish(a));
                }
                let words = &xs[d * rows + r][from..from + 8];
                let mut x = load(&words.as_chunks::<8>().0[0]);
                if permutation.is_some() {
                    x = arrange(x, entry);
                }
                b = q.add_product(b, x, load(&pair[0]));
                a = q.add_product(a, x, load(&pair[1]));
            }
            let at = 8 * i..8 * i + 8;
            store(
                &mut out_b[r][at.clone()].as_chunks_mut::<8>().0[0],
                q.finish(b),
            );
            store(&mut out_a[r][at].as_chunks_mut::<8>().0[0], q.finish(a));
        }
    }
}
