//! A parameter literal of any numbers is checked or refused, and never panics.

#![no_main]

use ckks_math::backend::{Limits, RingKind};
use ckks_math::params::{BootstrapLiteral, ParamsLiteral, SecretDistribution};
use libfuzzer_sys::fuzz_target;

/// Two booleans, seven sizes, bits of the levels, and the numbers of a bootstrapping set.
type Fields = (bool, bool, [u32; 7], Vec<u32>, Option<[u32; 8]>);

fuzz_target!(|fields: Fields| {
    let (standard, dense, sizes, level_bits, bootstrap) = fields;
    let [log_n, word_bits, special_primes, special_bits, digit_size, log_scale, weight] = sizes;
    let bootstrap = bootstrap.map(|b| BootstrapLiteral {
        slots_to_coeffs_levels: b[0] as usize,
        coeffs_to_slots_levels: b[1] as usize,
        eval_mod_levels: b[2] as usize,
        ephemeral_weight: b[3] as usize,
        overflow_bound: b[4] as usize,
        cosine_degree: b[5] as usize,
        double_angles: b[6],
        message_ratio_bits: b[7],
    });
    let literal = ParamsLiteral {
        name: "fields".into(),
        ring: match standard {
            true => RingKind::Standard,
            false => RingKind::ConjugateInvariant,
        },
        log_n,
        level_bits,
        word_bits,
        special_primes: special_primes as usize,
        special_bits,
        digit_size: digit_size as usize,
        log_scale,
        secret: match dense {
            true => SecretDistribution::Ternary,
            false => SecretDistribution::SparseTernary {
                weight: weight as usize,
            },
        },
        bootstrap,
    };
    let limits = Limits {
        max_modulus_bits: 61,
        max_degree: 1 << 12,
    };
    if let Ok(params) = literal.check_insecure_for_tests(limits) {
        assert_eq!(params.security_bits(), None);
    }
});
