//! The inner product of digits with a switching key.

use super::{LANES, Permutation};
use ckks_math::arith::Modulus;

/// Products of words below `2^61` that fit 128 bits together.
const LAZY: usize = 32;

/// A piece of a limb of a switching key, in the order in which it is read: for each run of
/// [`LANES`] words (of `N` on smaller rings), for each digit, the run of `b` then that of `a`.
#[derive(Clone, Copy)]
pub struct KeyLimb<'a> {
    pub words: &'a [u64],
    /// Digits in the words, at least those read.
    pub digits: usize,
}

/// See [`super::Prime::dot`].
pub fn dot(
    m: Modulus,
    outs: &mut [&mut [u64]],
    xs: &[&[u64]],
    permutation: Option<&Permutation>,
    key: KeyLimb<'_>,
) {
    let (out_b, out_a) = outs.split_at_mut(outs.len() / 2);
    let rows = out_b.len();
    let Some(len) = out_b.first().map(|out| out.len()) else {
        return;
    };
    let width = len.min(LANES);
    for j in 0..len {
        let from = permutation.map_or(j, |p| p.source(j));
        let run = &key.words[j / width * key.digits * 2 * width..][..key.digits * 2 * width];
        for r in 0..rows {
            let (mut sum_b, mut sum_a) = (0_u128, 0_u128);
            for (d, digit) in xs.chunks_exact(rows).enumerate() {
                let x = u128::from(digit[r][from]);
                if d % LAZY == LAZY - 1 {
                    sum_b = u128::from(m.reduce_u128(sum_b));
                    sum_a = u128::from(m.reduce_u128(sum_a));
                }
                sum_b += x * u128::from(run[2 * d * width + j % width]);
                sum_a += x * u128::from(run[(2 * d + 1) * width + j % width]);
            }
            out_b[r][j] = m.reduce_u128(sum_b);
            out_a[r][j] = m.reduce_u128(sum_a);
        }
    }
}
