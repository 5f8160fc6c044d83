//! Parameter sets from anybody: never a panic, never long, and through the wire what they were.

use ckks_math::backend::{Limits, RingKind};
use ckks_math::params::{
    BootstrapLiteral, Params, ParamsLiteral, SecretDistribution, preset, preset_names,
};
use ckks_math::wire::{Wire, read_params_insecure_for_tests};
use proptest::prelude::*;

const LIMITS: Limits = Limits {
    max_modulus_bits: 61,
    max_degree: 1 << 17,
};

/// A number near a sensible one, or any.
fn count(most: usize) -> impl Strategy<Value = usize> {
    prop_oneof![8 => 0..=most, 1 => any::<usize>(), 1 => Just(usize::MAX)]
}

fn bits(range: std::ops::Range<u32>) -> impl Strategy<Value = u32> {
    prop_oneof![16 => range, 1 => any::<u32>(), 1 => Just(u32::MAX)]
}

fn bootstrap() -> impl Strategy<Value = BootstrapLiteral> {
    let levels = (count(4), count(4), count(9));
    let sine = (count(64), count(40), count(64));
    (levels, sine, bits(0..5), bits(0..20)).prop_map(
        |((stc, cts, eval), (weight, range, degree), double_angles, message_ratio_bits)| {
            BootstrapLiteral {
                slots_to_coeffs_levels: stc,
                coeffs_to_slots_levels: cts,
                eval_mod_levels: eval,
                ephemeral_weight: weight,
                overflow_bound: range,
                cosine_degree: degree,
                double_angles,
                message_ratio_bits,
            }
        },
    )
}

/// Literals of which some make sets.
fn literal() -> impl Strategy<Value = ParamsLiteral> {
    let ring = prop_oneof![Just(RingKind::Standard), Just(RingKind::ConjugateInvariant)];
    let secret = prop_oneof![
        Just(SecretDistribution::Ternary),
        count(300).prop_map(|weight| SecretDistribution::SparseTernary { weight }),
    ];
    let chain = (
        prop::collection::vec(bits(25..70), 0..20),
        bits(25..60),
        bits(25..60),
    );
    let keys = (count(6), count(6));
    let whole = (ring, bits(4..12), chain, keys, bits(20..60), secret);
    (whole, prop::option::of(bootstrap())).prop_map(
        |(
            (ring, log_n, (level_bits, word_bits, special_bits), (special, digit), scale, secret),
            b,
        )| {
            ParamsLiteral {
                name: "insecure-random".into(),
                ring,
                log_n,
                level_bits,
                word_bits,
                special_primes: special,
                special_bits,
                digit_size: digit,
                log_scale: scale,
                secret,
                bootstrap: b,
            }
        },
    )
}

fn reread(params: &Params) -> Params {
    let bytes = params.to_bytes(&LIMITS).unwrap();
    read_params_insecure_for_tests(&LIMITS, bytes.len() as u64, &mut &bytes[..]).unwrap()
}

proptest! {
    #![proptest_config(crate::config(256))]

    /// Any literal, as JSON has it, is a set or an error. What is called secure is within a limit.
    #[test]
    fn any_literal_is_a_set_or_an_error(literal in literal()) {
        let text = serde_json::to_string(&literal).unwrap();
        let again: ParamsLiteral = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&again, &literal);
        if let Ok(params) = again.clone().check(LIMITS) {
            prop_assert_eq!(params.security_bits(), Some(128));
        }
        if let Ok(params) = again.check_insecure_for_tests(LIMITS) {
            prop_assert_eq!(params.security_bits(), None);
            let back = reread(&params);
            prop_assert_eq!(back.literal(), params.literal());
            prop_assert_eq!(back.hash(), params.hash());
        }
    }

    /// One field of a preset changed to anything.
    #[test]
    fn a_preset_with_any_field_changed_is_a_set_or_an_error(
        which in 0..preset_names().len(),
        field in 0..8_usize,
        value in any::<u32>(),
    ) {
        let mut changed = preset(preset_names()[which]).unwrap();
        match field {
            0 => changed.log_n = value,
            1 => changed.word_bits = value,
            2 => changed.special_primes = value as usize,
            3 => changed.special_bits = value,
            4 => changed.digit_size = value as usize,
            5 => changed.log_scale = value,
            6 => changed.level_bits[0] = value,
            _ => changed.secret = SecretDistribution::SparseTernary { weight: value as usize },
        }
        if let Ok(params) = changed.check(LIMITS) {
            prop_assert_eq!(params.security_bits(), Some(128));
        }
    }

    /// Bytes of a set with some changed are refused, or mean another set by its hash.
    #[test]
    fn changed_bytes_are_never_the_same_set(
        which in 0..preset_names().len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 1..=u8::MAX), 1..4),
        length in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let params = preset(preset_names()[which]).unwrap().check(LIMITS).unwrap();
        let mut bytes = params.to_bytes(&LIMITS).unwrap();
        let whole = bytes.clone();
        if cut {
            bytes.truncate(length.index(bytes.len()));
        } else {
            for (at, change) in changes {
                let at = at.index(bytes.len());
                bytes[at] ^= change;
            }
        }
        if bytes != whole {
            prop_assert!(Params::from_bytes(&LIMITS, &bytes).is_err());
        }
    }
}
