//! Sums of products with polynomials whose values fill runs.

use ckks_math::arith::Modulus;

/// Products of words below `2^61` that fit 128 bits together with a residue.
const LAZY: usize = 32;

/// See [`super::Prime::sum_products`].
pub fn sum_products(m: Modulus, out: &mut [u64], pairs: &[(&[u64], &[u64])]) {
    let words = out.len();
    for (i, out) in out.iter_mut().enumerate() {
        let mut sum = 0_u128;
        for some in pairs.chunks(LAZY) {
            sum = u128::from(m.reduce_u128(sum));
            for (x, y) in some {
                sum += u128::from(x[i]) * u128::from(y[i * y.len() / words]);
            }
        }
        *out = m.reduce_u128(sum);
    }
}
