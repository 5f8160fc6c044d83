//! Shape rules of [`super::super::Device`] and [`super::super::RingKernels`].

use super::{
    basis, block, constants, contains, galois, invalid, rows_fit, rows_inside, same_basis, second,
    shape,
};
use crate::backend::derived::check_packed;
use crate::backend::{Basis, RingSpec, Shape};
use crate::error::{Error, Result};
use std::ops::Range;

/// The first of several blocks, of which there is to be at least one.
fn first_of(op: &'static str, xs: &[Shape]) -> Result<Shape> {
    match xs.first() {
        Some(&first) => Ok(first),
        None => invalid(op, "no blocks, give at least one"),
    }
}

/// `upload`: the shape of the new block.
///
/// # Errors
/// As [`shape`]; [`Error::InvalidParameters`] unless there is a residue for each word.
pub fn upload(ring: &RingSpec, rows: usize, basis: Basis, residues: &[u64]) -> Result<Shape> {
    let shape = shape("upload", ring, rows, basis)?;
    if residues.len() != shape.words() {
        let (found, words) = (residues.len(), shape.words());
        return invalid(
            "upload",
            format!("{found} residues for {words} of the shape {shape}"),
        );
    }
    Ok(shape)
}

/// `pointwise` and `pointwise_assign`.
///
/// # Errors
/// As [`block`]; [`Error::ShapeMismatch`] unless the rows of `y` divide those of `x` and its basis
/// contains that of `x`.
pub fn pointwise(op: &'static str, ring: &RingSpec, x: Shape, y: Shape) -> Result<()> {
    block(op, ring, x)?;
    second(op, ring, x, y)
}

/// `multiply_accumulate`.
///
/// # Errors
/// As [`block`]; [`Error::ShapeMismatch`] unless `x` has the rows of `acc` and, like `y`, its
/// primes, and the rows of `y` divide them.
pub fn multiply_accumulate(ring: &RingSpec, acc: Shape, x: Shape, y: Shape) -> Result<()> {
    let op = "multiply_accumulate";
    block(op, ring, acc)?;
    if x.rows != acc.rows {
        return Err(Error::ShapeMismatch {
            op,
            left: acc,
            right: x,
        });
    }
    if acc.rows > 0 {
        second(op, ring, acc, x)?;
    }
    second(op, ring, acc, y)
}

/// `scale_limbs`.
///
/// # Errors
/// As [`block`]; [`Error::InvalidParameters`] unless there is one constant below its modulus for
/// each limb.
pub fn scale_limbs(ring: &RingSpec, x: Shape, by: &[u64]) -> Result<()> {
    block("scale_limbs", ring, x)?;
    constants("scale_limbs", ring, x.basis, by)
}

/// `offset_limbs`.
///
/// # Errors
/// As [`scale_limbs`]; [`Error::InvalidParameters`] for rows that `x` lacks.
pub fn offset_limbs(ring: &RingSpec, x: Shape, rows: &Range<usize>, by: &[u64]) -> Result<()> {
    block("offset_limbs", ring, x)?;
    rows_inside("offset_limbs", x, rows)?;
    constants("offset_limbs", ring, x.basis, by)
}

/// `combine`: the shape of the sum.
///
/// # Errors
/// As [`block`]; [`Error::InvalidParameters`] for no blocks, or constants that do not match them;
/// [`Error::ShapeMismatch`] for other numbers of rows; [`Error::BasisMismatch`] where a block lacks
/// a prime of the result.
pub fn combine(ring: &RingSpec, to: Basis, xs: &[Shape], by: &[Vec<u64>]) -> Result<Shape> {
    let op = "combine";
    basis(op, ring, to)?;
    let first = first_of(op, xs)?;
    if by.len() != xs.len() {
        let (found, blocks) = (by.len(), xs.len());
        return invalid(
            op,
            format!("{found} lists of constants for {blocks} blocks"),
        );
    }
    for (&x, by) in xs.iter().zip(by) {
        block(op, ring, x)?;
        contains(op, x.basis, to)?;
        constants(op, ring, to, by)?;
        if x.rows != first.rows {
            return Err(Error::ShapeMismatch {
                op,
                left: first,
                right: x,
            });
        }
    }
    shape(op, ring, first.rows, to)
}

/// `automorphism`.
///
/// # Errors
/// As [`block`]; [`Error::InvalidParameters`] unless the Galois element is odd and below the order
/// of the roots.
pub fn automorphism(ring: &RingSpec, x: Shape, by: u64) -> Result<()> {
    block("automorphism", ring, x)?;
    galois("automorphism", ring, by)
}

/// `restrict`: the shape of the copy.
///
/// # Errors
/// As [`block`]; [`Error::InvalidParameters`] for rows and [`Error::BasisMismatch`] for primes that
/// `x` lacks.
pub fn restrict(ring: &RingSpec, x: Shape, rows: &Range<usize>, to: Basis) -> Result<Shape> {
    block("restrict", ring, x)?;
    rows_inside("restrict", x, rows)?;
    contains("restrict", x.basis, to)?;
    shape("restrict", ring, rows.len(), to)
}

/// `stack`: the shape of all rows.
///
/// # Errors
/// As [`block`] and [`shape`]; [`Error::InvalidParameters`] for no blocks; [`Error::BasisMismatch`]
/// for other bases than the first.
pub fn stack(ring: &RingSpec, xs: &[Shape]) -> Result<Shape> {
    let first = first_of("stack", xs)?;
    let mut rows = 0_usize;
    for &x in xs {
        block("stack", ring, x)?;
        same_basis("stack", x.basis, first.basis)?;
        rows = rows.saturating_add(x.rows);
    }
    shape("stack", ring, rows, first.basis)
}

/// `base_convert`: the shape of the result.
///
/// # Errors
/// As [`block`] and [`shape`].
pub fn base_convert(ring: &RingSpec, x: Shape, to: Basis) -> Result<Shape> {
    block("base_convert", ring, x)?;
    shape("base_convert", ring, x.rows, to)
}

/// `add_rows`.
///
/// # Errors
/// As [`block`]; [`Error::BasisMismatch`] where `y` lacks a prime of `x`, [`Error::ShapeMismatch`]
/// where its rows do not fit from row `first` on.
pub fn add_rows(ring: &RingSpec, x: Shape, first: usize, y: Shape) -> Result<()> {
    block("add_rows", ring, x)?;
    block("add_rows", ring, y)?;
    contains("add_rows", y.basis, x.basis)?;
    rows_fit("add_rows", x, first, (y, &(0..y.rows)))
}

/// `add_scaled` of the given rows of `y` under an automorphism.
///
/// # Errors
/// As [`block`], [`automorphism`] and [`scale_limbs`] of `y`; [`Error::BasisMismatch`] where `x`
/// lacks a prime of `y`, [`Error::ShapeMismatch`] where the rows do not fit from row `first` on.
pub fn add_scaled(
    ring: &RingSpec,
    x: Shape,
    first: usize,
    (y, rows, by): (Shape, &Range<usize>, u64),
    scales: &[u64],
) -> Result<()> {
    let op = "add_scaled";
    block(op, ring, x)?;
    block(op, ring, y)?;
    contains(op, x.basis, y.basis)?;
    rows_fit(op, x, first, (y, rows))?;
    constants(op, ring, y.basis, scales)?;
    galois(op, ring, by)
}

/// `tensor`: the shape of the three components.
///
/// # Errors
/// As [`block`] and [`shape`]; [`Error::ShapeMismatch`] unless both have the same even number of
/// rows and the same basis.
pub fn tensor(ring: &RingSpec, x: Shape, y: Shape) -> Result<Shape> {
    block("tensor", ring, x)?;
    if x != y || x.rows % 2 == 1 {
        return Err(Error::ShapeMismatch {
            op: "tensor",
            left: x,
            right: y,
        });
    }
    shape("tensor", ring, (x.rows / 2).saturating_mul(3), x.basis)
}

/// Number of polynomials that coefficients in groups of `m` make.
fn polynomials(op: &'static str, ring: &RingSpec, coefficients: &[i64], m: usize) -> Result<usize> {
    let (n, given) = (ring.degree(), coefficients.len());
    if m.is_power_of_two() && m <= n && given.is_multiple_of(m) {
        return Ok(given / m);
    }
    invalid(
        op,
        format!(
            "{given} coefficients in polynomials of {m}, which is to be a power of two at most N = {n}"
        ),
    )
}

/// `embed`: the shape of the polynomials, one for each `m` coefficients.
///
/// # Errors
/// As [`shape`]; [`Error::InvalidParameters`] unless `m` is a power of two at most `N` that divides
/// the number of coefficients.
pub fn embed(ring: &RingSpec, to: Basis, coefficients: &[i64], m: usize) -> Result<Shape> {
    let rows = polynomials("embed", ring, coefficients, m)?;
    shape("embed", ring, rows, to)
}

/// Coefficients in rows of `m`, the last of which may be shorter: the shape of the rows.
///
/// # Errors
/// As [`shape`]; [`Error::InvalidParameters`] unless `m` is a power of two at most `N`.
pub fn embed_rows(ring: &RingSpec, to: Basis, coefficients: &[i64], m: usize) -> Result<Shape> {
    let whole = coefficients.len().next_multiple_of(m.max(1));
    if !m.is_power_of_two() || m > ring.degree() {
        let n = ring.degree();
        return invalid(
            "embed",
            format!("rows of {m} coefficients: give a power of two at most N = {n}"),
        );
    }
    shape("embed", ring, whole / m, to)
}

/// `embed_compact`: the shape of the rows, `N / m` polynomials in each.
///
/// # Errors
/// As [`embed`]; [`Error::InvalidParameters`] for no coefficients.
pub fn embed_compact(ring: &RingSpec, to: Basis, coefficients: &[i64], m: usize) -> Result<Shape> {
    let count = polynomials("embed_compact", ring, coefficients, m)?;
    embed_compact_zeros(ring, to, count, m)
}

/// `embed_compact_zeros` of `count` polynomials of `m` coefficients: the shape of the rows.
///
/// # Errors
/// As [`shape`]; [`Error::InvalidParameters`] for no polynomials, and unless `m` is a power of two
/// at most
/// `N`.
pub fn embed_compact_zeros(ring: &RingSpec, to: Basis, count: usize, m: usize) -> Result<Shape> {
    let op = "embed_compact";
    let n = ring.degree();
    if !m.is_power_of_two() || m > n {
        return invalid(
            op,
            format!("polynomials of {m} coefficients: give a power of two at most N = {n}"),
        );
    }
    if count == 0 {
        return invalid(
            op,
            format!("no coefficients for polynomials of {m}, at least one polynomial is needed"),
        );
    }
    let words = count.saturating_mul(m);
    shape(op, ring, words.div_ceil(n), to)
}

/// Transforms of compact polynomials of `2^log_m` coefficients in each row.
///
/// # Errors
/// As [`block`]; [`Error::InvalidParameters`] for polynomials longer than a row.
pub fn ntt_compact(ring: &RingSpec, x: Shape, log_m: u32) -> Result<()> {
    block("ntt_compact", ring, x)?;
    let log_n = ring.log_degree();
    if log_m > log_n {
        return invalid(
            "ntt_compact",
            format!("polynomials of 2^{log_m} coefficients in rows of 2^{log_n}"),
        );
    }
    Ok(())
}

/// `sum_products`: the shape of each sum. `m` is the number of words of a compact polynomial of
/// `ys`.
///
/// # Errors
/// As [`block`]; [`Error::InvalidParameters`] for no blocks, for an `m` that is no power of two at
/// most `N`, and for pairs outside of the blocks or polynomials; [`Error::ShapeMismatch`] for
/// blocks of different shapes; [`Error::BasisMismatch`] where `ys` lacks a prime of theirs.
pub fn sum_products(
    ring: &RingSpec,
    xs: &[Shape],
    ys: Shape,
    m: usize,
    sums: &[Vec<(usize, usize)>],
) -> Result<Shape> {
    let op = "sum_products";
    let first = first_of(op, xs)?;
    block(op, ring, first)?;
    if let Some(&other) = xs.iter().find(|&&x| x != first) {
        return Err(Error::ShapeMismatch {
            op,
            left: first,
            right: other,
        });
    }
    block(op, ring, ys)?;
    contains(op, ys.basis, first.basis)?;
    if !m.is_power_of_two() || m > ring.degree() {
        let n = ring.degree();
        return invalid(
            op,
            format!("polynomials of {m} words: give a power of two at most N = {n}"),
        );
    }
    let polynomials = ys.rows * (ring.degree() / m);
    let mut pairs = sums.iter().flatten();
    if let Some((i, j)) = pairs.find(|&&(i, j)| i >= xs.len() || j >= polynomials) {
        let blocks = xs.len();
        return invalid(
            op,
            format!("product ({i}, {j}) of {blocks} blocks and {polynomials} polynomials"),
        );
    }
    Ok(first)
}

/// `uniform`: the shape of polynomials number `first ..` of a seed.
///
/// # Errors
/// As [`shape`]; [`Error::InvalidParameters`] where the numbers exceed 64 bits.
pub fn uniform(ring: &RingSpec, first: usize, rows: usize, to: Basis) -> Result<Shape> {
    if first.checked_add(rows).is_none() {
        return invalid(
            "uniform",
            format!("{rows} polynomials from number {first} on exceed 64 bits"),
        );
    }
    shape("uniform", ring, rows, to)
}

/// `upload_packed`: the shape of the rows.
///
/// # Errors
/// As [`shape`]; [`Error::InvalidParameters`] unless there are the bytes of all rows.
pub fn upload_packed(ring: &RingSpec, rows: usize, to: Basis, bytes: &[u8]) -> Result<Shape> {
    let shape = shape("upload_packed", ring, rows, to)?;
    check_packed(ring, to, rows, bytes)?;
    Ok(shape)
}
