//! Sums of products with polynomials whose values fill runs.

use super::residues::{Constants, Residues, V};
use super::words::{RUN, Words};

/// For runs of `2^r` positions, `r` = 0, 1, 2: which of the words of a run of eight each lane
/// takes.
const PATTERNS: [u64; 3] = [0o76543210, 0o33221100, 0o11110000];
/// One in each lane of a pattern.
const ONES: u64 = 0o11111111;

/// Register `i` of a polynomial each of whose words fills `2^run` positions.
#[inline(always)]
fn spread<S: Words>(s: S, y: &[u64], run: u32, i: usize) -> S::V {
    let first = (S::LANES * i) >> run;
    if 1 << run >= S::LANES {
        return s.splat(y[first]);
    }
    if run == 0 {
        return s.load(&y[first..]);
    }
    let words = &y.as_chunks::<RUN>().0[first / RUN];
    s.arrange(words, PATTERNS[run as usize] + (first % RUN) as u64 * ONES)
}

/// See [`crate::kernels::Prime::sum_products`]; slices of `y` hold whole registers, or values of
/// runs of at least eight.
#[inline(always)]
pub fn sum_products<R: Residues>(
    s: R::S,
    n: &Constants,
    out: &mut [u64],
    pairs: &[(&[u64], &[u64])],
) {
    let q = R::new(s, n);
    let values = pairs.first().map_or(1, |(_, y)| y.len());
    let run = (out.len() / values).trailing_zeros();
    let lanes = R::S::LANES;
    for (i, out) in out.chunks_exact_mut(lanes).enumerate() {
        let mut sum = s.splat(0);
        for some in pairs.chunks(R::LONG) {
            let mut part = q.start(sum);
            for (x, y) in some {
                part = q.add_product(part, s.load(&x[lanes * i..]), spread(s, y, run, i));
            }
            sum = finished(&q, part, some.len());
        }
        s.store(out, sum);
    }
}

/// The residue of a sum of some products.
#[inline(always)]
fn finished<R: Residues>(q: &R, sum: [V<R>; 3], products: usize) -> V<R> {
    if products <= R::LAZY {
        q.finish(sum)
    } else {
        q.finish_long(sum)
    }
}
