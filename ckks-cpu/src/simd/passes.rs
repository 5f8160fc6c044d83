//! The two passes of the transform, see [`super::ntt`]: columns by way of a small buffer, and
//! blocks of at most 256 words.

use super::arith::{Q, V, transpose};
use super::butterfly::{Factors, TAIL, forward_tree, inverse_tree, tail_tree, tree};
use std::arch::x86_64::*;
use std::ops::Range;

/// Rows in memory: the address of the first and the words between two.
#[derive(Clone, Copy)]
pub struct Rows {
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

    /// Fetches the eight columns after these, where the rows are apart: their stride defeats the
    /// hardware's own prefetch.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
    fn fetch_next(self, rows: usize) {
        for row in 0..rows {
            let next = self.base.wrapping_add(row * self.stride + 8);
            _mm_prefetch::<_MM_HINT_T1>(next.cast());
        }
    }

    /// Rows of 8 words, one after the other.
    pub fn packed(x: &mut [u64]) -> Self {
        Self {
            base: x.as_mut_ptr(),
            stride: 8,
        }
    }

    /// Columns `8 group..8 group + 8` of rows of `words` words.
    pub fn columns(x: &mut [u64], words: usize, group: usize) -> Self {
        Self {
            base: x[8 * group..].as_mut_ptr(),
            stride: words,
        }
    }
}

/// Groups of rows at one level: each of `rows` rows, the first being group `groups.start`.
#[derive(Clone)]
pub struct Step<'a> {
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
pub unsafe fn step<const P: usize, const INVERSE: bool, const WIDE: bool>(
    q: &Q<WIDE>,
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
            for (k, v) in v.iter_mut().take(P).enumerate() {
                // SAFETY: row + k part < (i + 1) rows.
                *v = unsafe { from.load(row + k * part) };
            }
            if INVERSE {
                inverse_tree::<P, WIDE>(q, &mut v, &w);
                if let Some(scale) = scale {
                    for v in &mut v {
                        *v = q.mul(*v, scale);
                    }
                }
            } else {
                forward_tree::<P, WIDE>(q, &mut v, &w);
            }
            for (k, v) in v.into_iter().take(P).enumerate() {
                // SAFETY: as above.
                unsafe { to.store(row + k * part, v) };
            }
        }
    }
}

/// How many levels the next step of a column takes, so that the steps are few.
pub const fn radix(levels: u32) -> u32 {
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
            1 => step::<2, $inverse, WIDE>($($argument),*),
            2 => step::<4, $inverse, WIDE>($($argument),*),
            _ => step::<8, $inverse, WIDE>($($argument),*),
        }
    };
}

/// The first levels of eight columns, from `from` to `to` by way of `buffer`.
///
/// # Safety
/// Each has `rows` rows of 8 readable and writable words.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub unsafe fn forward_columns<const WIDE: bool>(
    q: &Q<WIDE>,
    head: &[[u64; 2]],
    [mut from, buffer, to]: [Rows; 3],
    rows: usize,
) {
    to.fetch_next(rows);
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
pub unsafe fn inverse_columns<const WIDE: bool>(
    q: &Q<WIDE>,
    head: &[[u64; 2]],
    [mut from, buffer, to]: [Rows; 3],
    rows: usize,
    scale: [V; 2],
) {
    from.fetch_next(rows);
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
pub unsafe fn forward_block<const WIDE: bool>(
    q: &Q<WIDE>,
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
        for (k, v) in v.iter_mut().enumerate() {
            // The next block follows, also where blocks of several limbs alternate.
            _mm_prefetch::<_MM_HINT_T0>(base.wrapping_add(words + 64 * part + 8 * k).cast());
            // SAFETY: row 8 part + k < words / 8.
            *v = unsafe { rows.load(8 * part + k) };
        }
        forward_tree::<8, WIDE>(q, &mut v, &w);
        v = transpose(v);
        forward_tree::<8, WIDE>(q, &mut v, &tail_tree(q, factors, group));
        for v in &mut v {
            *v = q.canonical(*v);
        }
        v = transpose(v);
        for (k, v) in v.into_iter().enumerate() {
            // SAFETY: as above.
            unsafe { rows.store(8 * part + k, v) };
        }
    }
}

/// Undoes [`forward_block`] up to a factor; results in `[0, 2q)`, or scaled and canonical.
///
/// # Safety
/// As [`forward_block`].
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub unsafe fn inverse_block<const WIDE: bool>(
    q: &Q<WIDE>,
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
        for (k, v) in v.iter_mut().enumerate() {
            // SAFETY: row 8 part + k < words / 8.
            *v = unsafe { rows.load(8 * part + k) };
        }
        v = transpose(v);
        inverse_tree::<8, WIDE>(q, &mut v, &tail_tree(q, factors, group));
        v = transpose(v);
        inverse_tree::<8, WIDE>(q, &mut v, &w);
        if let (Some(scale), 1) = (scale, parts) {
            for v in &mut v {
                *v = q.mul(*v, scale);
            }
        }
        for (k, v) in v.into_iter().enumerate() {
            // SAFETY: as above.
            unsafe { rows.store(8 * part + k, v) };
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
