//! Uniform residues modulo a prime: the public, seed-compressed halves of keys and ciphertexts.
//!
//! # Definition (part of the wire format)
//!
//! For a seed, a polynomial index `p` and a limb index `l`, let `W(0), W(1), ...` be the key stream
//! of ChaCha20 (20 rounds, 64-bit block counter from 0, 64-bit nonce `l`) with key
//! `seed.derive("uniform", p)`, read as little-endian 64-bit words (eight per block). With
//! `M = 2^64 - (2^64 mod q)`, coefficient `i < 2^32` is
//!
//! ```text
//! W(t 2^32 + i) mod q,  t >= 0 the smallest with W(t 2^32 + i) < M.
//! ```
//!
//! The result is exactly uniform, and each coefficient depends on no other: limbs, coefficients and
//! GPU threads can be computed in any order. A retry has probability `(2^64 mod q) / 2^64`, at most
//! 1/8 for `q <= 2^61` and negligible for small primes and for primes just below a power of two.

use rand_core::RngCore;

use super::SamplingError;
use super::chacha::for_each_word;
use super::seed::Seed;

/// Key-stream words per group that the generator computes at once.
const GROUP: u64 = 32;

/// The stream of one limb of a polynomial, for those who compute its words themselves.
///
/// Coefficient `i` is word `i` of the key stream of [`UniformStream::key`] and
/// [`UniformStream::nonce`] modulo `q`, unless that word is above [`UniformStream::last`]:
/// [`UniformStream::retry`] finds those few.
#[derive(Clone, Debug)]
pub struct UniformStream {
    key: Seed,
    nonce: u64,
    q: u64,
    last: u64,
}

impl UniformStream {
    /// The stream of limb `limb` of polynomial `polynomial` of a seed, modulo `q`.
    ///
    /// # Errors
    /// [`SamplingError::Modulus`] unless `2 <= q <= 2^63`, [`SamplingError::Limb`] for a limb index
    /// of 2^63 or more.
    pub fn new(seed: &Seed, polynomial: u64, limb: u64, q: u64) -> Result<Self, SamplingError> {
        if !(2..=1 << 63).contains(&q) {
            return Err(SamplingError::Modulus { modulus: q });
        }
        if limb >= 1 << 63 {
            return Err(SamplingError::Limb { limb });
        }
        let excess = (u64::MAX % q + 1) % q;
        Ok(Self {
            key: seed.derive("uniform", polynomial),
            nonce: limb,
            q,
            last: u64::MAX - excess,
        })
    }

    /// The ChaCha20 key.
    #[must_use]
    pub const fn key(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// The nonce.
    #[must_use]
    pub const fn nonce(&self) -> u64 {
        self.nonce
    }

    /// The largest word that is accepted, `M - 1`.
    #[must_use]
    pub const fn last(&self) -> u64 {
        self.last
    }

    /// Coefficients `0 .. out.len()`.
    ///
    /// # Errors
    /// [`SamplingError::Length`] above 2^32 coefficients.
    pub fn fill(&self, out: &mut [u64]) -> Result<(), SamplingError> {
        self.fill_from(0, out)
    }

    /// Coefficients `start .. start + out.len()`.
    ///
    /// # Errors
    /// [`SamplingError::Length`] for coefficients beyond 2^32.
    pub fn fill_from(&self, start: usize, out: &mut [u64]) -> Result<(), SamplingError> {
        let end = start.saturating_add(out.len());
        if end as u64 > 1 << 32 {
            return Err(SamplingError::Length { length: end });
        }
        let reduce = self.reducer();
        let mut rejected = Vec::new();
        let mut rng = self.key.stream(self.nonce);
        // Positions count 32-bit words.
        rng.set_word_pos(2 * start as u128);
        for_each_word(&mut rng, out.len(), |i, word| {
            out[i] = reduce(word);
            if word > self.last {
                rejected.push((start + i) as u32);
            }
        });
        self.retry(rejected, |i, residue| out[i as usize - start] = residue);
        Ok(())
    }

    /// Calls `put(i, residue)` for coefficients `i` whose first word was rejected.
    pub fn retry(&self, mut rejected: Vec<u32>, mut put: impl FnMut(u32, u64)) {
        let reduce = self.reducer();
        let mut rng = self.key.stream(self.nonce);
        let mut attempt = 1;
        let mut bytes = [0; 8 * GROUP as usize];
        while !rejected.is_empty() {
            let mut loaded = None;
            rejected.retain(|&i| {
                let wide = u64::from(i);
                if loaded != Some(wide / GROUP) {
                    rng.set_word_pos(2 * ((attempt << 32) + u128::from(wide / GROUP * GROUP)));
                    rng.fill_bytes(&mut bytes);
                    loaded = Some(wide / GROUP);
                }
                let at = 8 * (wide % GROUP) as usize;
                let word = u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
                if word <= self.last {
                    put(i, reduce(word));
                }
                word > self.last
            });
            attempt += 1;
        }
    }

    /// `x mod q`, by Barrett reduction.
    fn reducer(&self) -> impl Fn(u64) -> u64 + use<> {
        let q = self.q;
        let ratio = ((1_u128 << 64) / u128::from(q)) as u64;
        move |x| {
            let quotient = ((u128::from(x) * u128::from(ratio)) >> 64) as u64;
            let r = x - quotient * q;
            r.min(r.wrapping_sub(q))
        }
    }
}

/// Fills `out` with uniform residues in `[0, q)`, as the module documentation defines them.
///
/// `polynomial` and `limb` name the stream; give the limbs of one polynomial the same seed and
/// polynomial index.
///
/// # Errors
/// As [`UniformStream::new`] and [`UniformStream::fill`].
pub fn uniform_mod(
    seed: &Seed,
    polynomial: u64,
    limb: u64,
    q: u64,
    out: &mut [u64],
) -> Result<(), SamplingError> {
    UniformStream::new(seed, polynomial, limb, q)?.fill(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIMES: [u64; 5] = [
        0x7ffe_6001,
        (1 << 50) + 0x2_0001,
        (1 << 60) - 93,
        1_297_036_692_682_702_849, // near 9/8 * 2^60: one word in 64 is rejected
        (1 << 61) - 1,
    ];

    #[test]
    fn every_coefficient_follows_the_definition_alone() {
        let seed = Seed::from_bytes([3; 32]);
        for q in [(1_u64 << 63) - 25, 1 << 63, PRIMES[3], 2, 3] {
            let mut row = vec![0; 1000];
            uniform_mod(&seed, 4, 9, q, &mut row).unwrap();
            let mut rng = seed.derive("uniform", 4).stream(9);
            for (i, &r) in row.iter().enumerate() {
                let (attempt, word) = (0..64_u128)
                    .map(|t| {
                        rng.set_word_pos(2 * ((t << 32) + i as u128));
                        (t, rng.next_u64())
                    })
                    .find(|&(_, word)| {
                        u128::from(word) < (1 << 64) - (1_u128 << 64) % u128::from(q)
                    })
                    .unwrap();
                assert_eq!(r, word % q, "coefficient {i}, attempt {attempt}");
            }
        }
    }

    #[test]
    fn golden_residues() {
        let mut row = [0; 4];
        uniform_mod(&Seed::from_bytes([1; 32]), 2, 3, PRIMES[2], &mut row).unwrap();
        assert_eq!(row, GOLDEN);
    }

    /// Computed from the definition by an independent implementation of ChaCha20.
    const GOLDEN: [u64; 4] = [
        293_933_480_030_869_060,
        58_860_937_173_773_574,
        673_072_456_546_475_347,
        697_483_546_956_248_237,
    ];

    #[test]
    fn mean_variance_and_chi_square() {
        let n = 1 << 16;
        for (limb, q) in PRIMES.into_iter().enumerate() {
            let mut row = vec![0; n];
            uniform_mod(&Seed::from_bytes([9; 32]), 0, limb as u64, q, &mut row).unwrap();
            let unit: Vec<f64> = row.iter().map(|&r| r as f64 / q as f64).collect();
            assert!(row.iter().all(|&r| r < q));
            let mean = unit.iter().sum::<f64>() / n as f64;
            let variance = unit.iter().map(|u| (u - 0.5).powi(2)).sum::<f64>() / n as f64;
            // Five standard errors: sqrt(1/12n) of the mean, sqrt(1/180n) of the variance.
            assert!((mean - 0.5).abs() < 5.0 * (1.0 / (12.0 * n as f64)).sqrt());
            assert!((variance - 1.0 / 12.0).abs() < 5.0 * (1.0 / (180.0 * n as f64)).sqrt());
            let mut bins = [0_u32; 256];
            for u in unit {
                bins[(u * 256.0) as usize] += 1;
            }
            let expected = n as f64 / 256.0;
            let chi: f64 = bins
                .iter()
                .map(|&b| (f64::from(b) - expected).powi(2) / expected)
                .sum();
            // 255 degrees of freedom: mean 255, deviation 22.6.
            assert!((142.0..368.0).contains(&chi), "q {q}: chi-square {chi}");
        }
    }

    #[test]
    fn streams_differ_and_rows_extend() {
        let seed = Seed::from_bytes([2; 32]);
        let row = |p, l, n| {
            let mut row = vec![0; n];
            uniform_mod(&seed, p, l, PRIMES[4], &mut row).unwrap();
            row
        };
        let base = row(0, 0, 64);
        assert!(base.iter().zip(row(0, 1, 64)).all(|(&x, y)| x != y));
        assert!(base.iter().zip(row(1, 0, 64)).all(|(&x, y)| x != y));
        assert_eq!(base, row(0, 0, 128)[..64]);
        let wrong = uniform_mod(&seed, 0, 0, 1, &mut [0]);
        assert_eq!(wrong, Err(SamplingError::Modulus { modulus: 1 }));
        let wrong = uniform_mod(&seed, 0, 1 << 63, 3, &mut [0]);
        assert_eq!(wrong, Err(SamplingError::Limb { limb: 1 << 63 }));
    }
}
