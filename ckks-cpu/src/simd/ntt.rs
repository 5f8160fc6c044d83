//! The transform with lazy butterflies [Harvey 2014], in few passes over memory.
//!
//! A limb of `N = R * B` words (`B` = 64, 128 or 256) is passed twice. The *column* pass treats it
//! as `R` rows of `B` words and does the first `log2 R` levels on eight columns at a time, in a
//! buffer that stays in the first-level cache (the strided rows would fall into few of its sets).
//! The *block* pass does the other levels in each row: down to 64 words by plain vectors, then
//! three levels across and, after a transposition, three within the registers.

use super::arith::{Narrow, Q, V, add_high, load, narrow_shoup, splat, subtract_once, transpose};
use crate::kernels::Twiddles;
use ckks_math::arith::{Modulus, Shoup};
use std::arch::x86_64::*;
use std::ops::Range;

/// Words of one group of the last six levels.
const TAIL: usize = 64;
/// Longest column: `2^17 / 256` rows.
const MAX_ROWS: usize = 512;

/// The constants of the transform modulo one prime.
pub struct IfmaNtt {
    modulus: Modulus,
    degree: usize,
    forward: Factors,
    inverse: Factors,
    scale: [u64; 2],
    fold: Option<Shoup>,
}

/// Twiddle factors with their quotients.
struct Factors {
    /// Levels below `N/8`, in the order of [`Twiddles`], to be broadcast.
    head: Vec<[u64; 2]>,
    /// The last three levels of each group of 64 words: quotients of the factors of one butterfly
    /// across the rows of the transposed group; one for the first level, two for the second, four
    /// for the third. The factors follow from their quotients, which halves the memory to read.
    tail: Vec<[[u64; 8]; 7]>,
}

impl Factors {
    fn new(m: Modulus, twiddles: &[u64]) -> Self {
        let degree = twiddles.len();
        let pair = |w: u64| narrow_shoup(m.shoup(w));
        let group = |group: usize| {
            let mut out = [[0; 8]; 7];
            for (level, first, groups) in
                [(degree / 8, 0, 1), (degree / 4, 1, 2), (degree / 2, 3, 4)]
            {
                for lane in 0..8 {
                    for k in 0..groups {
                        let [_, quotient] = pair(twiddles[level + (8 * group + lane) * groups + k]);
                        out[first + k][lane] = quotient;
                    }
                }
            }
            out
        };
        Self {
            head: twiddles[..degree / 8].iter().map(|&w| pair(w)).collect(),
            tail: (0..degree / TAIL).map(group).collect(),
        }
    }
}

impl IfmaNtt {
    pub fn new(m: Modulus, t: &Twiddles) -> Self {
        Self {
            modulus: m,
            degree: t.forward.len(),
            forward: Factors::new(m, &t.forward),
            inverse: Factors::new(m, &t.inverse),
            scale: narrow_shoup(m.shoup(t.scale)),
            fold: t.fold.map(|w| m.shoup(w)),
        }
    }

    pub const fn modulus(&self) -> Modulus {
        self.modulus
    }

    pub const fn fold(&self) -> Option<Shoup> {
        self.fold
    }

    /// Rows of the column pass (1 if there is none) and words of a block.
    pub const fn split(&self) -> (usize, usize) {
        let block = if self.degree < 256 { self.degree } else { 256 };
        (self.degree / block, block)
    }
}

/// Rows in memory: the address of the first and the words between two.
#[derive(Clone, Copy)]
struct Rows {
    base: *mut u64,
    stride: usize,
}

impl Rows {
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
    unsafe fn load(self, row: usize) -> V {
        // SAFETY: the caller keeps the row in bounds.
        unsafe { _mm512_loadu_si512(self.base.add(row * self.stride).cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
    unsafe fn store(self, row: usize, v: V) {
        // SAFETY: the caller keeps the row in bounds.
        unsafe { _mm512_storeu_si512(self.base.add(row * self.stride).cast(), v) }
    }

    /// Rows of 8 words, one after the other.
    fn packed(x: &mut [u64]) -> Self {
        Self {
            base: x.as_mut_ptr(),
            stride: 8,
        }
    }

    /// Columns `8 group..8 group + 8` of rows of `words` words.
    fn columns(x: &mut [u64], words: usize, group: usize) -> Self {
        Self {
            base: x[8 * group..].as_mut_ptr(),
            stride: words,
        }
    }
}

/// Factors of one radix-8 butterfly: level 1, level 2 (two), level 3 (four).
type Tree = [[V; 2]; 7];

/// The broadcast factors of group `group` at level `level` and of the levels below it, for a
/// butterfly of `P` rows.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
fn tree<const P: usize>(head: &[[u64; 2]], level: usize, group: usize) -> Tree {
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
fn forward_pair(q: &Q, v: &mut [V; 8], i: usize, j: usize, w: [V; 2]) {
    let x = subtract_once(v[i], q.q2);
    let t = q.mul_lazy(v[j], w);
    v[i] = _mm512_add_epi64(x, t);
    v[j] = _mm512_sub_epi64(_mm512_add_epi64(x, q.q2), t);
}

/// `(x + y, (x - y) w)`, all in `[0, 2q)`.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
fn inverse_pair(q: &Q, v: &mut [V; 8], i: usize, j: usize, w: [V; 2]) {
    let sum = _mm512_add_epi64(v[i], v[j]);
    let difference = _mm512_sub_epi64(_mm512_add_epi64(v[i], q.q2), v[j]);
    v[i] = subtract_once(sum, q.q2);
    v[j] = q.mul_lazy(difference, w);
}

/// `log2 P` levels on the first `P` registers.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
fn forward_tree<const P: usize>(q: &Q, v: &mut [V; 8], w: &Tree) {
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
fn inverse_tree<const P: usize>(q: &Q, v: &mut [V; 8], w: &Tree) {
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

/// Groups of rows at one level: each of `rows` rows, the first being group `groups.start`.
#[derive(Clone)]
struct Step<'a> {
    head: &'a [[u64; 2]],
    level: usize,
    groups: Range<usize>,
    rows: usize,
}

/// `log2 P` levels of each group, from `from` to `to` (which may be the same rows); multiplied by
/// `scale` and made canonical if given, which only the inverse does.
///
/// # Safety
/// Both hold `groups.len() * rows` rows of 8 readable and writable words, and `P` divides `rows`.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
unsafe fn step<const P: usize, const INVERSE: bool>(
    q: &Q,
    step: Step<'_>,
    from: Rows,
    to: Rows,
    scale: Option<[V; 2]>,
) {
    let part = step.rows / P;
    for (i, group) in step.groups.enumerate() {
        let w = tree::<P>(step.head, step.level, group);
        for row in i * step.rows..i * step.rows + part {
            let mut v = [_mm512_setzero_si512(); 8];
            for k in 0..P {
                // SAFETY: row + k part < (i + 1) rows.
                v[k] = unsafe { from.load(row + k * part) };
            }
            if INVERSE {
                inverse_tree::<P>(q, &mut v, &w);
                if let Some(scale) = scale {
                    for v in &mut v {
                        *v = q.mul(*v, scale);
                    }
                }
            } else {
                forward_tree::<P>(q, &mut v, &w);
            }
            for k in 0..P {
                // SAFETY: as above.
                unsafe { to.store(row + k * part, v[k]) };
            }
        }
    }
}

/// How many levels the next step of a column takes, so that the steps are few.
const fn radix(levels: u32) -> u32 {
    match levels {
        0..=3 => levels,
        4 => 2,
        _ => 3,
    }
}

/// Calls [`step`] with the radix known.
macro_rules! step_of {
    ($levels:expr, $inverse:literal, $($argument:expr),*) => {
        match $levels {
            1 => step::<2, $inverse>($($argument),*),
            2 => step::<4, $inverse>($($argument),*),
            _ => step::<8, $inverse>($($argument),*),
        }
    };
}

/// The first levels of eight columns, from `from` to `to` by way of `buffer`.
///
/// # Safety
/// Each has `rows` rows of 8 readable and writable words.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
unsafe fn forward_columns(
    q: &Q,
    head: &[[u64; 2]],
    [mut from, buffer, to]: [Rows; 3],
    rows: usize,
) {
    let mut level = 1;
    while level < rows {
        let levels = radix((rows / level).trailing_zeros());
        let last = level << levels == rows;
        let next = if last { to } else { buffer };
        let groups = Step {
            head,
            level,
            groups: 0..level,
            rows: rows / level,
        };
        // SAFETY: `level` groups of `rows / level` rows; both areas hold `rows` rows.
        unsafe { step_of!(levels, false, q, groups, from, next, None) };
        from = next;
        level <<= levels;
    }
}

/// The last levels of the inverse on eight columns, with the final scaling.
///
/// # Safety
/// As [`forward_columns`].
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
unsafe fn inverse_columns(
    q: &Q,
    head: &[[u64; 2]],
    [mut from, buffer, to]: [Rows; 3],
    rows: usize,
    scale: [V; 2],
) {
    let mut level = rows;
    while level > 1 {
        let levels = radix(level.trailing_zeros());
        level >>= levels;
        let (next, scale) = if level == 1 {
            (to, Some(scale))
        } else {
            (buffer, None)
        };
        let groups = Step {
            head,
            level,
            groups: 0..level,
            rows: rows / level,
        };
        // SAFETY: as in `forward_columns`.
        unsafe { step_of!(levels, true, q, groups, from, next, scale) };
        from = next;
    }
}

/// The last levels of one block of `words` words (64, 128 or 256), which is group `block` at level
/// `level`; canonical residues.
///
/// # Safety
/// `base` points to `words` readable and writable words.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
unsafe fn forward_block(
    q: &Q,
    factors: &Factors,
    base: *mut u64,
    words: usize,
    level: usize,
    block: usize,
) {
    let rows = Rows { base, stride: 8 };
    let parts = words / TAIL;
    if parts > 1 {
        let head = &factors.head[..];
        let groups = Step {
            head,
            level,
            groups: block..block + 1,
            rows: words / 8,
        };
        // SAFETY: one group of `words / 8` rows.
        unsafe { step_of!(parts.trailing_zeros(), false, q, groups, rows, rows, None) };
    }
    for part in 0..parts {
        let group = block * parts + part;
        let w = tree::<8>(&factors.head, level * parts, group);
        let mut v = [_mm512_setzero_si512(); 8];
        for k in 0..8 {
            // SAFETY: row 8 part + k < words / 8.
            v[k] = unsafe { rows.load(8 * part + k) };
        }
        forward_tree::<8>(q, &mut v, &w);
        v = transpose(v);
        forward_tree::<8>(q, &mut v, &tail_tree(q, &factors.tail[group]));
        for v in &mut v {
            *v = q.canonical(*v);
        }
        v = transpose(v);
        for k in 0..8 {
            // SAFETY: as above.
            unsafe { rows.store(8 * part + k, v[k]) };
        }
    }
}

/// Undoes [`forward_block`] up to a factor; results in `[0, 2q)`, or scaled and canonical.
///
/// # Safety
/// As [`forward_block`].
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
unsafe fn inverse_block(
    q: &Q,
    factors: &Factors,
    base: *mut u64,
    words: usize,
    level: usize,
    block: usize,
    scale: Option<[V; 2]>,
) {
    let rows = Rows { base, stride: 8 };
    let parts = words / TAIL;
    for part in 0..parts {
        let group = block * parts + part;
        let w = tree::<8>(&factors.head, level * parts, group);
        let mut v = [_mm512_setzero_si512(); 8];
        for k in 0..8 {
            // SAFETY: row 8 part + k < words / 8.
            v[k] = unsafe { rows.load(8 * part + k) };
        }
        v = transpose(v);
        inverse_tree::<8>(q, &mut v, &tail_tree(q, &factors.tail[group]));
        v = transpose(v);
        inverse_tree::<8>(q, &mut v, &w);
        if let (Some(scale), 1) = (scale, parts) {
            for v in &mut v {
                *v = q.mul(*v, scale);
            }
        }
        for k in 0..8 {
            // SAFETY: as above.
            unsafe { rows.store(8 * part + k, v[k]) };
        }
    }
    if parts > 1 {
        let head = &factors.head[..];
        let groups = Step {
            head,
            level,
            groups: block..block + 1,
            rows: words / 8,
        };
        // SAFETY: one group of `words / 8` rows.
        unsafe { step_of!(parts.trailing_zeros(), true, q, groups, rows, rows, scale) };
    }
}

/// The factors of the last three levels of one group.
///
/// From `w' = floor(2^52 w / q)` follows `w = floor(w' q / 2^52) + 1`, as `2^52 w - w' q` is below
/// `q` and not 0.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
fn tail_tree(q: &Q, tail: &[[u64; 8]; 7]) -> Tree {
    let one = splat(1);
    let at = |quotient: &[u64; 8]| {
        let quotient = load(quotient);
        [add_high(one, quotient, q.q), quotient]
    };
    [
        at(&tail[0]),
        at(&tail[1]),
        at(&tail[2]),
        at(&tail[3]),
        at(&tail[4]),
        at(&tail[5]),
        at(&tail[6]),
    ]
}

/// Memory for eight columns.
#[repr(align(64))]
struct Columns([[u64; 8]; MAX_ROWS]);

/// Coefficients to evaluations, without the fold.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn forward(t: &IfmaNtt, x: &mut [u64]) {
    assert_eq!(x.len(), t.degree);
    let q = Q::new(&Narrow::new(t.modulus));
    let (rows, words) = t.split();
    if rows > 1 {
        let mut memory = Columns([[0; 8]; MAX_ROWS]);
        let buffer = Rows::packed(memory.0.as_flattened_mut());
        for group in 0..words / 8 {
            let columns = Rows::columns(x, words, group);
            let path = [columns, buffer, columns];
            // SAFETY: `rows` rows of `words` words are all of `x`, and `rows <= MAX_ROWS`.
            unsafe { forward_columns(&q, &t.forward.head, path, rows) };
        }
    }
    for (block, x) in x.chunks_exact_mut(words).enumerate() {
        // SAFETY: `x` has `words` words.
        unsafe { forward_block(&q, &t.forward, x.as_mut_ptr(), words, rows, block) };
    }
}

/// Evaluations to coefficients, without undoing the fold.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn inverse(t: &IfmaNtt, x: &mut [u64]) {
    assert_eq!(x.len(), t.degree);
    let q = Q::new(&Narrow::new(t.modulus));
    let (rows, words) = t.split();
    let scale = t.scale.map(|w| splat(w));
    inverse_blocks(t, &q, x, (rows == 1).then_some(scale));
    if rows > 1 {
        let mut memory = Columns([[0; 8]; MAX_ROWS]);
        let buffer = Rows::packed(memory.0.as_flattened_mut());
        for group in 0..words / 8 {
            let columns = Rows::columns(x, words, group);
            let path = [columns, buffer, columns];
            // SAFETY: `rows` rows of `words` words are all of `x`, and `rows <= MAX_ROWS`.
            unsafe { inverse_columns(&q, &t.inverse.head, path, rows, scale) };
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
fn inverse_blocks(t: &IfmaNtt, q: &Q, x: &mut [u64], scale: Option<[V; 2]>) {
    let (rows, words) = t.split();
    for (block, x) in x.chunks_exact_mut(words).enumerate() {
        // SAFETY: `x` has `words` words.
        unsafe { inverse_block(q, &t.inverse, x.as_mut_ptr(), words, rows, block, scale) };
    }
}

/// Evaluations `x` to coefficients times `factor`, in *column order*: groups of eight columns, one
/// after the other, rows inside. `x` is overwritten.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn inverse_to_columns(t: &IfmaNtt, x: &mut [u64], factor: u64, out: &mut [u64]) {
    assert_eq!((x.len(), out.len()), (t.degree, t.degree));
    let q = Q::new(&Narrow::new(t.modulus));
    let (rows, words) = t.split();
    let scale = t.modulus.mul(t.scale[0], factor);
    let scale = narrow_shoup(t.modulus.shoup(scale)).map(|w| splat(w));
    inverse_blocks(t, &q, x, None);
    for (group, out) in out.chunks_exact_mut(8 * rows).enumerate() {
        let (columns, packed) = (Rows::columns(x, words, group), Rows::packed(out));
        // SAFETY: `rows` rows of `words` words are all of `x`, and of 8 words all of `out`.
        unsafe { inverse_columns(&q, &t.inverse.head, [columns, packed, packed], rows, scale) };
    }
}

/// The first levels of group `group` of eight columns, given in `columns`, which is overwritten;
/// the result goes to its place in `x`, to be finished by [`forward_one_block`].
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn forward_one_column(t: &IfmaNtt, group: usize, columns: &mut [u64], x: &mut [u64]) {
    let (rows, words) = t.split();
    assert_eq!((x.len(), columns.len()), (t.degree, 8 * rows));
    assert!(8 * group < words);
    let q = Q::new(&Narrow::new(t.modulus));
    let packed = Rows::packed(columns);
    let path = [packed, packed, Rows::columns(x, words, group)];
    // SAFETY: `rows` rows of 8 words are all of `columns`, and of `words` words all of `x`.
    unsafe { forward_columns(&q, &t.forward.head, path, rows) };
}

/// The last levels of block `block`.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn forward_one_block(t: &IfmaNtt, block: usize, x: &mut [u64]) {
    let (rows, words) = t.split();
    assert_eq!(x.len(), words);
    assert!(block < rows);
    let q = Q::new(&Narrow::new(t.modulus));
    // SAFETY: `x` has `words` words.
    unsafe { forward_block(&q, &t.forward, x.as_mut_ptr(), words, rows, block) };
}
