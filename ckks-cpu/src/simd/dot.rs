//! Inner products with switching keys, and the moves of automorphisms.

use super::residues::{Constants, Residues};
use super::words::{RUN, Words};
use crate::kernels::{KeyLimb, PATTERN_BITS, Permutation};

/// Words to fetch ahead of the key being read: keys come from memory, often in short pieces, so
/// that the hardware's own prefetch starts anew for each.
const AHEAD: usize = 2048;

/// Runs to fetch ahead where an automorphism moves them.
const RUNS_AHEAD: usize = 12;

/// Part `lane / LANES` of the run that an entry of a permutation names.
#[inline(always)]
fn moved<S: Words>(s: S, x: &[u64], entry: u64, lane: usize) -> S::V {
    let runs = x.as_chunks::<RUN>().0;
    s.arrange(&runs[(entry >> PATTERN_BITS) as usize], entry >> (3 * lane))
}

/// `out <- x` permuted.
#[inline(always)]
pub fn permute<S: Words>(s: S, permutation: &Permutation, out: &mut [u64], x: &[u64]) {
    for (out, &entry) in out.chunks_exact_mut(RUN).zip(permutation.entries()) {
        for lane in (0..RUN).step_by(S::LANES) {
            s.store(&mut out[lane..], moved(s, x, entry, lane));
        }
    }
}

/// See [`crate::kernels::Prime::dot`].
#[inline(always)]
pub fn dot<R: Residues>(
    s: R::S,
    n: &Constants,
    outs: &mut [&mut [u64]],
    xs: &[&[u64]],
    permutation: Option<&Permutation>,
    key: KeyLimb<'_>,
) {
    let q = R::new(s, n);
    let (out_b, out_a) = outs.split_at_mut(outs.len() / 2);
    let rows = out_b.len();
    if rows == 0 {
        return;
    }
    let (digits, zero) = (xs.len() / rows, s.splat(0));
    for (i, run) in key.words.chunks_exact(2 * RUN * key.digits).enumerate() {
        let pairs = &run.as_chunks::<{ 2 * RUN }>().0[..digits];
        for pair in pairs {
            s.fetch(pair.as_ptr().wrapping_add(AHEAD));
            s.fetch(pair.as_ptr().wrapping_add(AHEAD + RUN));
        }
        if let Some(&next) = permutation.and_then(|p| p.entries().get(i + RUNS_AHEAD)) {
            let next = RUN * (next >> PATTERN_BITS) as usize;
            for x in xs {
                s.fetch(x.as_ptr().wrapping_add(next));
            }
        }
        let entry = permutation.map(|p| p.entries()[i]);
        for r in 0..rows {
            for lane in (0..RUN).step_by(R::S::LANES) {
                let (mut b, mut a) = (q.start(zero), q.start(zero));
                for (d, pair) in pairs.iter().enumerate() {
                    if d % R::LAZY == 0 && d > 0 {
                        b = q.start(q.finish(b));
                        a = q.start(q.finish(a));
                    }
                    let x = xs[d * rows + r];
                    let x = match entry {
                        Some(entry) => moved(s, x, entry, lane),
                        None => s.load(&x[RUN * i + lane..]),
                    };
                    b = q.add_product(b, x, s.load(&pair[lane..]));
                    a = q.add_product(a, x, s.load(&pair[RUN + lane..]));
                }
                s.store(&mut out_b[r][RUN * i + lane..], q.finish(b));
                s.store(&mut out_a[r][RUN * i + lane..], q.finish(a));
            }
        }
    }
}
