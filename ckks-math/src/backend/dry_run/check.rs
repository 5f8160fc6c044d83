//! What the dry run checks beyond the rules of shape in [`crate::backend::checked`]: domains, and
//! the range of residues.

use super::device::{Block, Domain};
use crate::backend::{RingSpec, Shape};
use crate::error::{Error, Result};

/// A complaint about values that no shape describes.
pub(super) fn invalid<T>(op: &str, message: impl std::fmt::Display) -> Result<T> {
    Err(Error::InvalidParameters(format!("{op}: {message}")))
}

/// The domain of the result of an operation on two blocks.
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

/// Residues of a shape, each below its modulus.
pub(super) fn residues(op: &str, ring: &RingSpec, shape: Shape, residues: &[u64]) -> Result<()> {
    let limbs = residues.chunks_exact(shape.degree);
    let moduli: Vec<u64> = ring.moduli(shape.basis).map(|m| m.value()).collect();
    for (limb, &q) in limbs.zip(moduli.iter().cycle()) {
        if let Some(x) = limb.iter().find(|&&x| x >= q) {
            return invalid(op, format!("residue {x} is not below its modulus {q}"));
        }
    }
    Ok(())
}
