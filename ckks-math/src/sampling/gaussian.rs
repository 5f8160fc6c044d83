//! Gaussian errors: the discrete Gaussian by table, and wide rounded Gaussians for flooding.

use rand_core::RngCore;
use zeroize::Zeroizing;

use super::SamplingError;
use super::chacha::{for_each_word, sampler_stream};
use super::seed::Seed;

/// Standard deviation of ring-LWE errors, 3.2 [Albrecht et al. 2018; Bossuat et al. 2024].
pub const SIGMA: f64 = 3.2;

/// The tail is cut at this many standard deviations; beyond lies a mass of `2^-28.9`.
const TAIL: f64 = 6.0;
/// Range of deviations of the table sampler.
const TABLE_SIGMA: (f64, f64) = (0.5, 64.0);
/// Range of deviations of the rounded sampler: results stay exact integers in double precision.
const ROUNDED_SIGMA: (f64, f64) = (0.5, 562_949_953_421_312.0);

/// The discrete Gaussian on the integers, `P(x) ~ exp(-x^2 / 2 sigma^2)`, cut at `6 sigma`.
///
/// A cumulative table of `|x|` with 63-bit entries (accurate to the 53 bits of double precision) is
/// compared in full with each random word, so the time and the addresses do not depend on the
/// result.
#[derive(Clone, Debug)]
pub struct DiscreteGaussian {
    /// `floor(2^63 P(|x| <= k))` for `k` from 0 to the bound minus one.
    table: Vec<u64>,
}

impl DiscreteGaussian {
    /// The table for the deviation `sigma`.
    ///
    /// # Errors
    /// [`SamplingError::Sigma`] unless `0.5 <= sigma <= 64`.
    pub fn new(sigma: f64) -> Result<Self, SamplingError> {
        check_sigma(sigma, TABLE_SIGMA)?;
        let bound = (TAIL * sigma).floor() as u32;
        let mass = |k: u32| {
            let weight = (-f64::from(k).powi(2) / (2.0 * sigma * sigma)).exp();
            if k == 0 { weight } else { 2.0 * weight }
        };
        // Small terms first keep the sums accurate to the last place.
        let total: f64 = (0..=bound).rev().map(mass).sum();
        let table = (0..bound)
            .map(|k| {
                let above: f64 = (k + 1..=bound).rev().map(mass).sum();
                (1 << 63) - (above / total * 2_f64.powi(63)) as u64
            })
            .collect();
        Ok(Self { table })
    }

    /// The largest absolute value it returns, `floor(6 sigma)`.
    #[must_use]
    pub fn bound(&self) -> i32 {
        self.table.len() as i32
    }

    /// `n` independent samples, a function of the seed.
    #[must_use]
    pub fn sample(&self, seed: &Seed, n: usize) -> Zeroizing<Vec<i32>> {
        let mut rng = sampler_stream(seed, "gaussian");
        let mut out = Zeroizing::new(vec![0_i32; n]);
        for_each_word(&mut rng, n, |i, word| {
            let (uniform, sign) = (word >> 1, (word & 1) as i32);
            let magnitude: i32 = self.table.iter().map(|&t| i32::from(uniform >= t)).sum();
            out[i] = (magnitude ^ -sign) + sign;
        });
        out
    }
}

/// `n` samples of the normal distribution of deviation `sigma`, each rounded to the nearest
/// integer.
///
/// For noise flooding, where `sigma` is large; by the Box-Muller transform on 53-bit uniforms,
/// hence cut at `8.6 sigma`. Not constant time.
///
/// # Errors
/// [`SamplingError::Sigma`] unless `0.5 <= sigma <= 2^49`.
pub fn rounded_gaussian(
    seed: &Seed,
    sigma: f64,
    n: usize,
) -> Result<Zeroizing<Vec<i64>>, SamplingError> {
    check_sigma(sigma, ROUNDED_SIGMA)?;
    let mut rng = sampler_stream(seed, "rounded-gaussian");
    let mut out = Zeroizing::new(vec![0_i64; n]);
    let unit = 2_f64.powi(-53);
    for pair in out.chunks_mut(2) {
        // In (0, 1], so that the logarithm is finite.
        let radius = ((rng.next_u64() >> 11) as f64 + 1.0) * unit;
        let radius = sigma * (-2.0 * radius.ln()).sqrt();
        let angle = std::f64::consts::TAU * ((rng.next_u64() >> 11) as f64 * unit);
        let (sin, cos) = angle.sin_cos();
        for (x, value) in pair.iter_mut().zip([cos, sin]) {
            *x = (radius * value).round_ties_even() as i64;
        }
    }
    Ok(out)
}

fn check_sigma(sigma: f64, (min, max): (f64, f64)) -> Result<(), SamplingError> {
    if (min..=max).contains(&sigma) {
        Ok(())
    } else {
        Err(SamplingError::Sigma { sigma, min, max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_chi_square_of_the_standard_error() {
        let n = 1 << 18;
        let gaussian = DiscreteGaussian::new(SIGMA).unwrap();
        assert_eq!(gaussian.bound(), 19);
        let errors = gaussian.sample(&Seed::from_bytes([8; 32]), n);
        let mean = errors.iter().map(|&x| f64::from(x)).sum::<f64>() / n as f64;
        let square = errors.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / n as f64;
        // Five standard errors: sigma / sqrt(n), and sigma^2 sqrt(2 / n) of the variance.
        assert!(mean.abs() < 5.0 * SIGMA / (n as f64).sqrt(), "mean {mean}");
        let spread = 5.0 * SIGMA * SIGMA * (2.0 / n as f64).sqrt();
        assert!((square - SIGMA * SIGMA).abs() < spread, "variance {square}");
        // Cells -12..=12 hold at least 30 expected samples each; the tails are pooled.
        let weight = |x: i32| (-f64::from(x).powi(2) / (2.0 * SIGMA * SIGMA)).exp();
        let total: f64 = (-19..=19).map(weight).sum();
        let mut chi = 0.0;
        let mut outside = 1.0;
        for x in -12..=12 {
            let p = weight(x) / total;
            outside -= p;
            let count = errors.iter().filter(|&&e| e == x).count();
            chi += (count as f64 - p * n as f64).powi(2) / (p * n as f64);
        }
        let count = errors.iter().filter(|e| e.abs() > 12).count();
        chi += (count as f64 - outside * n as f64).powi(2) / (outside * n as f64);
        // 25 degrees of freedom: 70 is exceeded with probability 4e-6.
        assert!(chi < 70.0, "chi-square {chi}");
    }

    #[test]
    fn table_is_increasing_and_ends_at_the_tail() {
        for sigma in [0.5, SIGMA, 64.0] {
            let gaussian = DiscreteGaussian::new(sigma).unwrap();
            assert_eq!(gaussian.bound(), (6.0 * sigma) as i32);
            assert!(gaussian.table.windows(2).all(|w| w[0] < w[1]));
            assert!(gaussian.table.iter().all(|&t| t < 1 << 63));
        }
    }

    #[test]
    fn golden_samples() {
        let errors = DiscreteGaussian::new(SIGMA)
            .unwrap()
            .sample(&Seed::from_bytes([1; 32]), 12);
        assert_eq!(errors[..], GOLDEN);
    }

    /// Computed from the definition by an independent implementation of ChaCha20.
    const GOLDEN: [i32; 12] = [1, 2, 0, -2, 5, -5, -2, -2, -2, 2, 2, -1];

    #[test]
    fn wide_gaussian_has_its_deviation_and_shape() {
        let n = 1 << 17;
        for sigma in [3.2, 1e6, 2_f64.powi(49)] {
            let noise = rounded_gaussian(&Seed::from_bytes([2; 32]), sigma, n).unwrap();
            let unit = |x: &i64| *x as f64 / sigma;
            let mean = noise.iter().map(unit).sum::<f64>() / n as f64;
            let square = noise.iter().map(|x| unit(x).powi(2)).sum::<f64>() / n as f64;
            let fourth = noise.iter().map(|x| unit(x).powi(4)).sum::<f64>() / n as f64;
            // Rounding adds a variance of 1/12; standard errors sqrt(1/n), sqrt(2/n), sqrt(96/n).
            let variance = 1.0 + 1.0 / (12.0 * sigma * sigma);
            assert!(mean.abs() < 5.0 * (1.0 / n as f64).sqrt());
            assert!((square - variance).abs() < 5.1 * (2.0 / n as f64).sqrt());
            assert!((fourth - 3.0 * variance * variance).abs() < 5.1 * (96.0 / n as f64).sqrt());
        }
        assert_eq!(
            rounded_gaussian(&Seed::from_bytes([2; 32]), 5.0, 3)
                .unwrap()
                .len(),
            3
        );
    }

    #[test]
    fn unusable_deviations_are_refused() {
        for sigma in [0.0, -1.0, f64::NAN, f64::INFINITY, 65.0] {
            assert!(matches!(
                DiscreteGaussian::new(sigma),
                Err(SamplingError::Sigma { .. })
            ));
        }
        assert!(rounded_gaussian(&Seed::from_bytes([0; 32]), 1e16, 1).is_err());
    }
}
