//! Sums of scaled slices, and the quotient of base conversion.

use super::residues::{Constants, Residues, V};
use super::words::Words;
use crate::kernels::Source;

/// Registers of words summed together: enough independent chains to hide latency.
const REGISTERS: usize = 4;

/// Primes of [`linear_many`], and registers of words for each.
pub const TARGETS: usize = 4;
const PAIR: usize = 2;

/// `out <- sum_i weights[i] xs[i] mod q`, words of `xs` such as the arithmetic takes.
#[inline(always)]
pub fn linear<R: Residues>(
    s: R::S,
    n: &Constants,
    out: &mut [u64],
    xs: &[&[u64]],
    weights: &[u64],
) {
    let q = R::new(s, n);
    let lanes = R::S::LANES;
    let step = REGISTERS * lanes;
    let done = out.len() / step * step;
    let (many, rest) = out.split_at_mut(done);
    for (i, out) in many.chunks_exact_mut(step).enumerate() {
        let sums = sum::<R, REGISTERS>(&q, i * step, xs, weights);
        for (out, sum) in out.chunks_exact_mut(lanes).zip(sums) {
            s.store(out, sum);
        }
    }
    for (i, out) in rest.chunks_exact_mut(lanes).enumerate() {
        let [only] = sum::<R, 1>(&q, done + i * lanes, xs, weights);
        s.store(out, only);
    }
}

/// Whether [`linear_many`] takes this many slices of this many words.
pub const fn takes_many<R: Residues>(slices: usize, width: usize) -> bool {
    slices <= R::LAZY && width.is_multiple_of(PAIR * R::S::LANES)
}

/// Sums modulo [`TARGETS`] primes at once, each word of `xs` read once for all. `out` holds the
/// results one after the other.
#[inline(always)]
pub fn linear_many<R: Residues>(
    s: R::S,
    n: [&Constants; TARGETS],
    out: &mut [u64],
    xs: &[&[u64]],
    weights: [&[u64]; TARGETS],
) {
    let (lanes, width) = (R::S::LANES, out.len() / TARGETS);
    assert!(takes_many::<R>(xs.len(), width));
    assert!(weights.iter().all(|w| w.len() == xs.len()));
    let q: [R; TARGETS] = [
        R::new(s, n[0]),
        R::new(s, n[1]),
        R::new(s, n[2]),
        R::new(s, n[3]),
    ];
    for at in (0..width).step_by(PAIR * lanes) {
        let mut sums = [[q[0].start(s.splat(0)); PAIR]; TARGETS];
        for (i, x) in xs.iter().enumerate() {
            let x = &x[at..at + PAIR * lanes];
            // Callers go on with the words behind these slices.
            s.fetch_far(x.as_ptr().wrapping_add(width));
            s.fetch_far(x.as_ptr().wrapping_add(width + (PAIR - 1) * lanes));
            let x = [s.load(x), s.load(&x[lanes..])];
            for t in 0..TARGETS {
                let w = s.splat(weights[t][i]);
                for k in 0..PAIR {
                    sums[t][k] = q[t].add_product(sums[t][k], x[k], w);
                }
            }
        }
        for (t, out) in out.chunks_exact_mut(width).enumerate() {
            for k in 0..PAIR {
                s.store(&mut out[at + k * lanes..], q[t].finish(sums[t][k]));
            }
        }
    }
}

/// The sums at `W` registers of words from `at`.
#[inline(always)]
fn sum<R: Residues, const W: usize>(q: &R, at: usize, xs: &[&[u64]], weights: &[u64]) -> [V<R>; W] {
    let (s, lanes) = (q.s(), R::S::LANES);
    let mut sums = [s.splat(0); W];
    for (xs, weights) in xs.chunks(R::LAZY).zip(weights.chunks(R::LAZY)) {
        let mut parts = [q.start(s.splat(0)); W];
        for k in 0..W {
            parts[k] = q.start(sums[k]);
        }
        for (x, &w) in xs.iter().zip(weights) {
            let (w, x) = (s.splat(w), &x[at..at + W * lanes]);
            for k in 0..W {
                parts[k] = q.add_product(parts[k], s.load(&x[k * lanes..]), w);
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
#[inline(always)]
pub fn quotient<S: Words>(s: S, sources: &[Source], digits: &[&[u64]], out: &mut [u64]) {
    for (i, out) in out.chunks_exact_mut(S::LANES).enumerate() {
        let mut sum = s.splat(1 << 27);
        for (source, digits) in sources.iter().zip(digits) {
            let digit = s.load(&digits[i * S::LANES..]);
            // One of the shifts is by 0.
            let right = source.shift.max(0).unsigned_abs();
            let left = (-source.shift).max(0).unsigned_abs();
            let z = s.shl(s.shr(digit, right), left);
            let part = s.shr(s.mul32(z, s.splat(source.ratio)), 32);
            sum = s.add(sum, part);
        }
        s.store(out, s.shr(sum, 28));
    }
}
