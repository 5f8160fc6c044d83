//! Random objects and random damage.
//!
//! The number of cases is bounded by default and follows `PROPTEST_CASES`.

use crate::fixture::{HEADER, Setup, literal, reseal, reseal_checksums, samples, setup};
use ckks_cpu::CpuBackend;
use ckks_math::keys::EvaluationKeys;
use ckks_math::sampling::Seed;
use ckks_math::wire::Wire;
use ckks_math::{Ciphertext, Encryptor};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::Config;

fn config(cases: u32) -> Config {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => Config::default(),
        None => Config::with_cases(cases),
    }
}

/// One change of an object's bytes.
#[derive(Clone, Debug)]
enum Change {
    Set(Index, u8),
    Flip(Index, u8),
    /// A 32-bit field at the beginning of the payload.
    Field(usize, u32),
    Length(Index, u8),
    Exchange(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, x)| Change::Set(at, x)),
        (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        (0..24_usize, prop_oneof![0..4_u32, any::<u32>()]).prop_map(|(i, x)| Change::Field(i, x)),
        (any::<Index>(), any::<u8>()).prop_map(|(at, x)| Change::Length(at, x)),
        (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Change::Exchange(a, b)),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    let length = bytes.len();
    match change {
        Change::Set(at, x) => bytes[at.index(length)] = *x,
        Change::Flip(at, bit) => bytes[at.index(length)] ^= 1 << bit,
        Change::Field(i, x) => {
            let at = HEADER + 4 * i;
            if at + 4 <= length {
                bytes[at..at + 4].copy_from_slice(&x.to_le_bytes());
            }
        }
        Change::Length(at, x) => bytes.resize(HEADER + 4 + at.index(2 * length), *x),
        Change::Exchange(a, b) => bytes.swap(a.index(length), b.index(length)),
    }
}

thread_local! {
    static SETUP: Setup = setup(literal(4));
}

proptest! {
    #![proptest_config(config(512))]

    /// Damage is found by checksums. Forgeries are refused, or are what they say: what is read is
    /// written as the very bytes that were read.
    #[test]
    fn no_mutation_is_read_as_something_else(
        which in any::<Index>(),
        changes in prop::collection::vec(change(), 1..5),
        seal in 0..3,
    ) {
        SETUP.with(|s| {
            let all = samples(s);
            let sample = &all[which.index(all.len())];
            let mut bytes = sample.bytes.clone();
            for change in &changes {
                apply(&mut bytes, change);
            }
            match seal {
                0 => {}
                1 => reseal_checksums(&mut bytes),
                _ => reseal(&mut bytes),
            }
            let read = (sample.reread)(s, &bytes);
            // Some readers leave what follows an object to their caller.
            if seal == 0 && !bytes.starts_with(&sample.bytes) {
                prop_assert!(read.is_err(), "{} was damaged unseen", sample.name);
            }
            if let Ok(again) = read {
                prop_assert_eq!(again, bytes, "{}", sample.name);
            }
            Ok(())
        })?;
    }

    /// Ciphertexts of all attributes, fresh or computed, come back with each of them and decrypt to
    /// the same.
    #[test]
    fn ciphertexts_come_back(
        seed in any::<[u8; 32]>(),
        (log_slots, level, count) in (0..4_u32, 0..3_usize, 1..4_usize),
        scale in 1e3..1e9,
        factor in prop::option::of(-9_i32..9),
    ) {
        SETUP.with(|s| {
            let secret = &s.secret;
            let mut encryptor =
                Encryptor::with_secret_key(&s.context, secret, Seed::from_bytes(seed)).unwrap();
            let values: Vec<f64> = (0..1 << log_slots).map(|i| f64::from(i) * 0.1).collect();
            let p = s.context.encode(&values, level, scale).unwrap();
            let parts: Vec<_> = (0..count).map(|_| encryptor.encrypt(&p).unwrap()).collect();
            let ev = s.evaluator(EvaluationKeys::new());
            let fresh = ev.join(&parts).unwrap();
            let x = match factor {
                Some(factor) => ev.mul_integer(&fresh, f64::from(factor)).unwrap(),
                None => fresh,
            };
            let bytes = x.to_bytes(&s.context).unwrap();
            prop_assert_eq!(bytes.len() as u64, x.wire_len(&s.context).unwrap());
            let back = Ciphertext::<CpuBackend>::from_bytes(&s.context, &bytes).unwrap();
            prop_assert_eq!((back.count(), back.components()), (x.count(), x.components()));
            prop_assert_eq!((back.level(), back.slots()), (x.level(), x.slots()));
            prop_assert_eq!(back.scale().to_bits(), x.scale().to_bits());
            prop_assert_eq!(back.owner(), x.owner());
            prop_assert_eq!(s.decrypt(&back), s.decrypt(&x));
            Ok(())
        })?;
    }
}
