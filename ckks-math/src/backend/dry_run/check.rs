//! Contracts of shape, basis, range and domain, as typed errors.

use super::device::{Block, Domain};
use crate::backend::{Basis, RingSpec, Shape};
use crate::error::{Error, Result};
use std::ops::Range;

/// A complaint about values that no shape describes.
pub(super) fn invalid<T>(op: &str, message: impl std::fmt::Display) -> Result<T> {
    Err(Error::InvalidParameters(format!("{op}: {message}")))
}

/// The basis names primes of the ring, at least one.
pub(super) fn basis_of_ring(op: &'static str, ring: &RingSpec, basis: Basis) -> Result<()> {
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

/// The block was made with tables of this ring.
pub(super) fn block_of_ring(op: &'static str, ring: &RingSpec, x: &Block) -> Result<()> {
    if x.shape.degree != ring.degree() {
        return Err(Error::ShapeMismatch {
            op,
            left: x.shape,
            right: Shape {
                degree: ring.degree(),
                ..x.shape
            },
        });
    }
    basis_of_ring(op, ring, x.shape.basis)
}

/// `found` holds the primes of `expected`.
pub(super) fn contains(op: &'static str, found: Basis, expected: Basis) -> Result<()> {
    if found.contains(expected) {
        return Ok(());
    }
    Err(Error::BasisMismatch {
        op,
        found,
        expected,
    })
}

/// The basis is `q[0..l]`, without special primes.
pub(super) fn ciphertext_basis(op: &'static str, basis: Basis) -> Result<()> {
    same_basis(op, basis, Basis::q(usize::from(basis.hi)))
}

/// The basis is exactly the expected one.
pub(super) fn same_basis(op: &'static str, found: Basis, expected: Basis) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::BasisMismatch {
        op,
        found,
        expected,
    })
}

/// `y` may be the second operand of `x`: its rows divide, its basis contains, the domain agrees.
/// Returns the domain of the result.
pub(super) fn operands(op: &'static str, x: &Block, y: &Block) -> Result<Domain> {
    let fits = y.shape.rows > 0
        && x.shape.rows.is_multiple_of(y.shape.rows)
        && y.shape.degree == x.shape.degree
        && y.shape.basis.contains(x.shape.basis);
    if !fits {
        return Err(Error::ShapeMismatch {
            op,
            left: x.shape,
            right: y.shape,
        });
    }
    common_domain(op, x.domain, y.domain)
}

/// The domain of two blocks that meet.
pub(super) fn common_domain(op: &str, x: Domain, y: Domain) -> Result<Domain> {
    match (x, y) {
        (Domain::Either, other) | (other, Domain::Either) => Ok(other),
        (a, b) if a == b => Ok(a),
        (a, b) => invalid(
            op,
            format!("operands in {a} and {b}: transform one of them first"),
        ),
    }
}

/// The block is in the domain that the kernel works on.
pub(super) fn domain(op: &str, x: &Block, expected: Domain) -> Result<()> {
    if x.domain == Domain::Either || x.domain == expected {
        return Ok(());
    }
    invalid(
        op,
        format!("a block in {} where {expected} are needed", x.domain),
    )
}

/// One constant for each limb, each below its modulus.
pub(super) fn constants(op: &str, ring: &RingSpec, basis: Basis, constants: &[u64]) -> Result<()> {
    if constants.len() != basis.limbs() {
        let (found, limbs) = (constants.len(), basis.limbs());
        return invalid(
            op,
            format!("{found} constants for {limbs} limbs of {basis}"),
        );
    }
    for (m, &c) in ring.moduli(basis).zip(constants) {
        if c >= m.value() {
            return invalid(
                op,
                format!("constant {c} is not below its modulus {}", m.value()),
            );
        }
    }
    Ok(())
}

/// Residues in the number a shape asks for, each below its modulus.
pub(super) fn residues(op: &str, ring: &RingSpec, shape: Shape, residues: &[u64]) -> Result<()> {
    if residues.len() != shape.words() {
        let (found, words) = (residues.len(), shape.words());
        return invalid(
            op,
            format!("{found} residues for {words} of the shape {shape}"),
        );
    }
    let limbs = residues.chunks_exact(shape.degree);
    let moduli: Vec<u64> = ring.moduli(shape.basis).map(|m| m.value()).collect();
    for (limb, &q) in limbs.zip(moduli.iter().cycle()) {
        if let Some(x) = limb.iter().find(|&&x| x >= q) {
            return invalid(op, format!("residue {x} is not below its modulus {q}"));
        }
    }
    Ok(())
}

/// The rows lie inside the block.
pub(super) fn rows(op: &str, x: Shape, rows: &Range<usize>) -> Result<()> {
    if rows.start <= rows.end && rows.end <= x.rows {
        return Ok(());
    }
    invalid(op, format!("rows {rows:?} of a block {x}"))
}

/// The Galois element is odd and below the order of the roots.
pub(super) fn galois(op: &str, ring: &RingSpec, galois: u64) -> Result<()> {
    let order = ring.root_order();
    if galois % 2 == 1 && galois < order {
        return Ok(());
    }
    invalid(
        op,
        format!("Galois element {galois} is not an odd number below {order}"),
    )
}
