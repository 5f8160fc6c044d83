//! The two passes of the transform, see [`super::ntt`]: columns by way of a small buffer, and
//! blocks of at most 256 words.

use super::butterfly::{Factors, TAIL, forward_tree, inverse_tree};
use super::residues::{Residues, V};
use super::words::{RUN, Words};
use std::ops::Range;

/// Rows of [`RUN`] words in memory: the address of the first and the words between two.
#[derive(Clone, Copy)]
pub struct Rows {
    base: *mut u64,
    stride: usize,
}

impl Rows {
    /// The address of a part of a row.
    #[inline(always)]
    fn at(self, row: usize, part: usize) -> *mut u64 {
        self.base.wrapping_add(row * self.stride + part)
    }

    /// Fetches the eight columns after these, where the rows are apart: their stride defeats the
    /// hardware's own prefetch.
    #[inline(always)]
    fn fetch_next<S: Words>(self, s: S, rows: usize) {
        for row in 0..rows {
            s.fetch_far(self.at(row, RUN));
        }
    }

    /// Rows one after the other.
    pub fn packed(x: &mut [u64]) -> Self {
        Self {
            base: x.as_mut_ptr(),
            stride: RUN,
        }
    }

    /// Columns `8 group..8 group + 8` of rows of `words` words.
    pub fn columns(x: &mut [u64], words: usize, group: usize) -> Self {
        Self {
            base: x[RUN * group..].as_mut_ptr(),
            stride: words,
        }
    }
}

/// Where a step stands in a transform.
#[derive(Clone, Copy)]
struct Ends<V> {
    /// Whether it reads residues, not inner forms.
    enters: bool,
    /// What to multiply by before residues are written, after the last step of an inverse.
    scale: Option<[V; 2]>,
}

/// Groups of rows at one level: each of `rows` rows, the first being group `groups.start`.
#[derive(Clone)]
struct Groups {
    level: usize,
    groups: Range<usize>,
    rows: usize,
}

/// `log2 P` levels of each group, from `from` to `to` (which may be the same rows).
///
/// # Safety
/// Both hold `groups.len() * rows` rows of 8 readable and writable words, and `P` divides `rows`.
#[inline(always)]
unsafe fn step<R: Residues, const P: usize, const INVERSE: bool>(
    q: &R,
    factors: &Factors,
    groups: Groups,
    [from, to]: [Rows; 2],
    ends: Ends<V<R>>,
) {
    let (s, part) = (q.s(), groups.rows / P);
    for (i, group) in groups.groups.enumerate() {
        let w = factors.tree::<R, P>(q, groups.level, group);
        for row in i * groups.rows..i * groups.rows + part {
            for lane in (0..RUN).step_by(R::S::LANES) {
                let mut v = [s.splat(0); 8];
                for (k, v) in v.iter_mut().take(P).enumerate() {
                    // SAFETY: row + k part < (i + 1) rows.
                    *v = unsafe { s.read(from.at(row + k * part, lane)) };
                    if ends.enters {
                        *v = q.enter(*v);
                    }
                }
                if INVERSE {
                    inverse_tree::<R, P>(q, &mut v, &w);
                } else {
                    forward_tree::<R, P>(q, &mut v, &w);
                }
                for (k, v) in v.into_iter().take(P).enumerate() {
                    let v = match ends.scale {
                        Some(scale) => q.leave_product(q.times(v, scale)),
                        None => v,
                    };
                    // SAFETY: as above.
                    unsafe { s.write(to.at(row + k * part, lane), v) };
                }
            }
        }
    }
}

/// Calls [`step`] for a number of levels known to the compiler.
///
/// # Safety
/// As [`step`], `P` being 2 to the power of `levels`.
#[inline(always)]
unsafe fn step_of<R: Residues, const INVERSE: bool>(
    levels: u32,
    q: &R,
    factors: &Factors,
    groups: Groups,
    path: [Rows; 2],
    ends: Ends<V<R>>,
) {
    // SAFETY: the caller's.
    unsafe {
        match levels {
            1 => step::<R, 2, INVERSE>(q, factors, groups, path, ends),
            2 => step::<R, 4, INVERSE>(q, factors, groups, path, ends),
            _ => step::<R, 8, INVERSE>(q, factors, groups, path, ends),
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

/// The first levels of eight columns, or with `INVERSE` the last ones of the inverse with their
/// scale, from `from` to `to` by way of `buffer`.
///
/// # Safety
/// Each has `rows` rows of 8 readable and writable words.
#[inline(always)]
pub unsafe fn columns<R: Residues, const INVERSE: bool>(
    q: &R,
    factors: &Factors,
    [from, buffer, to]: [Rows; 3],
    rows: usize,
    scale: Option<[V<R>; 2]>,
) {
    let strided = if INVERSE { from } else { to };
    strided.fetch_next(q.s(), rows);
    // Levels already done.
    let (mut done, mut from) = (0, from);
    while 1 << done < rows {
        let levels = radix(rows.trailing_zeros() - done);
        let last = 1 << (done + levels) == rows;
        let level = if INVERSE {
            rows >> (done + levels)
        } else {
            1 << done
        };
        let groups = Groups {
            level,
            groups: 0..level,
            rows: rows / level,
        };
        let ends = Ends {
            enters: !INVERSE && done == 0,
            scale: if last { scale } else { None },
        };
        let next = if last { to } else { buffer };
        // SAFETY: `level` groups of `rows / level` rows; both areas hold `rows` rows.
        unsafe { step_of::<R, INVERSE>(levels, q, factors, groups, [from, next], ends) };
        from = next;
        done += levels;
    }
}

/// One block of a limb: group `index` at level `level`, of `words` words (64, 128 or 256).
#[derive(Clone, Copy)]
pub struct Place {
    pub words: usize,
    pub level: usize,
    pub index: usize,
}

impl Place {
    fn rows(self, x: &mut [u64]) -> Rows {
        assert_eq!(x.len(), self.words);
        Rows::packed(x)
    }

    const fn parts(self) -> usize {
        self.words / TAIL
    }

    /// The step across the parts.
    const fn across(self) -> Groups {
        Groups {
            level: self.level,
            groups: self.index..self.index + 1,
            rows: self.words / RUN,
        }
    }
}

/// The last levels of one block; from residues if `enters`, to residues.
#[inline(always)]
pub fn forward_block<R: Residues>(
    q: &R,
    factors: &Factors,
    x: &mut [u64],
    place: Place,
    enters: bool,
) {
    let (rows, parts) = (place.rows(x), place.parts());
    if parts > 1 {
        let ends = Ends {
            enters,
            scale: None,
        };
        let levels = parts.trailing_zeros();
        // SAFETY: one group of `words / 8` rows.
        unsafe {
            step_of::<R, false>(levels, q, factors, place.across(), [rows, rows], ends);
        }
    }
    for part in 0..parts {
        let group = place.index * parts + part;
        let w = factors.tree::<R, 8>(q, place.level * parts, group);
        // SAFETY: row 8 part + 7 < words / 8.
        let mut v = unsafe { read_tile(q, rows, part) };
        if enters && parts == 1 {
            enter(q, &mut v);
        }
        trees(
            &mut v,
            q,
            #[inline(always)]
            |q, v, _| forward_tree::<R, 8>(q, v, &w),
        );
        v = q.s().transpose(v);
        trees(
            &mut v,
            q,
            #[inline(always)]
            |q, v, part| {
                forward_tree::<R, 8>(q, v, &factors.tail_tree(q, group, part));
                for v in v {
                    *v = q.leave(*v);
                }
            },
        );
        v = q.s().transpose(v);
        // SAFETY: as above.
        unsafe { write_tile(q, rows, part, v) };
    }
}

/// Undoes [`forward_block`] up to a factor, from residues; to residues if there is a scale.
#[inline(always)]
pub fn inverse_block<R: Residues>(
    q: &R,
    factors: &Factors,
    x: &mut [u64],
    place: Place,
    scale: Option<[V<R>; 2]>,
) {
    let (rows, parts) = (place.rows(x), place.parts());
    for part in 0..parts {
        let group = place.index * parts + part;
        let w = factors.tree::<R, 8>(q, place.level * parts, group);
        // SAFETY: row 8 part + 7 < words / 8.
        let mut v = unsafe { read_tile(q, rows, part) };
        enter(q, &mut v);
        v = q.s().transpose(v);
        trees(
            &mut v,
            q,
            #[inline(always)]
            |q, v, part| {
                inverse_tree::<R, 8>(q, v, &factors.tail_tree(q, group, part));
            },
        );
        v = q.s().transpose(v);
        trees(
            &mut v,
            q,
            #[inline(always)]
            |q, v, _| {
                inverse_tree::<R, 8>(q, v, &w);
                if let (Some(scale), 1) = (scale, parts) {
                    for v in v {
                        *v = q.leave_product(q.times(*v, scale));
                    }
                }
            },
        );
        // SAFETY: as above.
        unsafe { write_tile(q, rows, part, v) };
    }
    if parts > 1 {
        let ends = Ends {
            enters: false,
            scale,
        };
        let levels = parts.trailing_zeros();
        // SAFETY: one group of `words / 8` rows.
        unsafe { step_of::<R, true>(levels, q, factors, place.across(), [rows, rows], ends) };
    }
}

/// Eight rows of eight words.
type Tile<R> = [<<R as Residues>::S as Words>::Row; RUN];

/// # Safety
/// `rows` has rows `8 tile..8 tile + 8`.
#[inline(always)]
unsafe fn read_tile<R: Residues>(q: &R, rows: Rows, tile: usize) -> Tile<R> {
    let mut out = [q.s().zero_row(); RUN];
    for (k, row) in out.iter_mut().enumerate() {
        // The next block follows, also where blocks of several limbs alternate.
        q.s().fetch(rows.at(RUN * tile + k, rows.stride * 4 * RUN));
        for (part, v) in row.as_mut().iter_mut().enumerate() {
            // SAFETY: the caller's.
            *v = unsafe { q.s().read(rows.at(RUN * tile + k, part * R::S::LANES)) };
        }
    }
    out
}

/// # Safety
/// As [`read_tile`].
#[inline(always)]
unsafe fn write_tile<R: Residues>(q: &R, rows: Rows, tile: usize, v: Tile<R>) {
    for (k, row) in v.iter().enumerate() {
        for (part, v) in row.as_ref().iter().enumerate() {
            // SAFETY: the caller's.
            unsafe { q.s().write(rows.at(RUN * tile + k, part * R::S::LANES), *v) };
        }
    }
}

#[inline(always)]
fn enter<R: Residues>(q: &R, v: &mut Tile<R>) {
    for row in v {
        for v in row.as_mut() {
            *v = q.enter(*v);
        }
    }
}

/// Runs a tree on each part of the rows.
#[inline(always)]
fn trees<R: Residues>(v: &mut Tile<R>, q: &R, tree: impl Fn(&R, &mut [V<R>; 8], usize)) {
    for part in 0..RUN / R::S::LANES {
        let mut column = [q.s().splat(0); RUN];
        for (x, row) in column.iter_mut().zip(&*v) {
            *x = row.as_ref()[part];
        }
        tree(q, &mut column, part);
        for (x, row) in column.into_iter().zip(&mut *v) {
            row.as_mut()[part] = x;
        }
    }
}
