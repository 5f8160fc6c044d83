//! Key switching over blocks.

use crate::device::{Block, CpuBackend};
use crate::kernels::{KeyLimb, LANES};
use crate::pool::Buffer;
use crate::ring::positions;
use crate::tables::Tables;
use ckks_math::backend::{Basis, SwitchKernels, SwitchKeyData};
use ckks_math::{Error, Result};

/// A switching key in the order in which [`KeyLimb`] reads it, limb after limb.
pub struct SwitchKey {
    basis: Basis,
    digit_size: usize,
    digits: usize,
    words: Buffer,
}

impl CpuBackend {
    fn dot_permuted(
        &self,
        t: &Tables,
        digits: &Block,
        galois: Option<u64>,
        key: &SwitchKey,
    ) -> Result<Block> {
        let (basis, degree) = (digits.shape.basis, digits.shape.degree);
        let used = basis.q_len().div_ceil(key.digit_size);
        let rows = digits.shape.rows / used;
        debug_assert_eq!(rows * used, digits.shape.rows);
        let permutation = galois.map(|g| t.permutation(g));
        let at = positions(basis, key.basis);
        let primes = t.primes(basis);
        let mut out = self.block(t, 2 * rows, basis)?;
        let mut limbs: Vec<Vec<&mut [u64]>> = primes.iter().map(|_| Vec::new()).collect();
        for (i, piece) in out.words.chunks_exact_mut(degree).enumerate() {
            limbs[i % primes.len()].push(piece);
        }
        let key_words = 2 * key.digits * degree;
        let tasks = limbs.into_iter().enumerate().collect();
        self.for_each(digits.words.len(), tasks, |(limb, mut outs): (usize, Vec<&mut [u64]>)| {
            let xs: Vec<_> = (0..digits.shape.rows).map(|row| digits.limb(row, limb)).collect();
            let key = KeyLimb {
                words: &key.words[at[limb] * key_words..][..key_words],
                digits: key.digits,
            };
            primes[limb].dot(&mut outs, &xs, permutation.as_deref(), key);
        });
        Ok(out)
    }
}

impl SwitchKernels for CpuBackend {
    type SwitchKey = SwitchKey;

    fn load_switch_key(&self, t: &Tables, key: &SwitchKeyData<'_>) -> Result<SwitchKey> {
        let (limbs, degree, digits) = (key.basis.limbs(), t.ring.degree(), key.digits());
        let half = digits * limbs * degree;
        if key.b.len() != half || key.a.len() != half {
            return Err(Error::InvalidParameters(format!(
                "switching key: {} and {} residues where {half} are needed",
                key.b.len(),
                key.a.len()
            )));
        }
        let mut words = self.pool.take(2 * half)?;
        let width = degree.min(LANES);
        let tasks = words.chunks_exact_mut(2 * digits * degree).enumerate().collect();
        self.for_each(2 * half, tasks, |(limb, out): (usize, &mut [u64])| {
            for (run, out) in out.chunks_exact_mut(2 * digits * width).enumerate() {
                for (digit, out) in out.chunks_exact_mut(2 * width).enumerate() {
                    let from = (digit * limbs + limb) * degree + run * width;
                    out[..width].copy_from_slice(&key.b[from..][..width]);
                    out[width..].copy_from_slice(&key.a[from..][..width]);
                }
            }
        });
        Ok(SwitchKey {
            basis: key.basis,
            digit_size: key.digit_size,
            digits,
            words,
        })
    }

    fn switch_key_layout(&self, key: &SwitchKey) -> (Basis, usize) {
        (key.basis, key.digit_size)
    }

    fn dot_key(&self, t: &Tables, digits: &Block, key: &SwitchKey) -> Result<Block> {
        self.dot_permuted(t, digits, None, key)
    }

    fn dot_key_turned(
        &self,
        t: &Tables,
        digits: &Block,
        galois: u64,
        key: &SwitchKey,
    ) -> Result<Block> {
        self.dot_permuted(t, digits, Some(galois), key)
    }
}
