//! Named parameter sets.

use super::{BootstrapLiteral, ParamsLiteral, SecretDistribution};
use crate::backend::RingKind;
use crate::error::{Error, Result};

/// Names of all presets, the default of programs first.
pub fn preset_names() -> &'static [&'static str] {
    &[
        "n16-boot",
        "n15-boot",
        "n16-boot-w31",
        "n16-deep",
        "n14-shallow",
        "n16-ci",
        "n16-ci-boot",
        "n16-ci-boot-w31",
    ]
}

/// The preset of a name.
///
/// | name | N | log QP | secret | for |
/// |---|---|---|---|---|
/// | `n16-boot` | 2^16 | 1552 | h = 512 | bootstrapping, 13 levels of 40 bits between refreshes |
/// | `n15-boot` | 2^15 | 765 | h = 512 | bootstrapping of small models at lower precision |
/// | `n16-boot-w31` | 2^16 | 1665 | ternary | bootstrapping in primes below 2^30, 10 levels of 54 bits between refreshes |
/// | `n16-deep` | 2^16 | 1680 | ternary | 24 levels of 55 bits, no bootstrapping |
/// | `n14-shallow` | 2^14 | 387 | ternary | 6 levels of 40 bits, no bootstrapping |
/// | `n16-ci` | 2^16 | 1607 | ternary | conjugate-invariant ring, 65,536 real slots |
/// | `n16-ci-boot` | 2^16 | 1742 | ternary | `n16-boot` on the conjugate-invariant ring |
/// | `n16-ci-boot-w31` | 2^16 | 1745 | ternary | `n16-boot-w31` on the conjugate-invariant ring |
///
/// # Errors
/// [`Error::UnknownPreset`] for another name, with the names there are.
pub fn preset(name: &str) -> Result<ParamsLiteral> {
    let literal = match name {
        // The level of T_4 is wide, see `bootstrap::eval_mod`; the levels of CoeffsToSlots and of
        // the last double angles, where noise counts least, give what it takes.
        "n16-boot" => ParamsLiteral {
            name: name.into(),
            ring: RingKind::Standard,
            log_n: 16,
            level_bits: levels(&[
                (49, 1),
                (34, 3),
                (40, 13),
                (48, 2),
                (49, 2),
                (48, 1),
                (49, 1),
                (55, 1),
                (49, 1),
                (47, 1),
                (48, 2),
            ]),
            word_bits: 55,
            special_primes: 7,
            special_bits: 49,
            digit_size: 7,
            log_scale: 40,
            secret: LONG_TERM,
            bootstrap: Some(standard_bootstrap()),
        },
        "n15-boot" => ParamsLiteral {
            name: name.into(),
            ring: RingKind::Standard,
            log_n: 15,
            level_bits: levels(&[(38, 1), (30, 2), (36, 3), (43, 8), (43, 2)]),
            word_bits: 49,
            special_primes: 3,
            special_bits: 43,
            digit_size: 3,
            log_scale: 36,
            secret: LONG_TERM,
            bootstrap: Some(BootstrapLiteral {
                slots_to_coeffs_levels: 2,
                coeffs_to_slots_levels: 2,
                message_ratio_bits: 9,
                ..standard_bootstrap()
            }),
        },
        "n16-boot-w31" => ParamsLiteral {
            name: name.into(),
            ring: RingKind::Standard,
            level_bits: levels(&[(58, 1), (29, 3), (54, 10), (58, 8), (56, 3)]),
            special_primes: 12,
            digit_size: 12,
            bootstrap: Some(standard_bootstrap()),
            ..short_words()
        },
        // One level of EvalMod more than `n16-boot-w31`, and digits of 13 primes, so that there are
        // four of them again.
        "n16-ci-boot-w31" => ParamsLiteral {
            name: name.into(),
            ring: RingKind::ConjugateInvariant,
            level_bits: levels(&[(58, 1), (29, 3), (54, 10), (58, 9), (54, 3)]),
            special_primes: 13,
            digit_size: 13,
            bootstrap: Some(real_bootstrap()),
            ..short_words()
        },
        "n16-deep" => ParamsLiteral {
            name: name.into(),
            ring: RingKind::Standard,
            log_n: 16,
            level_bits: levels(&[(60, 1), (55, 24)]),
            word_bits: 60,
            special_primes: 5,
            special_bits: 60,
            digit_size: 5,
            log_scale: 55,
            secret: SecretDistribution::Ternary,
            bootstrap: None,
        },
        "n14-shallow" => ParamsLiteral {
            name: name.into(),
            ring: RingKind::Standard,
            log_n: 14,
            level_bits: levels(&[(49, 1), (40, 6)]),
            word_bits: 49,
            special_primes: 2,
            special_bits: 49,
            digit_size: 2,
            log_scale: 40,
            secret: SecretDistribution::Ternary,
            bootstrap: None,
        },
        "n16-ci" => ParamsLiteral {
            name: name.into(),
            ring: RingKind::ConjugateInvariant,
            log_n: 16,
            level_bits: levels(&[(49, 1), (45, 27)]),
            word_bits: 49,
            special_primes: 7,
            special_bits: 49,
            digit_size: 7,
            log_scale: 45,
            secret: SecretDistribution::Ternary,
            bootstrap: None,
        },
        // 2 h + 1 = 65 terms in an overflow count where the standard ring has 33: K = 31 keeps the
        // probability of failure below 2^-128 in both bases (`RealBasis`) and takes one double
        // angle more. Noise and what it counts are larger, so that the levels of EvalMod are wide,
        // too; the modulus for that is what a dense secret admits.
        "n16-ci-boot" => ParamsLiteral {
            name: name.into(),
            ring: RingKind::ConjugateInvariant,
            log_n: 16,
            level_bits: levels(&[
                (49, 1),
                (34, 3),
                (40, 13),
                (52, 2),
                (53, 1),
                (54, 1),
                (56, 3),
                (60, 1),
                (52, 4),
            ]),
            word_bits: 60,
            special_primes: 8,
            special_bits: 53,
            digit_size: 8,
            log_scale: 40,
            secret: SecretDistribution::Ternary,
            bootstrap: Some(real_bootstrap()),
        },
        other => {
            return Err(Error::UnknownPreset {
                name: other.into(),
                known: preset_names().join(", "),
            });
        }
    };
    Ok(literal)
}

/// Levels in runs of equal bits.
fn levels(parts: &[(u32, usize)]) -> Vec<u32> {
    parts
        .iter()
        .flat_map(|&(bits, count)| std::iter::repeat_n(bits, count))
        .collect()
}

/// Weight of the long-term secret of the sets that bootstrap with a sparse one.
///
/// 192 falls below 128 bits under Meet-LWE [Hhan-Kim-Lee-Son 2022] and when the rotations of the
/// secret are counted; 512 clears both (`SECURITY_LIMITS`). Rounding errors grow with the root of
/// the weight, by 0.7 bits.
const LONG_TERM: SecretDistribution = SecretDistribution::SparseTernary { weight: 512 };

/// EvalMod on the standard ring at `N = 2^16`: 33 terms in an overflow count.
fn standard_bootstrap() -> BootstrapLiteral {
    BootstrapLiteral {
        slots_to_coeffs_levels: 3,
        coeffs_to_slots_levels: 3,
        eval_mod_levels: 8,
        ephemeral_weight: 32,
        overflow_bound: 16,
        cosine_degree: 30,
        double_angles: 3,
        message_ratio_bits: 11,
    }
}

/// EvalMod on the conjugate-invariant ring at `N = 2^16`: 65 terms in an overflow count, of which
/// as many as 32 come in equal pairs in the native basis.
fn real_bootstrap() -> BootstrapLiteral {
    BootstrapLiteral {
        eval_mod_levels: 9,
        overflow_bound: 31,
        double_angles: 4,
        ..standard_bootstrap()
    }
}

/// Bootstrapping in primes below 2^30, where transforms in words of 32 bits may be lazy; the fields
/// that both rings share.
///
/// A level is a pair of primes but for those of SlotsToCoeffs, whose plaintexts need no more than
/// 27 bits. Below 27 bits a ring of this degree has too few primes for levels of 40 to be pairs.
fn short_words() -> ParamsLiteral {
    ParamsLiteral {
        name: String::new(),
        ring: RingKind::Standard,
        log_n: 16,
        level_bits: Vec::new(),
        word_bits: 29,
        special_primes: 12,
        special_bits: 29,
        digit_size: 12,
        log_scale: 54,
        secret: SecretDistribution::Ternary,
        bootstrap: None,
    }
}
