//! Keys and ciphertexts of two owners do not combine, and keys of two sets have nothing in common.

use crate::common::{Setup, literal, on_ring, ramp, setup, with_secret};
use ckks_cpu::CpuBackend;
use ckks_math::backend::Device;
use ckks_math::backend::packed::packed_row_len;
use ckks_math::keys::{
    EvaluationKeys, GaloisElement, KeyGenerator, KeyPurpose, KeyRequest, SecretKey, SwitchingKey,
};
use ckks_math::sampling::Seed;
use ckks_math::wire::{KeySetWriter, Wire};
use ckks_math::{Ciphertext, Encryptor, Error, Evaluator, ParamsLiteral};
use std::collections::BTreeSet;
use std::sync::Arc;

fn key(s: &Setup, purpose: KeyPurpose, level: usize) -> SwitchingKey {
    let generator = KeyGenerator::new(&s.context, &s.secret).unwrap();
    generator
        .switching_key(KeyRequest { purpose, level })
        .unwrap()
}

/// Every use of another owner's object is refused with both tags, whichever comes first; after the
/// wire, too.
#[test]
fn objects_of_another_owner_are_refused() {
    let mut s = setup(literal(9), 60);
    let mut t = with_secret(&s.context, 61);
    let (ours, theirs) = (s.secret.owner(), t.secret.owner());
    assert_ne!(ours, theirs);
    let refused = |what: &str, result: Result<(), Error>| match result {
        Err(Error::WrongOwner {
            found, expected, ..
        }) => {
            assert_eq!((found, expected), (theirs, ours), "{what}");
        }
        other => panic!("{what}: {other:?}"),
    };
    let g = GaloisElement::rotation(s.context.params().ring(), 1);
    let rotation = |level| KeyRequest {
        purpose: KeyPurpose::Galois(g),
        level,
    };
    let relinearisation = KeyRequest {
        purpose: KeyPurpose::Relinearization,
        level: 3,
    };
    let (x, y) = (s.encrypt(&ramp(16), 3), t.encrypt(&ramp(16), 3));
    let bytes = y.to_bytes(&s.context).unwrap();
    let arrived = Ciphertext::from_bytes(&s.context, &bytes).unwrap();
    assert_eq!((x.owner(), y.owner()), (Some(ours), Some(theirs)));
    let ev = s.evaluator([rotation(3), relinearisation]);
    for y in [&y, &arrived] {
        refused("decrypt", s.decryptor.decrypt(y).map(drop));
        refused("rotate", ev.rotate(y, 1).map(drop));
        refused("hoist", ev.rotate_many(y, &[1]).map(drop));
        refused("conjugate", ev.conjugate(y).map(drop));
        refused("square", ev.square(y).map(drop));
        refused("add", ev.add(&x, y).map(drop));
        refused("join", ev.join(&[x.clone(), y.clone()]).map(drop));
        refused("rescale", ev.rescale(y).map(drop));
        refused("constant", ev.mul_constant(y, 0.5).map(drop));
        let seed = Seed::from_bytes([62; 32]);
        refused(
            "share",
            s.decryptor.for_others(&seed).decrypt(y, 8.0, 4).map(drop),
        );
    }
    // Without keys, two operands still have to agree.
    let keyless = s.evaluator([]);
    refused("add", keyless.add(&x, &y).map(drop));
    refused(
        "multiply",
        keyless.multiply_without_relinearisation(&x, &y).map(drop),
    );

    let (own, other) = (
        key(&s, KeyPurpose::Galois(g), 3),
        key(&t, KeyPurpose::Galois(g), 3),
    );
    let mut keys = EvaluationKeys::<CpuBackend>::new();
    keys.insert(&s.context, own.clone()).unwrap();
    let other_bytes = other.to_bytes(s.context.params()).unwrap();
    let arrived = SwitchingKey::from_bytes(s.context.params(), &other_bytes).unwrap();
    assert_eq!(arrived, other);
    refused("insert", keys.insert(&s.context, arrived));
    assert_eq!((keys.len(), keys.owner()), (1, Some(ours)));
    // What was there is there still.
    let ev = Evaluator::new(s.context.clone(), Arc::new(keys));
    assert!(ev.rotate(&x, 1).is_ok());

    let requests = [rotation(3), rotation(2)];
    let mut out = Vec::new();
    let mut writer = KeySetWriter::new(s.context.params(), &requests, &mut out).unwrap();
    writer.push(&own).unwrap();
    refused("key set", writer.push(&key(&t, KeyPurpose::Galois(g), 2)));
}

/// Zeros belong to nobody or to the owner of the keys, and take the owner of what they are added
/// to.
#[test]
fn zeros_combine_with_any_owner() {
    let mut s = setup(literal(9), 63);
    let x = s.encrypt(&ramp(16), 3);
    let zeros = s.evaluator([]).zeros(16, 3, 1).unwrap();
    assert_eq!(zeros.owner(), None);
    let ev = s.evaluator([]);
    for sum in [
        ev.add(&zeros, &x).unwrap(),
        ev.sub(&x, &zeros).unwrap(),
        ev.join(&[zeros.clone(), x.clone()]).unwrap(),
        ev.multiply_without_relinearisation(&zeros, &x).unwrap(),
    ] {
        assert_eq!(sum.owner(), x.owner());
    }
    let relinearisation = KeyRequest {
        purpose: KeyPurpose::Relinearization,
        level: 3,
    };
    let zeros = s.evaluator([relinearisation]).zeros(16, 3, 1).unwrap();
    assert_eq!(zeros.owner(), Some(s.secret.owner()));
}

/// Tags follow from secret and parameters, and another public key of the same secret has the same.
#[test]
fn tags_follow_from_secret_and_parameters() {
    let s = setup(literal(9), 64);
    let again = with_secret(&s.context, 64);
    assert_eq!(s.secret.owner(), again.secret.owner());
    let mut other = literal(9);
    other.log_scale = 39;
    let other = setup(other, 64);
    assert_ne!(s.secret.owner(), other.secret.owner());
    let public = KeyGenerator::new(&s.context, &s.secret)
        .unwrap()
        .public_key()
        .unwrap();
    assert_eq!(public.owner(), s.secret.owner());
    let p = s.context.encode(&ramp(4), 1, 2_f64.powi(40)).unwrap();
    let seed = Seed::from_bytes([65; 32]);
    let mut encryptor = Encryptor::with_public_key(&s.context, &public, seed).unwrap();
    assert_eq!(
        encryptor.encrypt(&p).unwrap().owner(),
        Some(s.secret.owner())
    );
    // It is not the seed itself, nor a part of it.
    assert!(
        !s.secret
            .seed()
            .as_bytes()
            .windows(16)
            .any(|w| w == s.secret.owner().as_bytes())
    );
}

/// One seed under two sets with the same degree, distribution and `q` but other special primes:
/// with equal uniform halves and errors, `b1 - b2 = (P1 - P2) s'` modulo `q` would be the secret.
#[test]
fn keys_of_one_seed_under_two_sets_are_independent() {
    let set = |special_bits| ParamsLiteral {
        special_bits,
        bootstrap: None,
        ..on_ring("n14-shallow", 9)
    };
    let backend = ckks_cpu::CpuBackend::open(ckks_cpu::CpuOptions::default()).unwrap();
    let [first, second] = [49, 50].map(|bits| {
        let params = set(bits)
            .check_insecure_for_tests(backend.limits())
            .unwrap();
        let context = ckks_math::Context::new(params, backend.clone()).unwrap();
        with_secret(&context, 66)
    });
    let ring = first.context.params().ring();
    let shared: BTreeSet<u64> = ring.q().iter().map(|m| m.value()).collect();
    let theirs = second.context.params().ring();
    assert!(
        theirs.q().iter().any(|m| shared.contains(&m.value())),
        "no prime in common"
    );
    let public = |s: &Setup| {
        let generator = KeyGenerator::new(&s.context, &s.secret).unwrap();
        let bytes = generator
            .public_key()
            .unwrap()
            .to_bytes(s.context.params())
            .unwrap();
        // Behind header and tag: the seed of the uniform half.
        bytes[60 + 16..60 + 48].to_vec()
    };
    assert_ne!(public(&first), public(&second));
    let switching = |s: &Setup| {
        let bytes = key(s, KeyPurpose::Relinearization, 0)
            .to_bytes(s.context.params())
            .unwrap();
        bytes[60 + 16 + 16 + 16..60 + 80].to_vec()
    };
    assert_ne!(switching(&first), switching(&second));
    assert!(packed_row_len(ring, first.context.params().basis_at(0)) > 0);
    // The secrets differ, too: as many coefficients agree as chance would have it.
    let secrets = [&first, &second]
        .map(|s| SecretKey::from_seed(s.context.params(), Seed::from_bytes([66; 32])).unwrap());
    assert_ne!(secrets[0].owner(), secrets[1].owner());
}

/// The seeds of uniform halves of all keys of a secret differ: no two purposes or levels share one.
#[test]
fn no_two_keys_share_a_uniform_half() {
    let s = setup(literal(9), 67);
    let ring = s.context.params().ring();
    let mut purposes = vec![
        KeyPurpose::Relinearization,
        KeyPurpose::ToEphemeral,
        KeyPurpose::FromEphemeral,
    ];
    purposes
        .extend([1, 3, 5, 7, 9].map(|g| KeyPurpose::Galois(GaloisElement::new(ring, g).unwrap())));
    let mut seeds = BTreeSet::new();
    let mut count = 0;
    for &purpose in &purposes {
        for level in 0..4 {
            let bytes = key(&s, purpose, level)
                .to_bytes(s.context.params())
                .unwrap();
            seeds.insert(bytes[60 + 48..60 + 80].to_vec());
            count += 1;
        }
    }
    assert_eq!(seeds.len(), count);
}

/// Requests that would make unusable or colliding keys: even Galois elements, those of a larger
/// ring, levels above the top.
#[test]
fn requests_outside_the_ring_are_refused() {
    let (s, wide) = (setup(literal(9), 68), setup(literal(10), 68));
    let ring = s.context.params().ring();
    for g in [0, 2, 4, 1 << 10, (1 << 10) + 1, u64::MAX] {
        let error = GaloisElement::new(ring, g).err().unwrap();
        assert_eq!(error.code(), "galois-element", "{error}");
    }
    let generator = KeyGenerator::new(&s.context, &s.secret).unwrap();
    let large = GaloisElement::new(wide.context.params().ring(), (1 << 10) + 1).unwrap();
    let purpose = KeyPurpose::Galois(large);
    let error = generator
        .switching_key(KeyRequest { purpose, level: 1 })
        .unwrap_err();
    assert_eq!(error.code(), "galois-element", "{error}");
    for level in [s.context.params().max_level() + 1, 1 << 20, usize::MAX] {
        let purpose = KeyPurpose::Relinearization;
        let error = generator
            .switching_key(KeyRequest { purpose, level })
            .unwrap_err();
        assert_eq!(error.code(), "level-mismatch", "{error}");
    }
}
