//! Twiddle factors, and butterflies on eight registers.

use super::residues::{Residues, V};
use super::words::{RUN, Words};
use ckks_math::arith::Modulus;

/// Words of one group of the last six levels.
pub const TAIL: usize = RUN * RUN;

/// Twiddle factors with their quotients.
pub struct Factors {
    /// Levels below `N/8`, in the order of [`crate::kernels::Twiddles`], to be broadcast.
    pub head: Vec<[u64; 2]>,
    /// The last three levels of each group of 64 words: quotients of the factors of one butterfly
    /// across the rows of the transposed group; one for the first level, two for the second, four
    /// for the third.
    tail: Vec<Lanes>,
    /// The factors themselves, where [`Residues::VALUES`]; else they follow from their quotients,
    /// which halves the memory to read.
    tail_values: Vec<Lanes>,
}

/// Factors of the last three levels, in the order of [`Tree`].
type Lanes = [[u64; RUN]; 7];

/// Factors of a tree of three levels: one, two, four.
pub type Tree<V> = [[V; 2]; 7];

impl Factors {
    pub fn new<R: Residues>(m: Modulus, twiddles: &[u64]) -> Self {
        let degree = twiddles.len();
        let pair = |w: u64| R::pair(m, m.shoup(w));
        let group = |group: usize, half: usize| {
            let mut out = [[0; RUN]; 7];
            for (level, first, groups) in
                [(degree / 8, 0, 1), (degree / 4, 1, 2), (degree / 2, 3, 4)]
            {
                for lane in 0..RUN {
                    for k in 0..groups {
                        let w = twiddles[level + (RUN * group + lane) * groups + k];
                        out[first + k][lane] = pair(w)[half];
                    }
                }
            }
            out
        };
        let values = if R::VALUES { degree / TAIL } else { 0 };
        Self {
            head: twiddles[..degree / 8].iter().map(|&w| pair(w)).collect(),
            tail: (0..degree / TAIL).map(|i| group(i, 1)).collect(),
            tail_values: (0..values).map(|i| group(i, 0)).collect(),
        }
    }

    /// The factors of the last three levels of one group, for one part of its rows.
    #[inline(always)]
    pub fn tail_tree<R: Residues>(&self, q: &R, group: usize, part: usize) -> Tree<V<R>> {
        let (quotients, at) = (&self.tail[group], part * R::S::LANES);
        let mut out = [q.broadcast([0, 0]); 7];
        for (i, out) in out.iter_mut().enumerate() {
            let quotient = q.s().load(&quotients[i][at..]);
            let value = if R::VALUES {
                q.s().load(&self.tail_values[group][i][at..])
            } else {
                q.value(quotient)
            };
            *out = [value, quotient];
        }
        out
    }

    /// The factors of `log2 P` levels of group `group` at level `level`.
    #[inline(always)]
    pub fn tree<R: Residues, const P: usize>(
        &self,
        q: &R,
        level: usize,
        group: usize,
    ) -> Tree<V<R>> {
        let first = &self.head[level + group];
        let mut out = [q.broadcast(*first); 7];
        if P >= 4 {
            let two = &self.head[2 * (level + group)..][..2];
            out[1] = q.broadcast(two[0]);
            out[2] = q.broadcast(two[1]);
        }
        if P >= 8 {
            let four = &self.head[4 * (level + group)..][..4];
            out[3] = q.broadcast(four[0]);
            out[4] = q.broadcast(four[1]);
            out[5] = q.broadcast(four[2]);
            out[6] = q.broadcast(four[3]);
        }
        out
    }
}

/// Butterflies of one level: registers `i` and `j`, factor `k`.
macro_rules! level {
    ($pair:ident, $q:ident, $v:ident, $w:ident, $level:literal: $(($i:literal $j:literal $k:literal))*) => {
        { $($pair($q, $v, $level, $i, $j, $w[$k]);)* }
    };
}

#[inline(always)]
fn forward<R: Residues>(q: &R, v: &mut [V<R>; 8], level: usize, i: usize, j: usize, w: [V<R>; 2]) {
    let x = if level.is_multiple_of(R::EVERY) {
        q.settle(v[i])
    } else {
        v[i]
    };
    (v[i], v[j]) = q.forward(x, v[j], w);
}

#[inline(always)]
fn inverse<R: Residues>(q: &R, v: &mut [V<R>; 8], _: usize, i: usize, j: usize, w: [V<R>; 2]) {
    (v[i], v[j]) = q.inverse(v[i], v[j], w);
}

/// `log2 P` levels on the first `P` registers.
#[inline(always)]
pub fn forward_tree<R: Residues, const P: usize>(q: &R, v: &mut [V<R>; 8], w: &Tree<V<R>>) {
    match P {
        2 => level!(forward, q, v, w, 0: (0 1 0)),
        4 => {
            level!(forward, q, v, w, 0: (0 2 0) (1 3 0));
            level!(forward, q, v, w, 1: (0 1 1) (2 3 2));
        }
        _ => {
            level!(forward, q, v, w, 0: (0 4 0) (1 5 0) (2 6 0) (3 7 0));
            level!(forward, q, v, w, 1: (0 2 1) (1 3 1) (4 6 2) (5 7 2));
            level!(forward, q, v, w, 2: (0 1 3) (2 3 4) (4 5 5) (6 7 6));
        }
    }
}

/// Undoes [`forward_tree`] with the inverse factors, up to a factor `P`.
#[inline(always)]
pub fn inverse_tree<R: Residues, const P: usize>(q: &R, v: &mut [V<R>; 8], w: &Tree<V<R>>) {
    match P {
        2 => level!(inverse, q, v, w, 0: (0 1 0)),
        4 => {
            level!(inverse, q, v, w, 0: (0 1 1) (2 3 2));
            level!(inverse, q, v, w, 1: (0 2 0) (1 3 0));
        }
        _ => {
            level!(inverse, q, v, w, 0: (0 1 3) (2 3 4) (4 5 5) (6 7 6));
            level!(inverse, q, v, w, 1: (0 2 1) (1 3 1) (4 6 2) (5 7 2));
            level!(inverse, q, v, w, 2: (0 4 0) (1 5 0) (2 6 0) (3 7 0));
        }
    }
}
