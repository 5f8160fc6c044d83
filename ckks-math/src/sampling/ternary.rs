//! Ternary secrets: uniform over {-1, 0, 1}, or of a fixed Hamming weight.
//!
//! Running time depends on the key stream (rejection) and, for fixed weight, memory addresses
//! depend on the positions drawn: sample where no attacker shares the caches.

use rand_core::RngCore;
use zeroize::{Zeroize, Zeroizing};

use super::SamplingError;
use super::chacha::{below, sampler_stream};
use super::seed::Seed;

/// `n` coefficients, each uniform in {-1, 0, 1}: the dense ternary secret.
///
/// Bytes below `3^5` of the key stream give five base-3 digits each, others are skipped.
#[must_use]
pub fn ternary(seed: &Seed, n: usize) -> Zeroizing<Vec<i8>> {
    let mut rng = sampler_stream(seed, "ternary");
    let mut out = Zeroizing::new(vec![0_i8; n]);
    let mut bytes = [0_u8; 1024];
    let mut filled = 0;
    while filled < n {
        rng.fill_bytes(&mut bytes);
        for &byte in bytes.iter().filter(|&&b| b < 243) {
            let mut rest = byte;
            for digit in out[filled..].iter_mut().take(5) {
                *digit = (rest % 3) as i8 - 1;
                rest /= 3;
                filled += 1;
            }
        }
    }
    bytes.zeroize();
    out
}

/// `n` coefficients of which exactly `weight`, uniformly chosen, are +1 or -1 with equal chance.
///
/// The positions are the head of a Fisher-Yates shuffle.
///
/// # Errors
/// [`SamplingError::Weight`] if `weight > n`, [`SamplingError::Length`] above 2^31 coefficients.
pub fn ternary_fixed_weight(
    seed: &Seed,
    n: usize,
    weight: usize,
) -> Result<Zeroizing<Vec<i8>>, SamplingError> {
    if n > 1 << 31 {
        return Err(SamplingError::Length { length: n });
    }
    if weight > n {
        return Err(SamplingError::Weight { weight, length: n });
    }
    let mut rng = sampler_stream(seed, "ternary-fixed-weight");
    let mut order = Zeroizing::new((0..n as u32).collect::<Vec<_>>());
    let mut out = Zeroizing::new(vec![0_i8; n]);
    for i in 0..weight {
        let j = i + below(&mut rng, (n - i) as u32) as usize;
        order.swap(i, j);
        out[order[i] as usize] = if rng.next_u32() & 1 == 0 { 1 } else { -1 };
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dense_coefficients_are_equally_likely_in_pairs() {
        let n = 1 << 18;
        let secret = ternary(&Seed::from_bytes([4; 32]), n);
        let mut pairs = [0_u32; 9];
        for pair in secret.chunks_exact(2) {
            pairs[(3 * (pair[0] + 1) + pair[1] + 1) as usize] += 1;
        }
        let expected = n as f64 / 18.0;
        let chi: f64 = pairs
            .iter()
            .map(|&b| (f64::from(b) - expected).powi(2) / expected)
            .sum();
        // 8 degrees of freedom: 40 is exceeded with probability 3e-6.
        assert!(chi < 40.0, "chi-square {chi}");
        assert_eq!(ternary(&Seed::from_bytes([4; 32]), 7)[..], secret[..7]);
        assert!(ternary(&Seed::from_bytes([4; 32]), 0).is_empty());
    }

    #[test]
    fn fixed_weight_is_met_and_spread_evenly() {
        let (n, h, draws) = (64, 32, 2000);
        let mut hits = vec![0_u32; n];
        let mut sum = 0_i32;
        for k in 0..draws {
            let secret =
                ternary_fixed_weight(&Seed::from_bytes([5; 32]).derive("t", k), n, h).unwrap();
            assert_eq!(secret.iter().filter(|&&x| x != 0).count(), h);
            for (hit, &x) in hits.iter_mut().zip(secret.iter()) {
                *hit += u32::from(x != 0);
                sum += i32::from(x);
            }
        }
        // Each position is hit with probability 1/2: five standard deviations of a binomial.
        let spread = 5.0 * (draws as f64 / 4.0).sqrt();
        assert!(
            hits.iter()
                .all(|&hit| (f64::from(hit) - draws as f64 / 2.0).abs() < spread)
        );
        // A random walk of h * draws steps.
        assert!(f64::from(sum).abs() < 5.0 * (h as f64 * draws as f64).sqrt());
    }

    #[test]
    fn extreme_weights_and_refusal() {
        let seed = Seed::from_bytes([6; 32]);
        assert!(
            ternary_fixed_weight(&seed, 16, 16)
                .unwrap()
                .iter()
                .all(|&x| x != 0)
        );
        assert!(
            ternary_fixed_weight(&seed, 16, 0)
                .unwrap()
                .iter()
                .all(|&x| x == 0)
        );
        let wrong = ternary_fixed_weight(&seed, 16, 17).unwrap_err();
        assert_eq!(
            wrong,
            SamplingError::Weight {
                weight: 17,
                length: 16
            }
        );
    }
}
