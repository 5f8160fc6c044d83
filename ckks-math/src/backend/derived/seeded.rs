//! Polynomials that follow from a seed, and what is masked with them.

use crate::backend::packed::{packed_row_len, unpack};
use crate::backend::{
    Basis, Masks, Pointwise, RingKernels, RingSpec, SeededKeyData, SwitchKernels, SwitchKeyData,
};
use crate::error::{Error, Result};
use crate::sampling::{Seed, UniformStream};

/// See [`RingKernels::uniform`].
pub fn uniform<B: RingKernels>(
    backend: &B,
    t: &B::Tables,
    seed: &Seed,
    first: usize,
    rows: usize,
    basis: Basis,
) -> Result<B::Block> {
    let residues = uniform_residues(backend.ring(t), seed, first, rows, basis)?;
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

/// See [`RingKernels::masked`].
pub fn masked<B: RingKernels>(
    backend: &B,
    t: &B::Tables,
    basis: Basis,
    masks: &Masks<'_, B::Block>,
) -> Result<B::Block> {
    let n = backend.ring(t).degree();
    let rows = masks.check(n)?;
    let mut out = backend.embed(t, basis, masks.errors, n)?;
    let mut product = backend.uniform(t, masks.seed, 0, rows, basis)?;
    backend.pointwise_assign(t, Pointwise::Mul, &mut product, masks.secret)?;
    backend.pointwise_assign(t, Pointwise::Sub, &mut out, &product)?;
    if masks.messages.is_empty() {
        return Ok(out);
    }
    let mut sums = Vec::with_capacity(rows);
    for (row, message) in masks.messages.iter().enumerate() {
        let held = backend.shape(message).basis;
        let whole = if held == basis {
            backend.duplicate(t, message)?
        } else {
            widened(backend, t, message, held, basis)?
        };
        let mut sum = backend.restrict(t, &out, row..row + 1, basis)?;
        backend.pointwise_assign(t, Pointwise::Add, &mut sum, &whole)?;
        sums.push(sum);
    }
    backend.stack(t, &sums.iter().collect::<Vec<_>>())
}

/// One row over a larger basis, zero on the primes that it lacks.
fn widened<B: RingKernels>(
    backend: &B,
    t: &B::Tables,
    x: &B::Block,
    held: Basis,
    basis: Basis,
) -> Result<B::Block> {
    let ring = backend.ring(t);
    let (n, total) = (ring.degree(), ring.q().len());
    let residues = backend.download(t, x)?;
    let mut whole = vec![0; basis.limbs() * n];
    for (prime, limb) in basis.prime_indices(total).zip(whole.chunks_exact_mut(n)) {
        if let Some(at) = held.prime_indices(total).position(|p| p == prime) {
            limb.copy_from_slice(&residues[at * n..(at + 1) * n]);
        }
    }
    backend.upload(t, 1, basis, &whole)
}

/// See [`SwitchKernels::load_seeded_key`].
pub fn load_seeded_key<B: SwitchKernels>(
    backend: &B,
    t: &B::Tables,
    key: &SeededKeyData<'_>,
) -> Result<B::SwitchKey> {
    let ring = backend.ring(t);
    check_packed(ring, key.basis, key.digits(), key.b)?;
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
pub fn check_packed(ring: &RingSpec, basis: Basis, rows: usize, bytes: &[u8]) -> Result<()> {
    let needed = rows * packed_row_len(ring, basis);
    if bytes.len() == needed {
        return Ok(());
    }
    Err(Error::InvalidParameters(format!(
        "{} bytes for {rows} packed rows over {basis}, which take {needed}",
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
