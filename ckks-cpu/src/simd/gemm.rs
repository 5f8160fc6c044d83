//! Products of a matrix with rows of residues.

use super::residues::{Constants, Residues, V};
use super::words::{RUN, Words};

/// Registers of words taken together, for some rows of the matrix: every word is read once for all
/// of them, and the sums are enough independent chains to hide latency.
const PAIR: usize = 2;

/// Words of scratch for each input.
pub const SCRATCH: usize = PAIR * RUN;

/// `outs[r] <- sum_i weights[r, i] xs[i] mod q` for residues, a multiple of 16 in each slice.
///
/// The words of all inputs at one place are gathered in `scratch`, [`SCRATCH`] words for each, and
/// used for every row: where inputs are a large power of two apart they would fall on each other in
/// every cache.
#[inline(always)]
pub fn gemm<R: Residues>(
    s: R::S,
    n: &Constants,
    outs: &mut [&mut [u64]],
    xs: &[&[u64]],
    weights: &[u64],
    scratch: &mut [u64],
) {
    assert_eq!(weights.len(), outs.len() * xs.len());
    // As many rows as have registers for their sums.
    if R::VALUES {
        by_rows::<R, 2>(s, n, outs, xs, weights, scratch);
    } else {
        by_rows::<R, 4>(s, n, outs, xs, weights, scratch);
    }
}

#[inline(always)]
fn by_rows<R: Residues, const ROWS: usize>(
    s: R::S,
    n: &Constants,
    outs: &mut [&mut [u64]],
    xs: &[&[u64]],
    weights: &[u64],
    scratch: &mut [u64],
) {
    let (q, inputs, group) = (R::new(s, n), xs.len(), PAIR * R::S::LANES);
    let Some(width) = xs.first().map(|x| x.len()) else {
        return;
    };
    let gathered = &mut scratch[..inputs * group];
    for at in (0..width).step_by(group) {
        for (x, words) in xs.iter().zip(gathered.chunks_exact_mut(group)) {
            words.copy_from_slice(&x[at..at + group]);
        }
        let blocks = outs.chunks_mut(ROWS).zip(weights.chunks(ROWS * inputs));
        for (outs, weights) in blocks {
            if outs.len() == ROWS {
                put::<R, ROWS>(&q, at, outs, sums::<R, ROWS>(&q, gathered, weights));
                continue;
            }
            let single = outs.chunks_mut(1).zip(weights.chunks_exact(inputs));
            for (outs, weights) in single {
                put::<R, 1>(&q, at, outs, sums::<R, 1>(&q, gathered, weights));
            }
        }
    }
}

#[inline(always)]
fn put<R: Residues, const ROWS: usize>(
    q: &R,
    at: usize,
    outs: &mut [&mut [u64]],
    sums: [[V<R>; PAIR]; ROWS],
) {
    for (out, sums) in outs.iter_mut().zip(sums) {
        for (k, sum) in sums.into_iter().enumerate() {
            q.s().store(&mut out[at + k * R::S::LANES..], sum);
        }
    }
}

/// The sums of some rows at `PAIR` registers of words, gathered from all inputs.
#[inline(always)]
fn sums<R: Residues, const ROWS: usize>(
    q: &R,
    gathered: &[u64],
    weights: &[u64],
) -> [[V<R>; PAIR]; ROWS] {
    let (s, lanes) = (q.s(), R::S::LANES);
    let group = PAIR * lanes;
    let inputs = gathered.len() / group;
    let mut out = [[s.splat(0); PAIR]; ROWS];
    for start in (0..inputs).step_by(R::LONG) {
        let mut parts = [[q.start(s.splat(0)); PAIR]; ROWS];
        for (parts, sums) in parts.iter_mut().zip(&out) {
            for (part, sum) in parts.iter_mut().zip(sums) {
                *part = q.start(*sum);
            }
        }
        for i in start..inputs.min(start + R::LONG) {
            let x = &gathered[i * group..][..group];
            let x = [s.load(x), s.load(&x[lanes..])];
            for (r, parts) in parts.iter_mut().enumerate() {
                let w = s.splat(weights[r * inputs + i]);
                for (part, x) in parts.iter_mut().zip(x) {
                    *part = q.add_product(*part, x, w);
                }
            }
        }
        for (parts, sums) in parts.iter().zip(&mut out) {
            for (part, sum) in parts.iter().zip(sums) {
                *sum = q.finish_long(*part);
            }
        }
    }
    out
}
