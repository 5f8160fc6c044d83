//! The parameter sets that timings are quoted for.

use crate::error::Result;
use ckks_math::Params;
use ckks_math::backend::{Limits, RingKind};
use ckks_math::params::{ParamsLiteral, SecretDistribution, preset};
use he_llama::protocol::session;

/// Name of set A with primes below `2^50`.
pub const FAST_PRIMES: &str = "n16-deep-w49";

/// Name of set A with primes below `2^30`.
pub const SHORT_PRIMES: &str = "n16-deep-w31";

/// The sets that timings are quoted for on one kind of backend.
#[derive(Clone, Copy, Debug)]
pub struct Sets {
    /// Set A: what operations of the scheme are timed on.
    ///
    /// `n16-deep` has N = 2^16, log Q = 1380 and five digits, as other libraries are measured;
    /// [`FAST_PRIMES`] is the same in primes that 52-bit multipliers hold, [`SHORT_PRIMES`] in
    /// those of backends with 32-bit integers only.
    pub scheme: &'static [&'static str],
    /// What bootstrapping is timed on, one for each ring.
    pub bootstrap: &'static [&'static str],
    /// What the decoder layer is timed on.
    pub layer: &'static str,
}

impl Sets {
    const LONG: Self = Self {
        scheme: &["n16-deep", FAST_PRIMES],
        bootstrap: &["n16-boot", "n16-ci-boot"],
        layer: session::DEFAULT_PRESET,
    };
    const SHORT: Self = Self {
        scheme: &[SHORT_PRIMES],
        bootstrap: &["n16-boot-w31", "n16-ci-boot-w31"],
        layer: "n16-boot-w31",
    };

    /// The sets of a backend with these limits.
    pub const fn of(limits: Limits) -> Self {
        if limits.max_modulus_bits > 31 {
            Self::LONG
        } else {
            Self::SHORT
        }
    }
}

/// The checked set of a name: one of [`literal`], or a ring for tests that protects nothing, such
/// as `insecure-n11-boot` (see [`session::parameters`]).
///
/// # Errors
///
/// For names that are no set, and for sets that the backend's limits or 128 bits of security
/// refuse.
pub fn parameters(name: &str, limits: Limits) -> Result<Params> {
    if name.starts_with("insecure-") {
        return Ok(session::parameters(name, limits)?);
    }
    Ok(literal(name)?.check(limits)?)
}

/// A preset of the library, or one of this crate's own sets, by name.
///
/// # Errors
///
/// For names that are no set.
pub fn literal(name: &str) -> ckks_math::Result<ParamsLiteral> {
    match name {
        FAST_PRIMES => Ok(fast_primes()),
        SHORT_PRIMES => Ok(short_primes()),
        _ => preset(name),
    }
}

/// Set A in 28 moduli of 49 bits: log Q = 1372, six special primes, five digits, log QP = 1666.
fn fast_primes() -> ParamsLiteral {
    ParamsLiteral {
        name: FAST_PRIMES.into(),
        ring: RingKind::Standard,
        log_n: 16,
        level_bits: vec![49; 28],
        word_bits: 49,
        special_primes: 6,
        special_bits: 49,
        digit_size: 6,
        log_scale: 49,
        secret: SecretDistribution::Ternary,
        bootstrap: None,
    }
}

/// Set A in 48 moduli of 28 or 29 bits: log Q = 1368, ten special primes, five digits, log
/// QP = 1658.
fn short_primes() -> ParamsLiteral {
    ParamsLiteral {
        name: SHORT_PRIMES.into(),
        level_bits: vec![57; 24],
        word_bits: 29,
        special_primes: 10,
        special_bits: 29,
        digit_size: 10,
        log_scale: 57,
        ..fast_primes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All sets of A: 128 bits, five digits, and moduli within one word of each other.
    #[test]
    fn all_sets_have_the_size_of_set_a() {
        let limits = Limits {
            max_modulus_bits: 61,
            max_degree: 1 << 17,
        };
        for &name in Sets::LONG.scheme.iter().chain(Sets::SHORT.scheme) {
            let params = literal(name).unwrap().check(limits).unwrap();
            assert_eq!(params.security_bits(), Some(128), "{name}");
            let top = params.max_level();
            let digits = params.primes_at(top).div_ceil(params.digit_size());
            assert_eq!((params.degree(), digits), (1 << 16, 5), "{name}");
            assert!(
                (params.log_q_at(top) - 1380.0).abs() < 15.0,
                "{name}: {}",
                params.log_q_at(top)
            );
        }
        let fast = literal(FAST_PRIMES).unwrap().check(limits).unwrap();
        let ring = fast.ring();
        assert!(ring.q().iter().chain(ring.p()).all(|m| m.value() < 1 << 50));
    }

    /// What is timed on a backend of 31-bit primes by default fits it.
    #[test]
    fn sets_of_short_primes_fit_short_words() {
        let limits = Limits {
            max_modulus_bits: 31,
            max_degree: 1 << 17,
        };
        let sets = Sets::of(limits);
        for name in sets.scheme.iter().chain(sets.bootstrap) {
            literal(name).unwrap().check(limits).unwrap();
        }
        parameters(sets.layer, limits).unwrap();
    }
}
