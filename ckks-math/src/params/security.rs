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

/// One limit: the largest `log2 QP` for which 128 bits are shown, and by whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecurityLimit {
    /// Least weight of the secret; `None` for uniform ternary ones.
    pub least_weight: Option<usize>,
    /// log2 of the ring degree.
    pub log_n: u32,
    /// Largest `log2 QP`.
    pub log_qp: u32,
    /// Where the figure is from, with the keys of docs/papers.md.
    pub source: &'static str,
}

const GUIDELINES: &str = "[Bossuat et al. 2024, Table 5.2]";
const ESTIMATED: &str = "lattice-estimator 27a581b [Albrecht-Player-Scott 2015] and Meet-LWE [Hhan-Kim-Lee-Son 2022], \
     rotations of the secret counted";
const PUBLISHED: &str = "sets of [Bossuat-Troncoso-Hubaux 2022]";

const fn ternary(log_n: u32, log_qp: u32) -> SecurityLimit {
    SecurityLimit {
        least_weight: None,
        log_n,
        log_qp,
        source: GUIDELINES,
    }
}

const fn sparse(least: usize, log_n: u32, log_qp: u32, source: &'static str) -> SecurityLimit {
    SecurityLimit {
        least_weight: Some(least),
        log_n,
        log_qp,
        source,
    }
}

/// The limits that [`ParamsLiteral::check`] applies, heavier secrets first.
///
/// The estimates are the least over the primal and dual attacks of the public lattice-estimator at
/// commit 27a581b with the geometric series assumption, under the costs of [MATZOV 2022] and
/// core-SVP; over Meet-LWE; and over both again where one reduced basis serves all rotations
/// `X^i s` of the secret:
///
/// | weight | N | log QP | bits of security |
/// |---|---|---|---|
/// | 512 | 2^16 | 1552 | 131.8 |
/// | 512 | 2^15 | 765 | 132.7 |
/// | 192 | 2^16 | 1456 | 128 |
/// | 192 | 2^15 | 725 | 128 |
///
/// Weight 512 is admitted up to the modulus that it was estimated for. Limits of weight 32 are for
/// the ephemeral secret of bootstrapping: at the 98, 116 (`N = 2^16`) and 81 bits (`2^15`) that the
/// presets use, the estimator gives 171, 165 and 153 bits and Meet-LWE 158, 154 and 141. A weight
/// between two of the table is judged by the lighter one.
pub const SECURITY_LIMITS: [SecurityLimit; 14] = [
    ternary(10, 26),
    ternary(11, 53),
    ternary(12, 106),
    ternary(13, 214),
    ternary(14, 430),
    ternary(15, 868),
    ternary(16, 1747),
    ternary(17, 3523),
    sparse(512, 15, 765, ESTIMATED),
    sparse(512, 16, 1552, ESTIMATED),
    sparse(192, 15, 725, ESTIMATED),
    sparse(192, 16, 1456, ESTIMATED),
    sparse(32, 15, 84, PUBLISHED),
    sparse(32, 16, 121, PUBLISHED),
];

/// The limit for a secret in a ring of degree `2^log_n`, or `None` where no figure is known to us
/// (such a set is refused).
///
/// The conjugate-invariant ring of degree `N` is judged by the limit of degree `N`.
pub fn security_limit(secret: SecretDistribution, log_n: u32) -> Option<SecurityLimit> {
    let fits = |limit: &&SecurityLimit| {
        limit.log_n == log_n
            && match (secret, limit.least_weight) {
                (SecretDistribution::Ternary, None) => true,
                (SecretDistribution::SparseTernary { weight }, Some(least)) => weight >= least,
                _ => false,
            }
    };
    SECURITY_LIMITS.iter().find(fits).copied()
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
        let limit = security_limit(secret, literal.log_n);
        let bound = limit.map_or(0, |limit| limit.log_qp);
        if bits > f64::from(bound) {
            return Err(Error::Insecure {
                log_n: literal.log_n,
                log_qp: bits,
                bound,
                secret: secret.to_string(),
                judged_by: limit.map_or("no published limit is known", |limit| limit.source),
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
