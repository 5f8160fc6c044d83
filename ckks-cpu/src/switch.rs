//! Key switching over blocks.

use crate::device::{Block, CpuBackend};
use crate::failure::Failure;
use crate::fused_switch::FusedSwitch;
use crate::key::SwitchKey;
use crate::ring::{by_limb, positions};
use crate::tables::Tables;
use ckks_math::Result;
use ckks_math::backend::{Basis, SeededKeyData, SwitchKernels, SwitchKeyData, checked, derived};
use std::ops::Range;

impl CpuBackend {
    fn dot_permuted(
        &self,
        t: &Tables,
        digits: &Block,
        galois: Option<u64>,
        key: &SwitchKey,
    ) -> Result<Block> {
        let by = galois.unwrap_or(1);
        let rows = checked::digits("dot_key", &t.ring, digits.shape, by, key.shape)?;
        let basis = digits.shape.basis;
        let used = basis.q_len().div_ceil(key.shape.digit_size);
        let permutation = galois.map(|g| t.permutation(g));
        let at = positions(basis, key.shape.basis);
        let primes = t.primes(basis);
        let (packer, failure) = (self.packer(), Failure::default());
        let mut out = self.block(t, 2 * rows, basis)?;
        let tasks = by_limb(&mut out).into_iter().enumerate().collect();
        self.for_each(
            digits.words.len(),
            tasks,
            |(limb, mut outs): (usize, Vec<&mut [u64]>)| {
                failure.watch(|| {
                    let xs: Vec<_> = (0..digits.shape.rows)
                        .map(|row| digits.limb(row, limb))
                        .collect();
                    let mut memory = self.pool.take(key.piece_words(used))?;
                    for runs in key.pieces() {
                        let words = key.words_of(&runs);
                        let key = key.unpack(packer, at[limb], runs.clone(), used, &mut memory);
                        let mut outs: Vec<_> =
                            outs.iter_mut().map(|out| &mut out[words.clone()]).collect();
                        match &permutation {
                            Some(whole) => {
                                let part = whole.part(runs.start);
                                primes[limb].dot(&mut outs, &xs, Some(&part), key);
                            }
                            None => {
                                let xs: Vec<_> = xs.iter().map(|x| &x[words.clone()]).collect();
                                primes[limb].dot(&mut outs, &xs, None, key);
                            }
                        }
                    }
                    Ok(())
                });
            },
        );
        failure.into_result()?;
        Ok(out)
    }
}

impl SwitchKernels for CpuBackend {
    type SwitchKey = SwitchKey;

    fn load_switch_key(&self, t: &Tables, key: &SwitchKeyData<'_>) -> Result<SwitchKey> {
        let shape = checked::switch_key(&t.ring, key)?;
        let (limbs, degree) = (key.basis.limbs(), t.ring.degree());
        let halves = |limb: usize, digit: usize, words: Range<usize>| {
            let from = (digit * limbs + limb) * degree;
            let of = from + words.start..from + words.end;
            (&key.b[of.clone()], &key.a[of])
        };
        self.make_key(t, shape, |limb, digit, words, b, a| {
            let (from_b, from_a) = halves(limb, digit, words);
            b.copy_from_slice(from_b);
            a.copy_from_slice(from_a);
            Ok(())
        })
    }

    fn load_seeded_key(&self, t: &Tables, key: &SeededKeyData<'_>) -> Result<SwitchKey> {
        self.expand_key(t, key)
    }

    fn decompose(&self, t: &Tables, x: &Block, digit_size: usize, special: usize) -> Result<Block> {
        checked::decompose(&t.ring, x.shape, digit_size, special)?;
        let to = Basis::qp(x.shape.basis.q_len(), special);
        match FusedSwitch::of(t, to) {
            Some(pieces) => self.decompose_fused(t, &pieces, x, digit_size, to),
            None => derived::decompose(self, t, x, digit_size, special),
        }
    }

    fn divide_round(&self, t: &Tables, x: &Block, dropped: Basis, kept: Basis) -> Result<Block> {
        checked::divide_round(&t.ring, x.shape, dropped, kept)?;
        match FusedSwitch::of(t, x.shape.basis) {
            Some(pieces) => self.divide_fused(t, &pieces, x, dropped, kept),
            None => derived::divide_round(self, t, x, dropped, kept),
        }
    }

    fn key_product(&self, t: &Tables, x: &Block, key: &SwitchKey) -> Result<Block> {
        checked::key_product("key_product", &t.ring, x.shape, key.shape)?;
        let special = usize::from(key.shape.basis.special);
        let to = Basis::qp(x.shape.basis.q_len(), special);
        match FusedSwitch::of(t, to) {
            Some(pieces) => self.dot_fused(t, &pieces, x, key, to),
            None => derived::key_product(self, t, x, key),
        }
    }

    fn switch_key_layout(&self, key: &SwitchKey) -> (Basis, usize) {
        (key.shape.basis, key.shape.digit_size)
    }

    fn dot_key(&self, t: &Tables, digits: &Block, key: &SwitchKey) -> Result<Block> {
        self.dot_permuted(t, digits, None, key)
    }

    fn dot_key_permuted(
        &self,
        t: &Tables,
        digits: &Block,
        galois: u64,
        key: &SwitchKey,
    ) -> Result<Block> {
        self.dot_permuted(t, digits, Some(galois), key)
    }
}
