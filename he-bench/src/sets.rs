//! The parameter sets that timings are quoted for.

use crate::error::Result;
use ckks_math::Params;
use ckks_math::backend::{Limits, RingKind};
use ckks_math::params::{ParamsLiteral, SecretDistribution, preset};
use he_llama::protocol::session;

/// Name of set A with primes below `2^50`.
pub const FAST_PRIMES: &str = "n16-deep-w49";

/// Set A: the sets that operations of the scheme are timed on.
///
/// `n16-deep` has N = 2^16, log Q = 1380 and five digits, as other libraries are measured;
/// [`FAST_PRIMES`] is the same in primes that 52-bit multipliers hold.
pub const SCHEME: [&str; 2] = ["n16-deep", FAST_PRIMES];

/// The sets that bootstrapping is timed on, one for each ring.
pub const BOOTSTRAP: [&str; 2] = ["n16-boot", "n16-ci-boot"];

/// The sets that the decoder layer is timed on.
pub const LAYER: [&str; 1] = [session::DEFAULT_PRESET];

/// The checked set of a name: one of [`literal`], or a ring for tests that protects nothing, such
/// as `insecure-n11-boot` (see [`session::parameters`]).
pub fn parameters(name: &str, limits: Limits) -> Result<Params> {
    if name.starts_with("insecure-") {
        return Ok(session::parameters(name, limits)?);
    }
    Ok(literal(name)?.check(limits)?)
}

/// A preset of the library, or one of this crate's own sets, by name.
pub fn literal(name: &str) -> ckks_math::Result<ParamsLiteral> {
    if name == FAST_PRIMES {
        return Ok(fast_primes());
    }
    preset(name)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Both sets of A: 128 bits, five digits, and moduli within one word of each other.
    #[test]
    fn both_sets_have_the_size_of_set_a() {
        let limits = Limits {
            max_modulus_bits: 61,
            max_degree: 1 << 17,
        };
        for name in SCHEME {
            let params = literal(name).unwrap().check(limits).unwrap();
            assert_eq!(params.security_bits(), Some(128), "{name}");
            let top = params.max_level();
            let digits = params.primes_at(top).div_ceil(params.digit_size());
            assert_eq!((params.degree(), digits), (1 << 16, 5), "{name}");
            assert!(
                (params.log_q_at(top) - 1380.0).abs() < 10.0,
                "{name}: {}",
                params.log_q_at(top)
            );
        }
        let fast = literal(FAST_PRIMES).unwrap().check(limits).unwrap();
        let ring = fast.ring();
        assert!(ring.q().iter().chain(ring.p()).all(|m| m.value() < 1 << 50));
    }
}
