//! 128-bit security by published tables.

use super::ParamsLiteral;
use crate::backend::RingSpec;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Distribution of a secret key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SecretDistribution {
    /// Coefficients uniform in `{-1, 0, 1}`.
    Ternary,
    /// Exactly `weight` coefficients are `1` or `-1`, the others 0.
    SparseTernary {
        /// Hamming weight `h`.
        weight: usize,
    },
}

impl fmt::Display for SecretDistribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ternary => write!(f, "uniform ternary secrets"),
            Self::SparseTernary { weight } => write!(f, "ternary secrets of weight {weight}"),
        }
    }
}

/// Largest `log2 QP` with 128-bit classical security for error deviation 3.2, or `None` where no
/// published bound is known to us (such a set is refused).
///
/// * Uniform ternary: the 2024 guidelines [Bossuat et al., ePrint 2024/463, Table 5.2].
/// * Weight 192: the sparse sets published with [Bossuat et al. 2021, 2022] and their library:
///   1553 bits at `N = 2^16`, 768 at `2^15`. A heavier sparse secret is judged by this bound too.
/// * Weight 32, for the ephemeral secret of bootstrapping only [Bossuat-Troncoso-Hubaux 2022]:
///   121 bits at `2^16`, 84 at `2^15` (moduli `q0 p0` of the same published sets).
pub fn security_bound(secret: SecretDistribution, log_n: u32) -> Option<u32> {
    let table: &[(u32, u32)] = match secret {
        SecretDistribution::Ternary => &[
            (10, 26),
            (11, 53),
            (12, 106),
            (13, 214),
            (14, 430),
            (15, 868),
            (16, 1747),
            (17, 3523),
        ],
        SecretDistribution::SparseTernary { weight } if weight >= 192 => &[(15, 768), (16, 1553)],
        SecretDistribution::SparseTernary { weight } if weight >= 32 => &[(15, 84), (16, 121)],
        SecretDistribution::SparseTernary { .. } => &[],
    };
    table.iter().find(|row| row.0 == log_n).map(|row| row.1)
}

/// The security of a set: `Some(128)`, or an error, or `None` when `secure` is not asked for.
/// `base` is the number of primes of level 0.
pub(super) fn check(
    literal: &ParamsLiteral,
    log_qp: f64,
    ring: &RingSpec,
    base: usize,
    secure: bool,
) -> Result<Option<u32>> {
    if !secure {
        return Ok(None);
    }
    let within = |secret: SecretDistribution, bits: f64| -> Result<()> {
        let bound = security_bound(secret, literal.log_n).unwrap_or(0);
        // Half a unit: published sets quote rounded sums of prime lengths.
        if bits > f64::from(bound) + 0.5 {
            return Err(Error::Insecure {
                log_n: literal.log_n,
                log_qp: bits,
                bound,
                secret: secret.to_string(),
            });
        }
        Ok(())
    };
    within(literal.secret, log_qp)?;
    if let Some(b) = &literal.bootstrap {
        // The key to the ephemeral secret is over the base and the special primes that it needs.
        let special = super::special_primes_for(ring, literal.digit_size, base);
        let bits = ring.q()[..base]
            .iter()
            .chain(&ring.p()[..special])
            .map(|m| (m.value() as f64).log2())
            .sum();
        within(
            SecretDistribution::SparseTernary {
                weight: b.ephemeral_weight,
            },
            bits,
        )?;
    }
    Ok(Some(128))
}
