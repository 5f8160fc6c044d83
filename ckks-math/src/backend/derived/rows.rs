//! Row-wise operations from required kernels.

use crate::backend::{Basis, Permuted, Pointwise, RingKernels, checked};
use crate::error::Result;

/// See [`RingKernels::add_rows`] for the rows and bases of its blocks.
///
/// # Errors
/// As [`crate::backend::checked::add_rows`], and as the kernels that it is made of.
pub fn add_rows<B: RingKernels>(
    backend: &B,
    t: &B::Tables,
    x: &mut B::Block,
    first: usize,
    y: &B::Block,
) -> Result<()> {
    let shape = backend.shape(x);
    let added = backend.shape(y);
    checked::add_rows(backend.ring(t), shape, first, added)?;
    if added.rows == 0 {
        return Ok(());
    }
    let (end, basis) = (first + added.rows, shape.basis);
    let mut sum = backend.restrict(t, x, first..end, basis)?;
    backend.pointwise_assign(t, Pointwise::Add, &mut sum, y)?;
    let mut parts = Vec::new();
    if first > 0 {
        parts.push(backend.restrict(t, x, 0..first, basis)?);
    }
    parts.push(sum);
    if end < shape.rows {
        parts.push(backend.restrict(t, x, end..shape.rows, basis)?);
    }
    *x = backend.stack(t, &parts.iter().collect::<Vec<_>>())?;
    Ok(())
}

/// See [`RingKernels::add_scaled`] for the rows and bases of its blocks.
///
/// # Errors
/// As [`crate::backend::checked::add_scaled`], and as the kernels that it is made of.
pub fn add_scaled<B: RingKernels>(
    backend: &B,
    t: &B::Tables,
    x: &mut B::Block,
    first: usize,
    y: &Permuted<'_, B::Block>,
    constants: &[u64],
) -> Result<()> {
    let (shape, held) = (backend.shape(x), backend.shape(y.block));
    let rows = (held, &y.rows, y.galois);
    checked::add_scaled(backend.ring(t), shape, first, rows, constants)?;
    let (to, from) = (shape.basis, held.basis);
    let mut lifted = permuted(backend, t, y)?;
    // The conversion copies the limbs of `y`; what it makes of the others is multiplied by zero.
    backend.intt(t, &mut lifted)?;
    let mut lifted = backend.base_convert(t, &lifted, to)?;
    backend.ntt(t, &mut lifted)?;
    let total = backend.ring(t).q().len();
    let held: Vec<usize> = from.prime_indices(total).collect();
    let constant = |prime| {
        held.iter()
            .position(|&p| p == prime)
            .map_or(0, |i| constants[i])
    };
    let all: Vec<u64> = to.prime_indices(total).map(constant).collect();
    backend.scale_limbs(t, &mut lifted, &all)?;
    backend.add_rows(t, x, first, &lifted)
}

/// The rows meant, on their own.
///
/// # Errors
/// As [`crate::backend::checked::restrict`], and as the kernels that it is made of.
pub fn permuted<B: RingKernels>(
    backend: &B,
    t: &B::Tables,
    y: &Permuted<'_, B::Block>,
) -> Result<B::Block> {
    let basis = backend.shape(y.block).basis;
    let rows = backend.restrict(t, y.block, y.rows.clone(), basis)?;
    if y.galois == 1 {
        return Ok(rows);
    }
    backend.automorphism(t, &rows, y.galois)
}

/// See [`RingKernels::tensor`] for the rows and bases of its blocks.
///
/// # Errors
/// As [`crate::backend::checked::tensor`], and as the kernels that it is made of.
pub fn tensor<B: RingKernels>(
    backend: &B,
    t: &B::Tables,
    x: &B::Block,
    y: &B::Block,
) -> Result<B::Block> {
    let shape = backend.shape(x);
    checked::tensor(backend.ring(t), shape, backend.shape(y))?;
    let (k, basis) = (shape.rows / 2, shape.basis);
    let y0 = backend.restrict(t, y, 0..k, basis)?;
    let y1 = backend.restrict(t, y, k..2 * k, basis)?;
    let low = backend.pointwise(t, Pointwise::Mul, x, &y0)?;
    let high = backend.pointwise(t, Pointwise::Mul, x, &y1)?;
    let constant = backend.restrict(t, &low, 0..k, basis)?;
    let mut middle = backend.restrict(t, &low, k..2 * k, basis)?;
    let cross = backend.restrict(t, &high, 0..k, basis)?;
    backend.pointwise_assign(t, Pointwise::Add, &mut middle, &cross)?;
    let quadratic = backend.restrict(t, &high, k..2 * k, basis)?;
    backend.stack(t, &[&constant, &middle, &quadratic])
}

/// See [`RingKernels::embed`] for the rows and bases of its blocks.
///
/// # Errors
/// As [`crate::backend::checked::embed`], and as the kernels that it is made of.
pub fn embed<B: RingKernels>(
    backend: &B,
    t: &B::Tables,
    basis: Basis,
    coefficients: &[i64],
    m: usize,
) -> Result<B::Block> {
    let ring = backend.ring(t);
    let rows = checked::embed(ring, basis, coefficients, m)?.rows;
    let (n, gap) = (ring.degree(), ring.degree() / m);
    let mut residues = vec![0; rows * basis.limbs() * n];
    let mut polynomials = residues.chunks_exact_mut(n);
    for row in coefficients.chunks_exact(m) {
        for (modulus, polynomial) in ring.moduli(basis).zip(&mut polynomials) {
            for (&c, target) in row.iter().zip(polynomial.iter_mut().step_by(gap)) {
                *target = modulus.reduce_i64(c);
            }
        }
    }
    let mut block = backend.upload(t, rows, basis, &residues)?;
    backend.ntt(t, &mut block)?;
    Ok(block)
}
