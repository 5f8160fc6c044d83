//! The transform with lazy butterflies [Harvey 2014], in few passes over memory.
//!
//! A limb of `N = R * B` words (`B` = 64, 128 or 256) is passed twice. The *column* pass treats it
//! as `R` rows of `B` words and does the first `log2 R` levels on eight columns at a time, in a
//! buffer that stays in the first-level cache (the strided rows would fall into few of its sets).
//! The *block* pass does the other levels in each row: down to 64 words by plain vectors, then
//! three levels across and, after a transposition, three within the registers.

use super::NARROW_BITS;
use super::arith::{Constants, Q, V, shoup_pair, splat};
use super::butterfly::Factors;
use super::passes::{Rows, forward_block, forward_columns, inverse_block, inverse_columns};
use crate::kernels::Twiddles;
use ckks_math::arith::{Modulus, Shoup};

/// Longest column: `2^17 / 256` rows.
const MAX_ROWS: usize = 512;

/// The constants of the transform modulo one prime.
pub struct IfmaNtt {
    modulus: Modulus,
    degree: usize,
    wide: bool,
    forward: Factors,
    inverse: Factors,
    scale: [u64; 2],
    fold: Option<Shoup>,
}

impl IfmaNtt {
    pub fn new(m: Modulus, t: &Twiddles) -> Self {
        let wide = m.bits() > NARROW_BITS;
        let (factors, scale): (fn(_, &[u64]) -> _, _) = if wide {
            (Factors::new::<true>, shoup_pair::<true>(m.shoup(t.scale)))
        } else {
            (Factors::new::<false>, shoup_pair::<false>(m.shoup(t.scale)))
        };
        Self {
            modulus: m,
            degree: t.forward.len(),
            wide,
            forward: factors(m, &t.forward),
            inverse: factors(m, &t.inverse),
            scale,
            fold: t.fold.map(|w| m.shoup(w)),
        }
    }

    pub const fn modulus(&self) -> Modulus {
        self.modulus
    }

    /// Whether the prime is beyond 52-bit products.
    pub const fn wide(&self) -> bool {
        self.wide
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

/// Memory for eight columns.
#[repr(align(64))]
struct Columns([[u64; 8]; MAX_ROWS]);

/// Coefficients to evaluations, without the fold.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn forward<const WIDE: bool>(t: &IfmaNtt, x: &mut [u64]) {
    assert_eq!(x.len(), t.degree);
    let q = Q::<WIDE>::new(&Constants::new(t.modulus));
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
pub fn inverse<const WIDE: bool>(t: &IfmaNtt, x: &mut [u64]) {
    assert_eq!(x.len(), t.degree);
    let q = Q::<WIDE>::new(&Constants::new(t.modulus));
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
fn inverse_blocks<const WIDE: bool>(
    t: &IfmaNtt,
    q: &Q<WIDE>,
    x: &mut [u64],
    scale: Option<[V; 2]>,
) {
    let (rows, words) = t.split();
    for (block, x) in x.chunks_exact_mut(words).enumerate() {
        // SAFETY: `x` has `words` words.
        unsafe { inverse_block(q, &t.inverse, x.as_mut_ptr(), words, rows, block, scale) };
    }
}

/// Evaluations `x` to coefficients times `factor`, in *column order*: groups of eight columns, one
/// after the other, rows inside. `x` is overwritten.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn inverse_to_columns<const WIDE: bool>(
    t: &IfmaNtt,
    x: &mut [u64],
    factor: u64,
    out: &mut [u64],
) {
    assert_eq!((x.len(), out.len()), (t.degree, t.degree));
    let q = Q::<WIDE>::new(&Constants::new(t.modulus));
    let (rows, words) = t.split();
    let scale = t.modulus.mul(t.scale[0], factor);
    let scale = shoup_pair::<WIDE>(t.modulus.shoup(scale)).map(|w| splat(w));
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
pub fn forward_one_column<const WIDE: bool>(
    t: &IfmaNtt,
    group: usize,
    columns: &mut [u64],
    x: &mut [u64],
) {
    let (rows, words) = t.split();
    assert_eq!((x.len(), columns.len()), (t.degree, 8 * rows));
    assert!(8 * group < words);
    let q = Q::<WIDE>::new(&Constants::new(t.modulus));
    let packed = Rows::packed(columns);
    let path = [packed, packed, Rows::columns(x, words, group)];
    // SAFETY: `rows` rows of 8 words are all of `columns`, and of `words` words all of `x`.
    unsafe { forward_columns(&q, &t.forward.head, path, rows) };
}

/// The last levels of block `block`.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
pub fn forward_one_block<const WIDE: bool>(t: &IfmaNtt, block: usize, x: &mut [u64]) {
    let (rows, words) = t.split();
    assert_eq!(x.len(), words);
    assert!(block < rows);
    let q = Q::<WIDE>::new(&Constants::new(t.modulus));
    // SAFETY: `x` has `words` words.
    unsafe { forward_block(&q, &t.forward, x.as_mut_ptr(), words, rows, block) };
}
