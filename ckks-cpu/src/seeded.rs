//! What follows from a seed: uniform polynomials, masked ones, and the halves of switching keys.

use crate::device::{Block, CpuBackend};
use crate::failure::Failure;
use crate::kernels::{Kernels, Prime};
use crate::key::SwitchKey;
use crate::ring::{positions, tasks};
use crate::simd::ChaCha;
use crate::tables::Tables;
use crate::transfer::limb_offsets;
use ckks_math::Result;
use ckks_math::backend::packed::packed_len;
use ckks_math::backend::{Basis, Masks, Pointwise, SeededKeyData, checked};
use ckks_math::sampling::{Seed, UniformStream};

impl CpuBackend {
    /// The generator of 16 blocks at a time, if the kernels in use admit it.
    fn chacha(&self) -> Option<ChaCha> {
        match self.kernels {
            Kernels::Reference => None,
            Kernels::Vector(vector) => vector.chacha(),
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
        checked::uniform(&t.ring, first, rows, basis)?;
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
        let shape = checked::masked(&t.ring, basis, masks, |x| x.shape)?;
        let mut out = self.block(t, shape.rows, basis)?;
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
        let shape = checked::seeded_key(&t.ring, key)?;
        let (digits, limbs) = (shape.digits(), key.basis.limbs());
        let offsets = limb_offsets(&t.ring, digits, key.basis);
        let indices: Vec<_> = key.basis.prime_indices(t.ring.q().len()).collect();
        let primes = t.primes(key.basis);
        let (chacha, packer) = (self.chacha(), self.packer());
        self.make_key(t, shape, |limb, digit, words, b, a| {
            let bits = primes[limb].modulus().bits();
            let packed = &key.b[offsets[digit * limbs + limb]..];
            let bytes = packed_len(words.start, bits)..packed_len(words.end, bits);
            packer.unpack(&packed[bytes], bits, b);
            let stream = (key.seed, digit, indices[limb]);
            uniform_piece(chacha, stream, primes[limb], words.start, a)
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
