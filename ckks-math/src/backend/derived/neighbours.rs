//! Sums of neighbouring coefficients: see [`RingKernels::add_neighbours`].

use crate::backend::{Neighbour, RingKernels};
use crate::error::Result;

/// See [`RingKernels::add_neighbours`].
pub fn add_neighbours<B: RingKernels>(
    backend: &B,
    t: &B::Tables,
    x: &mut B::Block,
    neighbour: Neighbour,
) -> Result<()> {
    let shape = backend.shape(x);
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
