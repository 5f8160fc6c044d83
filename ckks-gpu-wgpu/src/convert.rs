//! Launches of base conversions.

use crate::backend::WgpuBackend;
use crate::block::{Block, count, lines};
use crate::launch::Elements;
use crate::tables::Tables;
use ckks_math::Result;
use ckks_math::backend::Basis;

/// Target limbs of one thread; as in `base_convert.wgsl`.
const TARGETS: usize = 4;

/// What a base conversion reads and how it is cut.
pub(crate) struct Lift<'a> {
    /// Coefficients.
    pub x: &'a Block,
    /// What limbs of a digit's own primes are copied from.
    pub own: &'a Block,
    /// Limbs of a digit.
    pub digit_size: usize,
}

impl WgpuBackend {
    /// Lifts every digit of `x` to `to`: rows `d * R + r`.
    pub(crate) fn lift(&self, t: &Tables, lift: &Lift<'_>, to: Basis) -> Result<Block> {
        let (from, rows) = (lift.x.shape.basis, lift.x.shape.rows);
        let (sources, digit_size) = (from.limbs(), lift.digit_size.max(1));
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
}
