//! NTT-friendly primes and their roots of unity.

use super::Modulus;
use crate::error::{Error, Result};

/// Whether `n < 2^61` is prime: Miller-Rabin with the first twelve primes as bases, which is a
/// proof below `3.3 * 10^24` [Sorenson-Webster 2015].
pub fn is_prime(n: u64) -> bool {
    const BASES: [u64; 12] = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37];
    if n < 2 {
        return false;
    }
    for p in BASES {
        if n.is_multiple_of(p) {
            return n == p;
        }
    }
    let Ok(m) = Modulus::new(n) else { return false };
    let shift = (n - 1).trailing_zeros();
    let odd = (n - 1) >> shift;
    BASES.iter().all(|&base| {
        let mut x = m.pow(base % n, odd);
        if x == 1 || x == n - 1 {
            return true;
        }
        (1..shift).any(|_| {
            x = m.mul(x, x);
            x == n - 1
        })
    })
}

/// The `count` primes `q = 1 mod order` nearest to `2^bits`, alternating above and below it so that
/// their product stays near `2^(bits * count)`.
///
/// `order` is a power of two (`2N` on the standard ring, `4N` on the conjugate-invariant one).
///
/// # Errors
///
/// [`Error::NoPrimes`] when fewer exist between `2^(bits-1)` and `2^(bits+1)`.
pub fn ntt_primes(bits: u32, order: u64, count: usize) -> Result<Vec<u64>> {
    ntt_primes_excluding(bits, order, count, &[])
}

/// As [`ntt_primes`], skipping the primes of `taken`.
///
/// # Errors
/// [`Error::NoPrimes`] when fewer are left between `2^(bits-1)` and `2^(bits+1)`, for `bits` that
/// are not 2 to 60, and for an `order` that is no power of two below `2^bits`.
pub fn ntt_primes_excluding(
    bits: u32,
    order: u64,
    count: usize,
    taken: &[u64],
) -> Result<Vec<u64>> {
    let missing = || Error::NoPrimes { bits, order, count };
    if !(2..=60).contains(&bits) || !order.is_power_of_two() || order >= 1 << bits {
        return Err(missing());
    }
    let centre = 1_u64 << bits;
    let (low, high) = (
        centre / 2,
        (centre.saturating_mul(2)).min(1 << Modulus::MAX_BITS),
    );
    let mut above = (1..)
        .map(|k| centre + k * order + 1 - order)
        .take_while(|&q| q < high);
    let mut below = (1..)
        .map_while(|k| centre.checked_sub(k * order - 1))
        .take_while(|&q| q > low);
    let mut found = Vec::with_capacity(count);
    let wanted = |q: &u64| is_prime(*q) && !taken.contains(q);
    while found.len() < count {
        // Balance: take from the side that brings the product back towards 2^(bits * count).
        let next = if found.len() % 2 == 0 {
            below.find(wanted).or_else(|| above.find(wanted))
        } else {
            above.find(wanted).or_else(|| below.find(wanted))
        };
        found.push(next.ok_or_else(missing)?);
    }
    Ok(found)
}

/// The smallest primitive `order`-th root of unity that is a power of the first suitable base.
///
/// Deterministic, so that every backend evaluates at the same points.
///
/// # Errors
/// [`Error::NoPrimes`] unless `order` is a power of two that divides `q - 1`, and for a `q` that is
/// not prime and has no such root.
pub fn primitive_root_of_unity(m: Modulus, order: u64) -> Result<u64> {
    let q = m.value();
    if !order.is_power_of_two() || !(q - 1).is_multiple_of(order) {
        return Err(Error::NoPrimes {
            bits: m.bits(),
            order,
            count: 1,
        });
    }
    (2..q)
        .map(|base| m.pow(base, (q - 1) / order))
        .find(|&root| order == 1 || m.pow(root, order / 2) == q - 1)
        .ok_or(Error::NoPrimes {
            bits: m.bits(),
            order,
            count: 1,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primality_matches_trial_division() {
        for n in 0..5000_u64 {
            let naive = n > 1
                && (2..n)
                    .take_while(|d| d * d <= n)
                    .all(|d| !n.is_multiple_of(d));
            assert_eq!(is_prime(n), naive, "{n}");
        }
        assert!(is_prime((1 << 61) - 1));
        assert!(!is_prime(((1 << 31) - 1) * ((1 << 30) - 35)));
    }

    #[test]
    fn primes_are_distinct_friendly_and_centred() {
        for (bits, order) in [(30, 1 << 17), (45, 1 << 17), (50, 1 << 18), (60, 1 << 18)] {
            let primes = ntt_primes(bits, order, 10).expect("enough primes");
            let mut sorted = primes.clone();
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(sorted.len(), 10);
            let mut drift = 0.0;
            for &q in &primes {
                assert!(is_prime(q) && q % order == 1);
                drift += (q as f64).log2() - f64::from(bits);
                let m = Modulus::new(q).expect("prime");
                let root = primitive_root_of_unity(m, order).expect("a root");
                assert_eq!(m.pow(root, order), 1);
                assert_eq!(m.pow(root, order / 2), q - 1);
            }
            assert!(drift.abs() < 0.1, "{bits} bits: drift {drift}");
        }
        assert!(ntt_primes(18, 1 << 17, 5).is_err());
    }
}
