//! Key switching over blocks.

use crate::backend::WgpuBackend;
use crate::block::Block;
use crate::convert::Lift;
use crate::launch::Elements;
use crate::ring::real;
use crate::tables::Tables;
use ckks_math::Result;
use ckks_math::backend::{
    Basis, Device, RingKernels, SeededKeyData, SwitchKernels, SwitchKeyData, operands,
};

/// A switching key on the device: rows `2 d` and `2 d + 1` are `b_d` and `a_d`.
pub struct SwitchKey {
    digit_size: usize,
    rows: Block,
}

impl WgpuBackend {
    /// `galois` 1: the digits as they are.
    fn dot(&self, t: &Tables, digits: &Block, galois: u64, key: &SwitchKey) -> Result<Block> {
        let basis = digits.shape.basis;
        let used = basis.q_len().div_ceil(key.digit_size);
        let rows = digits.shape.rows / used.max(1);
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
        let turned;
        let digits = match galois {
            1 => digits,
            _ => {
                turned = self.automorphism(t, digits, galois)?;
                &turned
            }
        };
        let basis = digits.shape.basis;
        let used = basis.q_len().div_ceil(key.digit_size);
        let rows = digits.shape.rows / used.max(1);
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
        operands::key_half(t.ring(), key)?;
        let row = key.basis.limbs() * t.ring().degree();
        let rows = self.block(t, 2 * key.digits(), key.basis)?;
        let pairs = key.b.chunks_exact(row).zip(key.a.chunks_exact(row));
        for (d, (b, a)) in pairs.enumerate() {
            self.send(&rows, 2 * d, b)?;
            self.send(&rows, 2 * d + 1, a)?;
        }
        self.import(t, &rows)?;
        Ok(SwitchKey {
            digit_size: key.digit_size,
            rows,
        })
    }

    /// One half crosses the bus packed, the other is made on the device.
    fn load_seeded_key(&self, t: &Tables, key: &SeededKeyData<'_>) -> Result<SwitchKey> {
        let digits = key.digits();
        let rows = self.block(t, 2 * digits, key.basis)?;
        self.unpack(t, &rows, |d| 2 * d, key.b)?;
        for d in 0..digits {
            self.fill_uniform(t, &rows, 2 * d + 1, key.seed, d)?;
        }
        Ok(SwitchKey {
            digit_size: key.digit_size,
            rows,
        })
    }

    fn switch_key_layout(&self, key: &SwitchKey) -> (Basis, usize) {
        (key.rows.shape.basis, key.digit_size)
    }

    fn dot_key(&self, t: &Tables, digits: &Block, key: &SwitchKey) -> Result<Block> {
        self.dot(t, digits, 1, key)
    }

    /// All digits are lifted together, and limbs of their own primes keep their evaluations: only
    /// the others are transformed.
    fn decompose(&self, t: &Tables, x: &Block, digit_size: usize, special: usize) -> Result<Block> {
        let (rows, l) = (x.shape.rows, x.shape.basis.q_len());
        let mut coefficients = self.duplicate(t, x)?;
        self.intt(t, &mut coefficients)?;
        let lift = Lift {
            x: &coefficients,
            own: x,
            digit_size,
        };
        let mut out = self.lift(t, &lift, Basis::qp(l, special))?;
        for (d, lo) in (0..l).step_by(digit_size).enumerate() {
            let hi = (lo + digit_size).min(l);
            let above = Basis {
                lo: hi as u16,
                hi: l as u16,
                special: special as u16,
            };
            let bases = [Basis::q(lo), above];
            self.ntt_rows(t, &mut out, d * rows..(d + 1) * rows, &bases)?;
        }
        Ok(out)
    }

    fn divide_round(&self, t: &Tables, x: &Block, dropped: Basis, kept: Basis) -> Result<Block> {
        let mut remainder = self.restrict(t, x, 0..x.shape.rows, dropped)?;
        self.intt(t, &mut remainder)?;
        let mut out = self.base_convert(t, &remainder, kept)?;
        self.ntt(t, &mut out)?;
        let factors = t.division(dropped, kept)?;
        let views = [out.rows.view(), x.rows.view()];
        self.with_constants(t, "divide", (kept, x.shape.rows), &views, &factors)?;
        Ok(out)
    }

    fn dot_key_turned(
        &self,
        t: &Tables,
        digits: &Block,
        galois: u64,
        key: &SwitchKey,
    ) -> Result<Block> {
        self.dot(t, digits, galois, key)
    }
}
