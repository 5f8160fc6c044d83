//! Sums of scaled slices: the core of base conversion, combinations and matrix products.

use ckks_math::arith::Modulus;

/// Products of words below `2^61` that fit 128 bits together.
const LAZY: usize = 32;

/// `out <- sum_i weights[i] xs[i]`, words of `xs` below `2^61`.
pub fn linear(m: Modulus, out: &mut [u64], xs: &[&[u64]], weights: &[u64]) {
    for (j, out) in out.iter_mut().enumerate() {
        let mut sum = 0_u128;
        for (xs, weights) in xs.chunks(LAZY).zip(weights.chunks(LAZY)) {
            sum = u128::from(m.reduce_u128(sum));
            for (x, &w) in xs.iter().zip(weights) {
                sum += u128::from(x[j]) * u128::from(w);
            }
        }
        *out = m.reduce_u128(sum);
    }
}
