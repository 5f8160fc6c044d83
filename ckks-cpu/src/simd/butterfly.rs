//! Twiddle factors, and butterflies on eight registers with lazy reductions [Harvey 2014].

use super::arith::{Q, V, add_high, load, shoup_pair, splat, subtract_once};
use ckks_math::arith::Modulus;
use std::arch::x86_64::*;

/// Words of one group of the last six levels.
pub const TAIL: usize = 64;

/// Twiddle factors with their quotients.
pub struct Factors {
    /// Levels below `N/8`, in the order of [`Twiddles`], to be broadcast.
    pub head: Vec<[u64; 2]>,
    /// The last three levels of each group of 64 words: quotients of the factors of one butterfly
    /// across the rows of the transposed group; one for the first level, two for the second, four
    /// for the third.
    pub tail: Vec<Lanes>,
    /// The factors themselves for wide primes. Those of narrow primes follow from their quotients,
    /// which halves the memory to read.
    pub tail_values: Vec<Lanes>,
}

/// Factors of the last three levels, in the order of [`Tree`].
type Lanes = [[u64; 8]; 7];

impl Factors {
    pub fn new<const WIDE: bool>(m: Modulus, twiddles: &[u64]) -> Self {
        let degree = twiddles.len();
        let pair = |w: u64| shoup_pair::<WIDE>(m.shoup(w));
        let group = |group: usize, half: usize| {
            let mut out = [[0; 8]; 7];
            for (level, first, groups) in
                [(degree / 8, 0, 1), (degree / 4, 1, 2), (degree / 2, 3, 4)]
            {
                for lane in 0..8 {
                    for k in 0..groups {
                        let w = twiddles[level + (8 * group + lane) * groups + k];
                        out[first + k][lane] = pair(w)[half];
                    }
                }
            }
            out
        };
        let values = if WIDE { degree / TAIL } else { 0 };
        Self {
            head: twiddles[..degree / 8].iter().map(|&w| pair(w)).collect(),
            tail: (0..degree / TAIL).map(|i| group(i, 1)).collect(),
            tail_values: (0..values).map(|i| group(i, 0)).collect(),
        }
    }
}

/// The factors of the last three levels of one group.
///
/// For narrow primes, from `w' = floor(2^52 w / q)` follows `w = floor(w' q / 2^52) + 1`, as
/// `2^52 w - w' q` is below `q` and not 0.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn tail_tree<const WIDE: bool>(q: &Q<WIDE>, factors: &Factors, group: usize) -> Tree {
    let one = splat(1);
    let quotients = &factors.tail[group];
    let values = if WIDE {
        &factors.tail_values[group]
    } else {
        quotients
    };
    let at = |i: usize| {
        let quotient = load(&quotients[i]);
        let value = if WIDE {
            load(&values[i])
        } else {
            add_high(one, quotient, q.q)
        };
        [value, quotient]
    };
    [at(0), at(1), at(2), at(3), at(4), at(5), at(6)]
}

/// Factors of one radix-8 butterfly: level 1, level 2 (two), level 3 (four).
pub type Tree = [[V; 2]; 7];

/// The broadcast factors of group `group` at level `level` and of the levels below it, for a
/// butterfly of `P` rows.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn tree<const P: usize>(head: &[[u64; 2]], level: usize, group: usize) -> Tree {
    let at = |w: [u64; 2]| [splat(w[0]), splat(w[1])];
    let one = at(head[level + group]);
    let mut out = [one; 7];
    if P >= 4 {
        let two = &head[2 * (level + group)..][..2];
        out[1] = at(two[0]);
        out[2] = at(two[1]);
    }
    if P >= 8 {
        let four = &head[4 * (level + group)..][..4];
        out[3] = at(four[0]);
        out[4] = at(four[1]);
        out[5] = at(four[2]);
        out[6] = at(four[3]);
    }
    out
}

/// `(x + w y, x - w y)`, all in `[0, 4q)`.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn forward_pair<const WIDE: bool>(q: &Q<WIDE>, v: &mut [V; 8], i: usize, j: usize, w: [V; 2]) {
    let x = subtract_once(v[i], q.q2);
    let t = q.mul_lazy(v[j], w);
    v[i] = _mm512_add_epi64(x, t);
    v[j] = _mm512_sub_epi64(_mm512_add_epi64(x, q.q2), t);
}

/// `(x + y, (x - y) w)`, all in `[0, 2q)`.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn inverse_pair<const WIDE: bool>(q: &Q<WIDE>, v: &mut [V; 8], i: usize, j: usize, w: [V; 2]) {
    let sum = _mm512_add_epi64(v[i], v[j]);
    let difference = _mm512_sub_epi64(_mm512_add_epi64(v[i], q.q2), v[j]);
    v[i] = subtract_once(sum, q.q2);
    v[j] = q.mul_lazy(difference, w);
}

/// `log2 P` levels on the first `P` registers.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn forward_tree<const P: usize, const WIDE: bool>(q: &Q<WIDE>, v: &mut [V; 8], w: &Tree) {
    match P {
        2 => forward_pair(q, v, 0, 1, w[0]),
        4 => {
            forward_pair(q, v, 0, 2, w[0]);
            forward_pair(q, v, 1, 3, w[0]);
            forward_pair(q, v, 0, 1, w[1]);
            forward_pair(q, v, 2, 3, w[2]);
        }
        _ => {
            forward_pair(q, v, 0, 4, w[0]);
            forward_pair(q, v, 1, 5, w[0]);
            forward_pair(q, v, 2, 6, w[0]);
            forward_pair(q, v, 3, 7, w[0]);
            forward_pair(q, v, 0, 2, w[1]);
            forward_pair(q, v, 1, 3, w[1]);
            forward_pair(q, v, 4, 6, w[2]);
            forward_pair(q, v, 5, 7, w[2]);
            forward_pair(q, v, 0, 1, w[3]);
            forward_pair(q, v, 2, 3, w[4]);
            forward_pair(q, v, 4, 5, w[5]);
            forward_pair(q, v, 6, 7, w[6]);
        }
    }
}

/// Undoes [`forward_tree`] with the inverse factors, up to a factor `P`.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn inverse_tree<const P: usize, const WIDE: bool>(q: &Q<WIDE>, v: &mut [V; 8], w: &Tree) {
    match P {
        2 => inverse_pair(q, v, 0, 1, w[0]),
        4 => {
            inverse_pair(q, v, 0, 1, w[1]);
            inverse_pair(q, v, 2, 3, w[2]);
            inverse_pair(q, v, 0, 2, w[0]);
            inverse_pair(q, v, 1, 3, w[0]);
        }
        _ => {
            inverse_pair(q, v, 0, 1, w[3]);
            inverse_pair(q, v, 2, 3, w[4]);
            inverse_pair(q, v, 4, 5, w[5]);
            inverse_pair(q, v, 6, 7, w[6]);
            inverse_pair(q, v, 0, 2, w[1]);
            inverse_pair(q, v, 1, 3, w[1]);
            inverse_pair(q, v, 4, 6, w[2]);
            inverse_pair(q, v, 5, 7, w[2]);
            inverse_pair(q, v, 0, 4, w[0]);
            inverse_pair(q, v, 1, 5, w[0]);
            inverse_pair(q, v, 2, 6, w[0]);
            inverse_pair(q, v, 3, 7, w[0]);
        }
    }
}
