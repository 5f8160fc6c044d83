//! What follows from a seed: uniform polynomials, masked ones, and the halves of switching keys.

use crate::device::{Block, CpuBackend};
use crate::kernels::{Kernels, LANES, Prime};
use crate::ring::{positions, tasks};
use crate::simd::ChaCha;
use crate::switch::SwitchKey;
use crate::tables::Tables;
use crate::transfer::limb_offsets;
use ckks_math::backend::{Basis, Masks, Pointwise, SeededKeyData, derived};
use ckks_math::sampling::{Seed, UniformStream};
use ckks_math::{Error, Result};
use std::sync::{Mutex, PoisonError};

/// Coefficients of a key expanded together: both halves of all digits stay in cache.
const PIECE: usize = 1 << 12;

/// Keeps the first error of tasks that cannot return one.
#[derive(Default)]
struct Failure(Mutex<Option<Error>>);

impl Failure {
    fn watch(&self, task: impl FnOnce() -> Result<()>) {
        if let Err(error) = task() {
            let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert(error);
        }
    }

    fn into_result(self) -> Result<()> {
        let first = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        first.map_or(Ok(()), Err)
    }
}

impl CpuBackend {
    /// The generator of 16 blocks at a time, if the kernels in use admit it.
    fn chacha(&self) -> Option<ChaCha> {
        match self.kernels {
            Kernels::Reference => None,
            Kernels::Ifma(_) => ChaCha::detect(),
        }
    }

    /// See [`ckks_math::backend::RingKernels::uniform`].
    pub(crate) fn uniform_rows(
        &self,
        t: &Tables,
        seed: &Seed,
        first: usize,
        rows: usize,
        basis: Basis,
    ) -> Result<Block> {
        let mut out = self.block(t, rows, basis)?;
        let (chacha, failure) = (self.chacha(), Failure::default());
        let indices: Vec<_> = basis.prime_indices(t.ring.q().len()).collect();
        self.for_each(out.words.len(), tasks(t, &mut out), |task| {
            let stream = (seed, first + task.row, indices[task.limb]);
            failure.watch(|| uniform_piece(chacha, stream, task.prime, 0, task.out));
        });
        failure.into_result()?;
        Ok(out)
    }

    /// See [`ckks_math::backend::RingKernels::masked`]. Each limb is finished in cache.
    pub(crate) fn masked_rows(
        &self,
        t: &Tables,
        basis: Basis,
        masks: &Masks<'_, Block>,
    ) -> Result<Block> {
        let n = t.ring.degree();
        let mut out = self.block(t, masks.check(n)?, basis)?;
        let (chacha, failure) = (self.chacha(), Failure::default());
        let indices: Vec<_> = basis.prime_indices(t.ring.q().len()).collect();
        let at = positions(basis, masks.secret.shape.basis);
        let bound = masks.errors.iter().map(|e| e.unsigned_abs()).max();
        self.for_each(2 * out.words.len(), tasks(t, &mut out), |task| {
            failure.watch(|| {
                let (prime, index) = (task.prime, indices[task.limb]);
                let errors = &masks.errors[task.row * n..][..n];
                prime.embed((&t.ring, index), task.out, errors, bound.unwrap_or(0));
                let mut mask = self.pool.take(n)?;
                uniform_piece(chacha, (masks.seed, task.row, index), prime, 0, &mut mask)?;
                let secret = masks.secret.limb(0, at[task.limb]);
                prime.pointwise_assign(Pointwise::Mul, &mut mask, secret);
                prime.pointwise_assign(Pointwise::Sub, task.out, &mask);
                if let Some(message) = masks.messages.get(task.row) {
                    let mut held = message.shape.basis.prime_indices(t.ring.q().len());
                    if let Some(limb) = held.position(|prime| prime == index) {
                        let message = message.limb(0, limb);
                        prime.pointwise_assign(Pointwise::Add, task.out, message);
                    }
                }
                Ok(())
            });
        });
        failure.into_result()?;
        Ok(out)
    }

    /// See [`ckks_math::backend::SwitchKernels::load_seeded_key`].
    pub(crate) fn expand_key(&self, t: &Tables, key: &SeededKeyData<'_>) -> Result<SwitchKey> {
        let (degree, digits, limbs) = (t.ring.degree(), key.digits(), key.basis.limbs());
        derived::check_packed(&t.ring, key.basis, digits, key.b)?;
        let offsets = limb_offsets(&t.ring, digits, key.basis);
        let indices: Vec<_> = key.basis.prime_indices(t.ring.q().len()).collect();
        let primes = t.primes(key.basis);
        let mut words = self.pool.take(2 * digits * limbs * degree)?;
        let (width, piece) = (degree.min(LANES), degree.min(PIECE));
        let (chacha, packer, failure) = (self.chacha(), self.packer(), Failure::default());
        let mut pieces = Vec::with_capacity(limbs * degree / piece);
        for (limb, out) in words.chunks_exact_mut(2 * digits * degree).enumerate() {
            for (i, out) in out.chunks_exact_mut(2 * digits * piece).enumerate() {
                pieces.push((limb, i * piece, out));
            }
        }
        let work = 2 * digits * limbs * degree;
        self.for_each(
            work,
            pieces,
            |(limb, start, out): (_, usize, &mut [u64])| {
                failure.watch(|| {
                    let (prime, bits) = (primes[limb], primes[limb].modulus().bits());
                    let mut halves = self.pool.take(2 * piece)?;
                    let (b, a) = halves.split_at_mut(piece);
                    for digit in 0..digits {
                        let from = offsets[digit * limbs + limb];
                        let packed = &key.b[from..offsets[digit * limbs + limb + 1]];
                        let bytes = start * bits as usize / 8..(start + piece) * bits as usize;
                        let bytes = bytes.start..bytes.end.div_ceil(8);
                        packer.unpack(&packed[bytes], bits, b);
                        uniform_piece(chacha, (key.seed, digit, indices[limb]), prime, start, a)?;
                        let pairs = b.chunks_exact(width).zip(a.chunks_exact(width));
                        for ((b, a), out) in pairs.zip(out.chunks_exact_mut(2 * digits * width)) {
                            let out = &mut out[2 * digit * width..][..2 * width];
                            out[..width].copy_from_slice(b);
                            out[width..].copy_from_slice(a);
                        }
                    }
                    Ok(())
                });
            },
        );
        failure.into_result()?;
        Ok(SwitchKey {
            basis: key.basis,
            digit_size: key.digit_size,
            digits,
            words,
        })
    }
}

/// Coefficients from `start` on of the stream that seed, polynomial and prime index name.
fn uniform_piece(
    chacha: Option<ChaCha>,
    (seed, polynomial, index): (&Seed, usize, usize),
    prime: &Prime,
    start: usize,
    out: &mut [u64],
) -> Result<()> {
    let m = prime.modulus();
    let stream = UniformStream::new(seed, polynomial as u64, index as u64, m.value())?;
    match chacha {
        Some(chacha) if ChaCha::takes(m, start, out.len()) => {
            let rejected = chacha.residues(&stream, m, start, out);
            let absolute = rejected.iter().map(|&i| i + start as u32).collect();
            stream.retry(absolute, |i, residue| out[i as usize - start] = residue);
        }
        _ => stream.fill_from(start, out)?,
    }
    Ok(())
}
