//! The matrices of attention: which entries of one packing make up those of another.
//!
//! Each function gives the coefficients of a matrix as [`he_linalg::Coefficients::row`] wants them;
//! the layouts between which it acts are named with it.

use he_linalg::matrix::{FromFn, from_fn};
use he_linalg::{Layout, Terms};

use crate::encrypted::packing::{Packing, PassKind, Shape};

/// A map between any two layouts that reads, where it can, the slot that it writes: it has few
/// diagonals and takes the levels of any other.
pub(super) fn thin(
    input: &Layout,
    output: &Layout,
) -> FromFn<impl Fn(&[usize], &mut Terms<'_>) + Send + Sync + use<>> {
    let (input, output) = (input.clone(), output.clone());
    from_fn(move |index: &[usize], terms: &mut Terms<'_>| {
        let mut source = vec![0; input.lens().len()];
        if let Ok((_, slot)) = output.position(index)
            && input.index_at(0, slot % input.period(), &mut source)
        {
            terms.add(&source, 1.0);
        }
    })
}

/// From [`Packing::windows`] to [`Packing::by_offset`]: keys or values by offset from the queries
/// of a window; where it is the first one, without those behind the query.
pub(super) fn by_offset(shape: Shape) -> impl Fn(&[usize], &mut Terms<'_>) {
    move |index, terms| {
        let &[token, head, dim, ref window @ .., offset] = index else {
            return;
        };
        if shape.kind == PassKind::Later || offset <= token {
            let mut source = [(token + shape.tokens - offset) % shape.tokens, head, dim, 0];
            source[3..3 + window.len()].copy_from_slice(window);
            terms.add(&source[..3 + window.len()], 1.0);
        }
    }
}

/// From scores that still have a field of the channels they were summed over, to
/// [`Packing::scores`], times the `factor` of each.
pub(super) fn compact_scores(
    factor: impl Fn(&[usize]) -> f64,
) -> impl Fn(&[usize], &mut Terms<'_>) {
    move |index, terms| {
        let &[token, head, ref rest @ ..] = index else {
            return;
        };
        let mut source = [token, head, 0, 0, 0];
        source[3..3 + rest.len()].copy_from_slice(rest);
        terms.add(&source[..3 + rest.len()], factor(index));
    }
}

/// A factor that differs from entry to entry, for the structure of a matrix whose factors change
/// from pass to pass: it has no period that those may not have.
pub(super) fn any_factor(index: &[usize]) -> f64 {
    let mix = |hash: u64, i: &usize| {
        (hash ^ (*i as u64 + 1))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29)
    };
    let hash = index.iter().fold(index.len() as u64, mix);
    1.0 + (hash >> 12) as f64 / (1u64 << 52) as f64
}

/// From [`Packing::scores`] to [`Packing::weights_by_offset`]: attention weights copied along the
/// channels of a head.
pub(super) fn spread_weights() -> impl Fn(&[usize], &mut Terms<'_>) {
    |index, terms| terms.add(index, 1.0)
}

/// From [`Packing::windows`] of the first window to that of later ones: its keys or values among
/// those of all windows.
pub(super) fn first_of_windows() -> impl Fn(&[usize], &mut Terms<'_>) {
    |index, terms| {
        if index[3] == 0 {
            terms.add(&index[..3], 1.0);
        }
    }
}

/// From [`Packing::windows`] to [`Packing::windows_by_token`]: heads and tokens exchanged.
///
/// Together with [`placed`] this brings keys or values of windows into the cache of a step. One
/// matrix for both would have the product of their numbers of diagonals.
pub(super) fn exchanged() -> impl Fn(&[usize], &mut Terms<'_>) {
    |index, terms| {
        let mut source = [0; 4];
        source[..index.len()].copy_from_slice(index);
        source.swap(0, 1);
        terms.add(&source[..index.len()], 1.0);
    }
}

/// From [`Packing::windows_by_token`] of `windows` to [`Packing::cache`] of a step: keys or values
/// of all positions at their places, in `part` where they share a ciphertext, times the `factor` of
/// each.
pub(super) fn placed<F: Fn(&[usize]) -> f64>(
    windows: &Packing,
    part: Option<usize>,
    factor: F,
) -> impl Fn(&[usize], &mut Terms<'_>) + use<F> {
    let tokens = windows.shape().tokens;
    let several = windows.shape().kind == PassKind::Later;
    move |index, terms| {
        let &[head, key, dim, ..] = index else { return };
        if (several || key < tokens) && index.get(3) == part.as_ref() {
            let source = [head, key % tokens, dim, key / tokens];
            terms.add(&source[..if several { 4 } else { 3 }], factor(index));
        }
    }
}
