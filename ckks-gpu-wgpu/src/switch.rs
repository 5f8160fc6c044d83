//! Key switching over blocks.

use crate::backend::WgpuBackend;
use crate::block::Block;
use crate::launch::Elements;
use crate::ring::real;
use crate::tables::Tables;
use ckks_math::Result;
use ckks_math::backend::checked::KeyShape;
use ckks_math::backend::gpu::bodies;
use ckks_math::backend::{
    Basis, Device, RingKernels, SeededKeyData, SwitchKernels, SwitchKeyData, checked,
};

/// A switching key on the device: rows `2 d` and `2 d + 1` are `b_d` and `a_d`.
pub struct SwitchKey {
    shape: KeyShape,
    rows: Block,
}

impl WgpuBackend {
    /// `galois` 1: the digits as they are.
    fn dot(&self, t: &Tables, digits: &Block, galois: u64, key: &SwitchKey) -> Result<Block> {
        let rows = checked::digits("dot_key", t.ring(), digits.shape, galois, key.shape)?;
        let basis = digits.shape.basis;
        let used = basis.q_len().div_ceil(key.shape.digit_size);
        let blocks = [&digits.rows, &key.rows.rows];
        let out = self.block(t, 2 * rows, basis)?;
        let seen = blocks.iter().all(|rows| rows.whole().is_some()) && out.rows.whole().is_some();
        if !seen {
            return self.dot_in_parts(t, digits, galois, key);
        }
        let views = [out.rows.view(), digits.rows.view(), key.rows.rows.view()];
        let work = Elements {
            flags: real(t),
            extra: &[used as u32, rows as u32, galois as u32],
            ..Elements::over("key_product", rows, &views)
        };
        self.launch(t, &work)?;
        Ok(out)
    }

    /// The same where a block lies in several buffers: digit after digit, half after half.
    fn dot_in_parts(
        &self,
        t: &Tables,
        digits: &Block,
        galois: u64,
        key: &SwitchKey,
    ) -> Result<Block> {
        let permuted;
        let digits = match galois {
            1 => digits,
            _ => {
                permuted = self.automorphism(t, digits, galois)?;
                &permuted
            }
        };
        let basis = digits.shape.basis;
        let used = basis.q_len().div_ceil(key.shape.digit_size);
        let rows = digits.shape.rows / used;
        let out = self.alloc(t, 2 * rows, basis)?;
        for d in 0..used {
            for half in 0..2 {
                let views = [
                    out.rows.from(half * rows),
                    digits.rows.from(d * rows),
                    key.rows.rows.repeated(2 * d + half),
                ];
                let work = Elements::over("multiply_accumulate", rows, &views);
                self.launch(t, &work)?;
            }
        }
        Ok(out)
    }
}

impl SwitchKernels for WgpuBackend {
    type SwitchKey = SwitchKey;

    fn load_switch_key(&self, t: &Tables, key: &SwitchKeyData<'_>) -> Result<SwitchKey> {
        let shape = checked::switch_key(t.ring(), key)?;
        let row = key.basis.limbs() * t.ring().degree();
        let rows = self.block(t, 2 * key.digits(), key.basis)?;
        let pairs = key.b.chunks_exact(row).zip(key.a.chunks_exact(row));
        for (d, (b, a)) in pairs.enumerate() {
            self.send(&rows, 2 * d, b)?;
            self.send(&rows, 2 * d + 1, a)?;
        }
        self.import(t, &rows)?;
        Ok(SwitchKey { shape, rows })
    }

    /// One half crosses the bus packed, the other is made on the device.
    fn load_seeded_key(&self, t: &Tables, key: &SeededKeyData<'_>) -> Result<SwitchKey> {
        let shape = checked::seeded_key(t.ring(), key)?;
        let digits = shape.digits();
        let rows = self.block(t, 2 * digits, key.basis)?;
        self.unpack(t, &rows, |d| 2 * d, key.b)?;
        for d in 0..digits {
            self.fill_uniform(t, &rows, 2 * d + 1, key.seed, d)?;
        }
        Ok(SwitchKey { shape, rows })
    }

    fn switch_key_layout(&self, key: &SwitchKey) -> (Basis, usize) {
        (key.shape.basis, key.shape.digit_size)
    }

    fn dot_key(&self, t: &Tables, digits: &Block, key: &SwitchKey) -> Result<Block> {
        self.dot(t, digits, 1, key)
    }

    /// All digits are lifted together, and limbs of their own primes keep their evaluations: only
    /// the others are transformed.
    fn decompose(&self, t: &Tables, x: &Block, digit_size: usize, special: usize) -> Result<Block> {
        bodies::decompose(self, t, x, digit_size, special)
    }

    fn divide_round(&self, t: &Tables, x: &Block, dropped: Basis, kept: Basis) -> Result<Block> {
        bodies::divide_round(self, t, x, dropped, kept)
    }

    fn dot_key_permuted(
        &self,
        t: &Tables,
        digits: &Block,
        galois: u64,
        key: &SwitchKey,
    ) -> Result<Block> {
        self.dot(t, digits, galois, key)
    }
}
