//! The launches that operations of both GPU backends are made of: base conversion, embedding,
//! transforms of some limbs.

use crate::backend::WgpuBackend;
use crate::block::{Block, count, lines};
use crate::launch::Elements;
use crate::tables::Tables;
use ckks_math::Result;
use ckks_math::backend::gpu::{Launches, Lift};
use ckks_math::backend::{Basis, checked};

/// Bytes of coefficients that are staged at a time.
const STAGED: usize = 16 << 20;
/// Target limbs of one thread; as in `base_convert.wgsl`.
const TARGETS: usize = 4;

impl Launches for WgpuBackend {
    fn lift(&self, t: &Tables, lift: &Lift<'_, Block>, to: Basis) -> Result<Block> {
        let (x, own, digit_size) = (lift.x.shape, lift.own.shape, lift.digit_size);
        checked::lift(t.ring(), x, own, digit_size, to)?;
        let (from, rows, sources) = (x.basis, x.rows, x.basis.limbs());
        let digits = sources.div_ceil(digit_size);
        let out = self.block(t, digits * rows, to)?;
        let conversion = t.conversion(self, from, to, digit_size)?;
        let between = self.rows(rows, lines(0, sources + digits), t.ring().degree())?;
        let words = conversion.words.raw();
        let views = [between.view(), lift.x.rows.view()];
        let split = Elements {
            each: lines(0, digits),
            extra: &[digit_size as u32, sources as u32],
            also: &[(4, words)],
            ..Elements::over("digits", rows, &views)
        };
        self.launch(t, &split)?;
        let [lo, q_len, special, q_total] = lift.x.rows.limbs;
        let views = [out.rows.view(), between.view(), lift.own.rows.view()];
        let sum = Elements {
            each: lines(0, count(out.rows.limbs).div_ceil(TARGETS)),
            extra: &[
                digit_size as u32,
                sources as u32,
                conversion.weights,
                rows as u32,
                lo,
                q_len,
                special,
                q_total,
            ],
            also: &[(5, words)],
            ..Elements::over("convert", digits * rows, &views)
        };
        self.launch(t, &sum)?;
        Ok(out)
    }

    fn embed_coefficients(
        &self,
        t: &Tables,
        basis: Basis,
        coefficients: &[i64],
        m: usize,
    ) -> Result<Block> {
        let shape = checked::embed_rows(t.ring(), basis, coefficients, m)?;
        let out = self.block(t, shape.rows, basis)?;
        // Two words a coefficient: a row of them always fits, since a line of N words does.
        let piece = self.pool.piece() as usize;
        let together = (piece.min(STAGED) / (8 * m)).max(1);
        for (piece, coefficients) in coefficients.chunks(together * m).enumerate() {
            let words: &[u32] = bytemuck::cast_slice(coefficients);
            let staged = self.stage(words)?;
            let first = piece * together;
            let rows = coefficients.len().div_ceil(m);
            let views = [out.rows.from(first)];
            let work = Elements {
                extra: &[m.trailing_zeros(), coefficients.len() as u32, first as u32],
                also: &[(3, staged.raw())],
                ..Elements::over("embed", rows, &views)
            };
            self.launch(t, &work)?;
        }
        Ok(out)
    }

    fn ntt_compact(&self, t: &Tables, x: &mut Block, log_m: u32) -> Result<()> {
        checked::ntt_compact(t.ring(), x.shape, log_m)?;
        self.transform_compact(t, x, log_m)
    }

    fn ntt_digits(&self, t: &Tables, x: &mut Block, rows: usize, digit_size: usize) -> Result<()> {
        checked::block("ntt_digits", t.ring(), x.shape)?;
        let (l, special) = (x.shape.basis.q_len(), x.shape.basis.special);
        for (d, lo) in (0..l).step_by(digit_size).enumerate() {
            let hi = (lo + digit_size).min(l);
            let above = Basis {
                lo: hi as u16,
                hi: l as u16,
                special,
            };
            let bases = [Basis::q(lo), above];
            self.ntt_rows(t, x, d * rows..(d + 1) * rows, &bases)?;
        }
        Ok(())
    }

    fn ntt_divide(&self, t: &Tables, x: &mut Block, minuend: &Block, dropped: Basis) -> Result<()> {
        checked::minuend(t.ring(), x.shape, minuend.shape)?;
        self.ntt_all(t, x)?;
        let kept = x.shape.basis;
        let factors = t.division(dropped, kept)?;
        let views = [x.rows.view(), minuend.rows.view()];
        self.with_constants(t, "divide", (kept, x.shape.rows), &views, &factors)
    }
}
