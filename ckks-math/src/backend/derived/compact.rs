//! Compact polynomials from required kernels: see [`RingKernels::embed_compact`].

use crate::backend::{Basis, Pointwise, RingKernels, checked};
use crate::error::Result;

/// See [`RingKernels::embed_compact`] for the rows and bases of its blocks.
///
/// # Errors
/// As [`crate::backend::checked::embed_compact`], and as the kernels that it is made of.
pub fn embed_compact<B: RingKernels>(
    backend: &B,
    t: &B::Tables,
    basis: Basis,
    coefficients: &[i64],
    m: usize,
) -> Result<B::Block> {
    let ring = backend.ring(t);
    let n = ring.degree();
    checked::embed_compact(ring, basis, coefficients, m)?;
    let count = coefficients.len() / m;
    let whole = backend.embed(t, basis, coefficients, m)?;
    if m == n {
        return Ok(whole);
    }
    let (limbs, each) = (basis.limbs(), n / m);
    let residues = backend.download(t, &whole)?;
    let rows = count.div_ceil(each);
    let mut compact = vec![0; rows * limbs * n];
    for (k, polynomial) in residues.chunks_exact(limbs * n).enumerate() {
        for (limb, values) in polynomial.chunks_exact(n).enumerate() {
            let start = (k / each * limbs + limb) * n + k % each * m;
            let runs = values.iter().step_by(each);
            for (word, &value) in compact[start..][..m].iter_mut().zip(runs) {
                *word = value;
            }
        }
    }
    backend.upload(t, rows, basis, &compact)
}

/// See [`RingKernels::sum_products`] for the rows and bases of its blocks.
///
/// # Errors
/// As [`crate::backend::checked::sum_products`], and as the kernels that it is made of.
pub fn sum_products<B: RingKernels>(
    backend: &B,
    t: &B::Tables,
    xs: &[&B::Block],
    ys: &B::Block,
    m: usize,
    sums: &[Vec<(usize, usize)>],
) -> Result<Vec<B::Block>> {
    let compact = backend.shape(ys);
    let shapes = checked::shapes(backend, xs);
    let shape = checked::sum_products(backend.ring(t), &shapes, compact, m, sums)?;
    let residues = backend.download(t, ys)?;
    let spread = |k: usize| {
        let n = shape.degree;
        let (each, limbs) = (n / m, compact.basis.limbs());
        let mut whole = Vec::with_capacity(limbs * n);
        for limb in 0..limbs {
            let start = (k / each * limbs + limb) * n + k % each * m;
            for &value in &residues[start..][..m] {
                whole.resize(whole.len() + each, value);
            }
        }
        backend.upload(t, 1, compact.basis, &whole)
    };
    sums.iter()
        .map(|pairs| {
            let mut sum = None;
            for &(i, k) in pairs {
                let y = spread(k)?;
                match &mut sum {
                    None => sum = Some(backend.pointwise(t, Pointwise::Mul, xs[i], &y)?),
                    Some(sum) => backend.multiply_accumulate(t, sum, xs[i], &y)?,
                }
            }
            match sum {
                Some(sum) => Ok(sum),
                None => backend.alloc(t, shape.rows, shape.basis),
            }
        })
        .collect()
}
