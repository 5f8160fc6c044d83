//! Checks of operands, the same on every backend: kernels rely on them to stay inside their blocks.

use super::{RingSpec, Shape, SwitchKeyData};
use crate::error::{Error, Result};
use std::ops::Range;

fn invalid<T>(message: String) -> Result<T> {
    Err(Error::InvalidParameters(message))
}

/// The first of several blocks, of which there is to be one at least.
pub fn first_of<'a, Block>(op: &'static str, xs: &[&'a Block]) -> Result<&'a Block> {
    match xs.first() {
        Some(first) => Ok(first),
        None => invalid(format!("{op}: no blocks, give at least one")),
    }
}

/// The given rows of `y` exist and fit into `x` from row `first`.
pub fn rows_fit(
    op: &'static str,
    x: Shape,
    first: usize,
    (y, rows): (Shape, &Range<usize>),
) -> Result<()> {
    let end = first.checked_add(rows.len());
    if end.is_some_and(|end| end <= x.rows) && rows.end <= y.rows {
        return Ok(());
    }
    Err(Error::ShapeMismatch {
        op,
        left: x,
        right: y,
    })
}

/// Number of polynomials that coefficients in groups of `m` make, a power of two at most `N`.
pub fn polynomials(
    op: &'static str,
    ring: &RingSpec,
    coefficients: &[i64],
    m: usize,
) -> Result<usize> {
    polynomials_of(op, ring, coefficients.len(), m)
}

fn polynomials_of(op: &'static str, ring: &RingSpec, given: usize, m: usize) -> Result<usize> {
    let n = ring.degree();
    if m.is_power_of_two() && m <= n && given.is_multiple_of(m) {
        return Ok(given / m);
    }
    invalid(format!(
        "{op}: {given} coefficients in polynomials of {m}, which is to be a power of two at most N = {n}"
    ))
}

/// As [`polynomials`], of which a compact block has at least one.
pub fn compact_polynomials(
    op: &'static str,
    ring: &RingSpec,
    coefficients: &[i64],
    m: usize,
) -> Result<usize> {
    compact_polynomials_of(op, ring, coefficients.len(), m)
}

/// As [`compact_polynomials`] of as many coefficients as are `given`.
pub fn compact_polynomials_of(
    op: &'static str,
    ring: &RingSpec,
    given: usize,
    m: usize,
) -> Result<usize> {
    match polynomials_of(op, ring, given, m)? {
        0 => invalid(format!(
            "{op}: no coefficients for polynomials of {m}, at least one polynomial is needed"
        )),
        count => Ok(count),
    }
}

/// A matrix has one entry for each output and input, and is not empty.
pub fn matrix(outputs: usize, inputs: usize, entries: &[i64]) -> Result<()> {
    let given = entries.len();
    if given > 0 && outputs.checked_mul(inputs) == Some(given) {
        return Ok(());
    }
    invalid(format!(
        "matrix: {given} entries for {outputs} outputs and {inputs} inputs"
    ))
}

/// The block has a row for each input of a matrix.
pub fn matrix_inputs(inputs: usize, x: Shape) -> Result<()> {
    if x.rows == inputs {
        return Ok(());
    }
    invalid(format!(
        "matrix product: {} rows where the matrix has {inputs} inputs",
        x.rows
    ))
}

/// Residues in each half of a key; fails unless both halves have them.
pub fn key_half(ring: &RingSpec, key: &SwitchKeyData<'_>) -> Result<usize> {
    let half = key.digits() * key.basis.limbs() * ring.degree();
    let (b, a) = (key.b.len(), key.a.len());
    if b == half && a == half {
        return Ok(half);
    }
    invalid(format!(
        "switching key: {b} and {a} residues where {half} are needed"
    ))
}
