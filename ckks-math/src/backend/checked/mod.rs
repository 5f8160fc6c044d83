//! The shape rules of all kernels, stated once for all backends.
//!
//! Kernels compute addresses from shapes, so a wrong shape reaches memory that is not its block's.
//! Each method of a backend begins with the function of its name in this module: it fails with a
//! typed error, or everything that the kernel reads and writes lies inside its operands. The law
//! `misshapen_operands_are_refused` holds every backend to it. A check compares a few integers,
//! which is little beside any launch.
//!
//! What residues mean (their domain, whether each is below its modulus) is not checked here:
//! kernels stay inside their operands whatever these hold. [`super::dry_run::DryRun`] checks that
//! too.

mod ring;
mod switching;

pub use ring::{
    add_rows, add_scaled, automorphism, base_convert, combine, embed, embed_compact,
    embed_compact_zeros, embed_rows, multiply_accumulate, ntt_compact, offset_limbs, pointwise,
    restrict, scale_limbs, stack, sum_products, tensor, uniform, upload, upload_packed,
};
pub use switching::{
    KeyShape, MatrixShape, decompose, digits, divide_round, gemm, key_product, lift, masked,
    matrix, minuend, mod_down, mod_down_and_rescale, rescale, seeded_key, switch_key,
};

use super::{Basis, Device, RingSpec, Shape};
use crate::error::{Error, Result};
use std::ops::Range;

/// The shapes of blocks.
pub fn shapes<B: Device>(backend: &B, xs: &[&B::Block]) -> Vec<Shape> {
    xs.iter().map(|x| backend.shape(x)).collect()
}

/// An error about values that no shape describes.
pub(super) fn invalid<T>(op: &str, message: impl std::fmt::Display) -> Result<T> {
    Err(Error::InvalidParameters(format!("{op}: {message}")))
}

/// The basis names primes of the ring, at least one.
///
/// # Errors
/// [`Error::BasisMismatch`] with the whole basis of the ring.
pub fn basis(op: &'static str, ring: &RingSpec, basis: Basis) -> Result<()> {
    let whole = Basis::qp(ring.q().len(), ring.p().len());
    let empty = basis.hi <= basis.lo && basis.special == 0;
    if basis.lo > basis.hi || empty || !whole.contains(basis) {
        return Err(Error::BasisMismatch {
            op,
            found: basis,
            expected: whole,
        });
    }
    Ok(())
}

/// The shape `[rows, limbs, N]` of a new block.
///
/// # Errors
/// [`Error::BasisMismatch`] where the ring lacks a prime of the basis, [`Error::InvalidParameters`]
/// where the bytes of the block exceed the address space.
pub fn shape(op: &'static str, ring: &RingSpec, rows: usize, of: Basis) -> Result<Shape> {
    basis(op, ring, of)?;
    let degree = ring.degree();
    let bytes = [rows, of.limbs(), degree, size_of::<u64>()];
    let bytes = bytes
        .iter()
        .try_fold(1_usize, |product, &f| product.checked_mul(f));
    if bytes.is_none_or(|bytes| isize::try_from(bytes).is_err()) {
        return invalid(
            op,
            format!("{rows} rows over {of} at N = {degree} exceed the address space"),
        );
    }
    Ok(Shape {
        rows,
        basis: of,
        degree,
    })
}

/// The block is one of this ring: of its degree, over its primes.
///
/// # Errors
/// [`Error::ShapeMismatch`] for another degree, [`Error::BasisMismatch`] for other primes.
pub fn block(op: &'static str, ring: &RingSpec, x: Shape) -> Result<()> {
    if x.degree != ring.degree() {
        return Err(Error::ShapeMismatch {
            op,
            left: x,
            right: Shape {
                degree: ring.degree(),
                ..x
            },
        });
    }
    basis(op, ring, x.basis)
}

/// `found` holds the primes of `expected`.
fn contains(op: &'static str, found: Basis, expected: Basis) -> Result<()> {
    if found.contains(expected) {
        return Ok(());
    }
    Err(Error::BasisMismatch {
        op,
        found,
        expected,
    })
}

/// The basis is exactly the expected one.
fn same_basis(op: &'static str, found: Basis, expected: Basis) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::BasisMismatch {
        op,
        found,
        expected,
    })
}

/// `y` may be the second operand of `x`, a block of the ring: its rows divide those of `x`, its
/// basis contains that of `x`.
fn second(op: &'static str, ring: &RingSpec, x: Shape, y: Shape) -> Result<()> {
    block(op, ring, y)?;
    if y.rows > 0 && x.rows.is_multiple_of(y.rows) && y.basis.contains(x.basis) {
        return Ok(());
    }
    Err(Error::ShapeMismatch {
        op,
        left: x,
        right: y,
    })
}

/// The rows lie inside the block.
fn rows_inside(op: &str, x: Shape, rows: &Range<usize>) -> Result<()> {
    if rows.start <= rows.end && rows.end <= x.rows {
        return Ok(());
    }
    invalid(op, format!("rows {rows:?} of a block {x}"))
}

/// The given rows of `y` exist and fit into `x` from row `first` on.
fn rows_fit(
    op: &'static str,
    x: Shape,
    first: usize,
    (y, rows): (Shape, &Range<usize>),
) -> Result<()> {
    rows_inside(op, y, rows)?;
    if first
        .checked_add(rows.len())
        .is_some_and(|end| end <= x.rows)
    {
        return Ok(());
    }
    Err(Error::ShapeMismatch {
        op,
        left: x,
        right: y,
    })
}

/// One constant for each limb, each below its modulus.
fn constants(op: &str, ring: &RingSpec, basis: Basis, constants: &[u64]) -> Result<()> {
    if constants.len() != basis.limbs() {
        let (found, limbs) = (constants.len(), basis.limbs());
        return invalid(
            op,
            format!("{found} constants for {limbs} limbs of {basis}"),
        );
    }
    for (m, &c) in ring.moduli(basis).zip(constants) {
        if c >= m.value() {
            let q = m.value();
            return invalid(op, format!("constant {c} is not below its modulus {q}"));
        }
    }
    Ok(())
}

/// The Galois element is odd and below the order of the roots.
fn galois(op: &str, ring: &RingSpec, galois: u64) -> Result<()> {
    let order = ring.root_order();
    if galois % 2 == 1 && galois < order {
        return Ok(());
    }
    invalid(
        op,
        format!("Galois element {galois} is not an odd number below {order}"),
    )
}
