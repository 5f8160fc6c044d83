//! Sums of neighbouring coefficients: see [`RingKernels::add_neighbours`].

use crate::backend::{Neighbour, RingKernels, checked};
use crate::error::Result;

/// See [`RingKernels::add_neighbours`] for the rows and bases of its blocks.
///
/// # Errors
/// As [`crate::backend::checked::block`], and as the kernels that it is made of.
pub fn add_neighbours<B: RingKernels>(
    backend: &B,
    t: &B::Tables,
    x: &mut B::Block,
    neighbour: Neighbour,
) -> Result<()> {
    let shape = backend.shape(x);
    checked::block("add_neighbours", backend.ring(t), shape)?;
    let mut residues = backend.download(t, x)?;
    let moduli: Vec<_> = backend.ring(t).moduli(shape.basis).collect();
    let limbs = residues.chunks_exact_mut(shape.degree);
    for (limb, m) in limbs.zip(moduli.iter().cycle()) {
        match neighbour {
            Neighbour::Next => {
                for k in 1..limb.len() {
                    limb[k - 1] = m.add(limb[k - 1], limb[k]);
                }
            }
            Neighbour::Previous => {
                for k in (0..limb.len()).rev() {
                    limb[k] = m.add(limb[k], limb[k.saturating_sub(1)]);
                }
            }
        }
    }
    *x = backend.upload(t, shape.rows, shape.basis, &residues)?;
    Ok(())
}
