//! The transform, in few passes over memory.
//!
//! A limb of `N = R * B` words (`B` = 64, 128 or 256) is passed twice. The *column* pass treats it
//! as `R` rows of `B` words and does the first `log2 R` levels on eight columns at a time, in a
//! buffer that stays in the first-level cache (the strided rows would fall into few of its sets).
//! The *block* pass does the other levels in each row: down to 64 words by plain vectors, then
//! three levels across and, after a transposition, three within the registers.

use super::butterfly::Factors;
use super::passes::{Place, Rows, columns, forward_block, inverse_block};
use super::residues::{Constants, Residues, V};
use super::words::{RUN, Words};
use crate::kernels::Twiddles;
use ckks_math::arith::{Modulus, Shoup};

/// Longest column: `2^17 / 256` rows.
const MAX_ROWS: usize = 512;

/// The constants of the transform modulo one prime.
pub struct VectorNtt {
    constants: Constants,
    degree: usize,
    forward: Factors,
    inverse: Factors,
    scale: Shoup,
    fold: Option<Shoup>,
}

impl VectorNtt {
    pub fn new<R: Residues>(constants: Constants, t: &Twiddles) -> Self {
        let m = constants.modulus;
        Self {
            constants,
            degree: t.forward.len(),
            forward: Factors::new::<R>(m, &t.forward),
            inverse: Factors::new::<R>(m, &t.inverse),
            scale: m.shoup(t.scale),
            fold: t.fold.map(|w| m.shoup(w)),
        }
    }

    pub const fn constants(&self) -> &Constants {
        &self.constants
    }

    pub const fn modulus(&self) -> Modulus {
        self.constants.modulus
    }

    pub const fn fold(&self) -> Option<Shoup> {
        self.fold
    }

    /// Rows of the column pass (1 if there is none) and words of a block.
    pub const fn split(&self) -> (usize, usize) {
        let block = if self.degree < 256 { self.degree } else { 256 };
        (self.degree / block, block)
    }

    const fn place(&self, index: usize) -> Place {
        let (level, words) = self.split();
        Place {
            words,
            level,
            index,
        }
    }
}

/// Memory for eight columns.
#[repr(align(64))]
struct Columns([[u64; RUN]; MAX_ROWS]);

/// The column pass, in place.
#[inline(always)]
fn column_pass<R: Residues, const INVERSE: bool>(
    q: &R,
    t: &VectorNtt,
    x: &mut [u64],
    scale: Option<[V<R>; 2]>,
) {
    let (rows, words) = t.split();
    if rows == 1 {
        return;
    }
    let factors = if INVERSE { &t.inverse } else { &t.forward };
    let mut memory = Columns([[0; RUN]; MAX_ROWS]);
    let buffer = Rows::packed(memory.0.as_flattened_mut());
    for group in 0..words / RUN {
        let place = Rows::columns(x, words, group);
        let path = [place, buffer, place];
        // SAFETY: `rows` rows of `words` words are all of `x`, and `rows <= MAX_ROWS`.
        unsafe { columns::<R, INVERSE>(q, factors, path, rows, scale) };
    }
}

/// Coefficients to evaluations, without the fold.
#[inline(always)]
pub fn forward<R: Residues>(s: R::S, t: &VectorNtt, x: &mut [u64]) {
    assert_eq!(x.len(), t.degree);
    let q = R::new(s, &t.constants);
    column_pass::<R, false>(&q, t, x, None);
    let (rows, words) = t.split();
    for (block, x) in x.chunks_exact_mut(words).enumerate() {
        forward_block(&q, &t.forward, x, t.place(block), rows == 1);
    }
}

/// Evaluations to coefficients, without undoing the fold.
#[inline(always)]
pub fn inverse<R: Residues>(s: R::S, t: &VectorNtt, x: &mut [u64]) {
    assert_eq!(x.len(), t.degree);
    let q = R::new(s, &t.constants);
    let scale = Some(q.constant(t.modulus(), t.scale));
    inverse_blocks(&q, t, x, if t.split().0 == 1 { scale } else { None });
    column_pass::<R, true>(&q, t, x, scale);
}

#[inline(always)]
fn inverse_blocks<R: Residues>(q: &R, t: &VectorNtt, x: &mut [u64], scale: Option<[V<R>; 2]>) {
    for (block, x) in x.chunks_exact_mut(t.split().1).enumerate() {
        inverse_block(q, &t.inverse, x, t.place(block), scale);
    }
}

/// Evaluations `x` to coefficients times `factor`, in *column order*: groups of eight columns, one
/// after the other, rows inside. `x` is overwritten.
#[inline(always)]
pub fn inverse_to_columns<R: Residues>(
    s: R::S,
    t: &VectorNtt,
    x: &mut [u64],
    factor: u64,
    out: &mut [u64],
) {
    assert_eq!((x.len(), out.len()), (t.degree, t.degree));
    let q = R::new(s, &t.constants);
    let (rows, words) = t.split();
    let m = t.modulus();
    let scale = q.constant(m, m.shoup(m.mul(t.scale.value, factor)));
    inverse_blocks(&q, t, x, None);
    for (group, out) in out.chunks_exact_mut(RUN * rows).enumerate() {
        let (from, packed) = (Rows::columns(x, words, group), Rows::packed(out));
        let path = [from, packed, packed];
        // SAFETY: `rows` rows of `words` words are all of `x`, and of 8 words all of `out`.
        unsafe { columns::<R, true>(&q, &t.inverse, path, rows, Some(scale)) };
    }
}

/// Residues `x` times `factor` in column order.
#[inline(always)]
pub fn scale_to_columns<R: Residues>(
    s: R::S,
    t: &VectorNtt,
    x: &[u64],
    factor: u64,
    out: &mut [u64],
) {
    assert_eq!((x.len(), out.len()), (t.degree, t.degree));
    let q = R::new(s, &t.constants);
    let m = t.modulus();
    let factor = q.constant(m, m.shoup(factor));
    let (rows, words) = t.split();
    for (i, out) in out.chunks_exact_mut(RUN).enumerate() {
        let x = &x[i % rows * words + i / rows * RUN..][..RUN];
        for lane in (0..RUN).step_by(R::S::LANES) {
            let product = q.mul(s.load(&x[lane..]), factor);
            s.store(&mut out[lane..], product);
        }
    }
}

/// The first levels of group `group` of eight columns, given in `column`, which is overwritten; the
/// result, in inner form, goes to its place in `x`, to be finished by [`forward_one_block`].
#[inline(always)]
pub fn forward_one_column<R: Residues>(
    s: R::S,
    t: &VectorNtt,
    group: usize,
    column: &mut [u64],
    x: &mut [u64],
) {
    let (rows, words) = t.split();
    assert_eq!((x.len(), column.len()), (t.degree, RUN * rows));
    assert!(RUN * group < words);
    let q = R::new(s, &t.constants);
    let packed = Rows::packed(column);
    let path = [packed, packed, Rows::columns(x, words, group)];
    // SAFETY: `rows` rows of 8 words are all of `column`, and of `words` words all of `x`.
    unsafe { columns::<R, false>(&q, &t.forward, path, rows, None) };
}

/// The last levels of block `block`, from inner form.
#[inline(always)]
pub fn forward_one_block<R: Residues>(s: R::S, t: &VectorNtt, block: usize, x: &mut [u64]) {
    assert!(block < t.split().0);
    let q = R::new(s, &t.constants);
    forward_block(&q, &t.forward, x, t.place(block), false);
}
