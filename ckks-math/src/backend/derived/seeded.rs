//! Polynomials that follow from a seed, and what is masked with them.

use crate::backend::packed::{packed_row_len, unpack};
use crate::backend::{
    Basis, Masks, Permuted, Pointwise, RingKernels, RingSpec, SeededKeyData, SwitchKernels,
    SwitchKeyData, checked,
};
use crate::error::{Error, Result};
use crate::sampling::{Seed, UniformStream};

/// See [`RingKernels::uniform`] for the rows and bases of its blocks.
///
/// # Errors
/// As [`crate::backend::checked::uniform`], and as the kernels that it is made of.
pub fn uniform<B: RingKernels>(
    backend: &B,
    t: &B::Tables,
    seed: &Seed,
    first: usize,
    rows: usize,
    basis: Basis,
) -> Result<B::Block> {
    let ring = backend.ring(t);
    checked::uniform(ring, first, rows, basis)?;
    let residues = uniform_residues(ring, seed, first, rows, basis)?;
    backend.upload(t, rows, basis, &residues)
}

fn uniform_residues(
    ring: &RingSpec,
    seed: &Seed,
    first: usize,
    rows: usize,
    basis: Basis,
) -> Result<Vec<u64>> {
    let mut residues = vec![0; rows * basis.limbs() * ring.degree()];
    let mut limbs = residues.chunks_exact_mut(ring.degree());
    for row in first..first + rows {
        for (prime, limb) in basis.prime_indices(ring.q().len()).zip(&mut limbs) {
            let q = ring.prime(prime).value();
            UniformStream::new(seed, row as u64, prime as u64, q)?.fill(limb)?;
        }
    }
    Ok(residues)
}

/// See [`RingKernels::masked`] for the rows and bases of its blocks.
///
/// # Errors
/// As [`crate::backend::checked::masked`], and as the kernels that it is made of.
pub fn masked<B: RingKernels>(
    backend: &B,
    t: &B::Tables,
    basis: Basis,
    masks: &Masks<'_, B::Block>,
) -> Result<B::Block> {
    let n = backend.ring(t).degree();
    let rows = checked::masked(backend.ring(t), basis, masks, |x| backend.shape(x))?.rows;
    let mut out = backend.embed(t, basis, masks.errors, n)?;
    let mut product = backend.uniform(t, masks.seed, 0, rows, basis)?;
    backend.pointwise_assign(t, Pointwise::Mul, &mut product, masks.secret)?;
    backend.pointwise_assign(t, Pointwise::Sub, &mut out, &product)?;
    for (row, message) in masks.messages.iter().enumerate() {
        let ones = vec![1; backend.shape(message).basis.limbs()];
        backend.add_scaled(t, &mut out, row, &Permuted::rows(message, 0..1), &ones)?;
    }
    Ok(out)
}

/// See [`SwitchKernels::load_seeded_key`] for the rows and bases of its blocks.
///
/// # Errors
/// As [`crate::backend::checked::seeded_key`], and as the kernels that it is made of.
pub fn load_seeded_key<B: SwitchKernels>(
    backend: &B,
    t: &B::Tables,
    key: &SeededKeyData<'_>,
) -> Result<B::SwitchKey> {
    let ring = backend.ring(t);
    checked::seeded_key(ring, key)?;
    let b = unpack_rows(ring, key.basis, key.b);
    let a = uniform_residues(ring, key.seed, 0, key.digits(), key.basis)?;
    let data = SwitchKeyData {
        basis: key.basis,
        digit_size: key.digit_size,
        b: &b,
        a: &a,
    };
    backend.load_switch_key(t, &data)
}

/// Fails unless there are the bytes of `rows` packed rows.
///
/// # Errors
/// [`Error::InvalidParameters`] with both numbers of bytes.
pub fn check_packed(ring: &RingSpec, basis: Basis, rows: usize, bytes: &[u8]) -> Result<()> {
    let row = packed_row_len(ring, basis);
    if rows.checked_mul(row) == Some(bytes.len()) {
        return Ok(());
    }
    Err(Error::InvalidParameters(format!(
        "{} bytes for {rows} packed rows over {basis} of {row} bytes each",
        bytes.len()
    )))
}

/// The residues of packed rows.
pub fn unpack_rows(ring: &RingSpec, basis: Basis, bytes: &[u8]) -> Vec<u64> {
    let (n, row) = (ring.degree(), packed_row_len(ring, basis));
    let rows = bytes.len().checked_div(row).unwrap_or(0);
    let mut residues = vec![0; rows * basis.limbs() * n];
    let mut limbs = residues.chunks_exact_mut(n);
    let mut rest = bytes;
    for _ in 0..rows {
        for (m, limb) in ring.moduli(basis).zip(&mut limbs) {
            let (packed, behind) = rest.split_at(crate::backend::packed::packed_len(n, m.bits()));
            unpack(packed, m.bits(), limb);
            rest = behind;
        }
    }
    residues
}
