//! Packed transfers, and a look at whole blocks.

use super::seeded::unpack_rows;
use crate::backend::packed::{pack, packed_len, packed_row_len};
use crate::backend::{Basis, RingKernels, checked};
use crate::error::Result;

/// See [`RingKernels::upload_packed`] for the rows and bases of its blocks.
///
/// # Errors
/// As [`crate::backend::checked::upload_packed`], and as the kernels that it is made of.
pub fn upload_packed<B: RingKernels>(
    backend: &B,
    t: &B::Tables,
    rows: usize,
    basis: Basis,
    bytes: &[u8],
) -> Result<B::Block> {
    let ring = backend.ring(t);
    checked::upload_packed(ring, rows, basis, bytes)?;
    backend.upload(t, rows, basis, &unpack_rows(ring, basis, bytes))
}

/// See [`RingKernels::download_packed`] for the rows and bases of its blocks.
///
/// # Errors
/// As [`crate::backend::checked::block`], and as the kernels that it is made of.
pub fn download_packed<B: RingKernels>(
    backend: &B,
    t: &B::Tables,
    x: &B::Block,
) -> Result<Vec<u8>> {
    let (ring, shape) = (backend.ring(t), backend.shape(x));
    let residues = backend.download(t, x)?;
    let mut bytes = vec![0; shape.rows * packed_row_len(ring, shape.basis)];
    let mut rest = &mut bytes[..];
    let moduli = ring.moduli(shape.basis).cycle();
    for (limb, m) in residues.chunks_exact(shape.degree).zip(moduli) {
        let (packed, behind) = rest.split_at_mut(packed_len(shape.degree, m.bits()));
        pack(limb, m.bits(), packed);
        rest = behind;
    }
    Ok(bytes)
}

/// See [`RingKernels::is_zero`] for the rows and bases of its blocks.
///
/// # Errors
/// As [`crate::backend::checked::block`], and as the kernels that it is made of.
pub fn is_zero<B: RingKernels>(backend: &B, t: &B::Tables, x: &B::Block) -> Result<bool> {
    Ok(backend.download(t, x)?.iter().all(|&word| word == 0))
}
