//! Modular matrix products beside the same product of doubles.

use super::Harness;
use crate::error::Result;
use ckks_math::arith::ntt_primes;
use ckks_math::backend::{Backend, Basis, Limits, RingKind, RingSpec};
use ckks_math::{Error, Params};
use ndarray::{Array2, linalg::general_mat_mul};

/// Rows and columns of the square matrix.
const SIZE: usize = 256;
/// Columns of the other matrix: the degree of a ring.
const LOG_COLUMNS: u32 = 12;
/// Length of the modulus, and of the entries.
const BITS: u32 = 50;

/// The primes of a modulus of [`BITS`] bits, as few as a backend admits.
fn moduli(limits: Limits) -> ckks_math::Result<Vec<u64>> {
    let count = BITS.div_ceil(limits.max_modulus_bits);
    ntt_primes(BITS / count, 2 << LOG_COLUMNS, count as usize)
}

/// `SIZE x SIZE` times `SIZE x 2^LOG_COLUMNS`: modulo [`BITS`] bits by the backend, and in doubles
/// by `ndarray`, which takes one thread. The parameter set does not matter.
pub(super) fn run<B: Backend>(
    backend: &B,
    params: &Params,
    harness: &mut impl Harness,
) -> Result<()> {
    if harness.wants("gemm/mod50") {
        let primes = moduli(backend.limits())?;
        let ring = RingSpec::new(RingKind::Standard, LOG_COLUMNS, &primes, &[])?;
        let t = backend.tables(&ring)?;
        let entries: Vec<i64> = (residues(SIZE * SIZE, primes.iter().product()).into_iter())
            .map(u64::cast_signed)
            .collect();
        let matrix = backend.load_matrix(&t, SIZE, SIZE, &entries)?;
        // Below each of the primes.
        let least = primes.iter().copied().min().unwrap_or(1);
        let words = residues((SIZE * primes.len()) << LOG_COLUMNS, least);
        let x = backend.upload(&t, SIZE, Basis::q(primes.len()), &words)?;
        harness.time("gemm/mod50", params, &mut || {
            backend.gemm(&t, &matrix, &x)?;
            Ok(backend.synchronize()?)
        })?;
    }
    if harness.wants("gemm/f64") {
        let doubles = |columns: usize| {
            let values = residues(SIZE * columns, 1 << BITS).into_iter();
            Array2::from_shape_vec((SIZE, columns), values.map(|x| x as f64).collect())
                .map_err(|e| Error::InvalidParameters(e.to_string()))
        };
        let (matrix, x) = (doubles(SIZE)?, doubles(1 << LOG_COLUMNS)?);
        let mut out = Array2::zeros(x.dim());
        harness.time("gemm/f64", params, &mut || {
            general_mat_mul(1.0, &matrix, &x, 0.0, &mut out);
            Ok(())
        })?;
    }
    Ok(())
}

/// Words below a bound, of its full length.
fn residues(count: usize, bound: u64) -> Vec<u64> {
    (0..count as u64)
        .map(|i| (i + 7).wrapping_pow(5) % bound)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One prime where the backend admits it, two where it admits 31 bits: a modulus of the same
    /// length.
    #[test]
    fn the_modulus_has_fifty_bits_on_every_backend() {
        for (max_modulus_bits, count) in [(61, 1), (31, 2)] {
            let limits = Limits {
                max_modulus_bits,
                max_degree: 1 << 17,
            };
            let primes = moduli(limits).unwrap();
            assert_eq!(primes.len(), count);
            let bits = primes.iter().map(|&q| (q as f64).log2()).sum::<f64>();
            assert!((bits - 50.0).abs() < 0.1, "{bits}");
        }
    }
}
