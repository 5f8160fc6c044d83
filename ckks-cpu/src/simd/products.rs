//! Sums of products with polynomials whose values fill runs.

use super::arith::{Constants, Q, V, load, store};
use std::arch::x86_64::*;

/// The eight words of register `i` of a polynomial each of whose words fills `2^run` positions.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
fn spread(y: &[u64], run: u32, i: usize) -> V {
    let first = (8 * i) >> run;
    if run >= 3 {
        return _mm512_set1_epi64(y[first] as i64);
    }
    let words = load(&y.as_chunks::<8>().0[first / 8]);
    if run == 0 {
        return words;
    }
    // Lane `k` takes word `k >> run` of the few that this register needs.
    let lanes = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
    let lanes = _mm512_srl_epi64(lanes, _mm_cvtsi64_si128(i64::from(run)));
    let lanes = _mm512_add_epi64(lanes, _mm512_set1_epi64((first % 8) as i64));
    _mm512_permutexvar_epi64(lanes, words)
}

/// See [`crate::kernels::Prime::sum_products`]; slices of `y` hold whole registers, or values of
/// runs of at least eight.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn sum_products<const WIDE: bool>(n: &Constants, out: &mut [u64], pairs: &[(&[u64], &[u64])]) {
    let q = Q::<WIDE>::new(n);
    let values = pairs.first().map_or(1, |(_, y)| y.len());
    let run = (out.len() / values).trailing_zeros();
    for (i, out) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let mut sum = q.start(_mm512_setzero_si512());
        for (group, some) in pairs.chunks(n.lazy).enumerate() {
            if group > 0 {
                sum = q.start(q.finish(sum));
            }
            for (x, y) in some {
                sum = q.add_product(sum, load(&x.as_chunks::<8>().0[i]), spread(y, run, i));
            }
        }
        store(out, q.finish(sum));
    }
}
