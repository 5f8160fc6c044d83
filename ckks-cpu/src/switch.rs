//! Key switching over blocks.

use crate::device::{Block, CpuBackend};
use crate::kernels::{KeyLimb, LANES};
use crate::pieces::Pieces;
use crate::pool::Buffer;
use crate::ring::{by_limb, positions};
use crate::tables::Tables;
use ckks_math::backend::{Basis, SeededKeyData, SwitchKernels, SwitchKeyData, derived};
use ckks_math::{Error, Result};

/// A switching key in the order in which the kernels read it, limb after limb.
pub struct SwitchKey {
    pub(crate) basis: Basis,
    pub(crate) digit_size: usize,
    pub(crate) digits: usize,
    pub(crate) words: Buffer,
}

impl SwitchKey {
    /// The limb at position `limb` of the key's basis.
    pub(crate) fn limb(&self, limb: usize) -> KeyLimb<'_> {
        let words = self.words.len() / self.basis.limbs();
        KeyLimb {
            words: &self.words[limb * words..][..words],
            digits: self.digits,
        }
    }
}

impl CpuBackend {
    fn dot_permuted(
        &self,
        t: &Tables,
        digits: &Block,
        galois: Option<u64>,
        key: &SwitchKey,
    ) -> Result<Block> {
        let basis = digits.shape.basis;
        let used = basis.q_len().div_ceil(key.digit_size);
        let rows = digits.shape.rows / used;
        debug_assert_eq!(rows * used, digits.shape.rows);
        let permutation = galois.map(|g| t.permutation(g));
        let at = positions(basis, key.basis);
        let primes = t.primes(basis);
        let mut out = self.block(t, 2 * rows, basis)?;
        let tasks = by_limb(&mut out).into_iter().enumerate().collect();
        self.for_each(
            digits.words.len(),
            tasks,
            |(limb, mut outs): (usize, Vec<&mut [u64]>)| {
                let xs: Vec<_> = (0..digits.shape.rows)
                    .map(|row| digits.limb(row, limb))
                    .collect();
                primes[limb].dot(&mut outs, &xs, permutation.as_deref(), key.limb(at[limb]));
            },
        );
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
        let tasks = words
            .chunks_exact_mut(2 * digits * degree)
            .enumerate()
            .collect();
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

    fn load_seeded_key(&self, t: &Tables, key: &SeededKeyData<'_>) -> Result<SwitchKey> {
        self.expand_key(t, key)
    }

    fn decompose(&self, t: &Tables, x: &Block, digit_size: usize, special: usize) -> Result<Block> {
        let to = Basis::qp(x.shape.basis.q_len(), special);
        match Pieces::of(t, to) {
            Some(pieces) => self.decompose_in_pieces(t, pieces, x, digit_size, to),
            None => derived::decompose(self, t, x, digit_size, special),
        }
    }

    fn mod_down(&self, t: &Tables, x: &Block) -> Result<Block> {
        let basis = x.shape.basis;
        let dropped = Basis::p(usize::from(basis.special));
        match Pieces::of(t, basis) {
            Some(pieces) => self.divide_in_pieces(t, pieces, x, dropped, Basis::q(basis.q_len())),
            None => derived::mod_down(self, t, x),
        }
    }

    fn rescale(&self, t: &Tables, x: &Block, primes: usize) -> Result<Block> {
        let l = x.shape.basis.q_len();
        let (dropped, kept) = (Basis::digit(l - primes, l), Basis::q(l - primes));
        match Pieces::of(t, x.shape.basis) {
            Some(pieces) => self.divide_in_pieces(t, pieces, x, dropped, kept),
            None => derived::rescale(self, t, x, primes),
        }
    }

    fn key_switch(&self, t: &Tables, x: &Block, key: &SwitchKey) -> Result<Block> {
        let to = Basis::qp(x.shape.basis.q_len(), usize::from(key.basis.special));
        match Pieces::of(t, to) {
            Some(pieces) => {
                let product = self.dot_in_pieces(t, pieces, x, key, to)?;
                self.mod_down(t, &product)
            }
            None => derived::key_switch(self, t, x, key),
        }
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
