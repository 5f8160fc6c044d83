//! Wrong uses are typed errors that name both values and the way out.

use crate::common::{Setup, literal, ramp, setup};
use ckks_math::bootstrap::{BootstrapOptions, Bootstrapper};
use ckks_math::keys::{EvaluationKeys, GaloisElement, KeyGenerator, KeyPurpose, KeyRequest};
use ckks_math::params::preset;
use ckks_math::sampling::Seed;
use ckks_math::{Decryptor, Encryptor, Error};

/// A second set: the same primes, another scale.
fn other() -> Setup {
    let mut set = literal(9);
    set.log_scale = 39;
    setup(set, 50)
}

#[test]
fn bootstrapping_refuses_what_it_cannot_do() {
    let mut s = setup(literal(9), 51);
    let options = BootstrapOptions::default();
    let boot = Bootstrapper::new(&s.context, 16, options).unwrap();
    let ev = s.evaluator([]);
    let low = s.encrypt(&ramp(16), 2);
    let error = boot.refresh(&ev, &low).err().unwrap();
    assert!(
        matches!(
            error,
            Error::LevelExhausted {
                need: 3,
                have: 2,
                ..
            }
        ),
        "{error}"
    );
    let text = error.to_string();
    assert!(
        text.contains('3') && text.contains('2') && text.contains("bootstrap first"),
        "{text}"
    );
    let wide = s.encrypt(&ramp(32), 5);
    let error = boot.refresh(&ev, &wide).err().unwrap();
    assert!(
        matches!(
            error,
            Error::SlotMismatch {
                found: 32,
                expected: 16,
                ..
            }
        ),
        "{error}"
    );
    for slots in [0, 1, 2, 3, 12, 512] {
        let error = Bootstrapper::new(&s.context, slots, options).err().unwrap();
        assert!(
            matches!(error, Error::SlotMismatch { expected: 256, .. }),
            "{slots}: {error}"
        );
    }
    let raised = boot.half_boot(&ev, &low).err().unwrap();
    assert!(
        matches!(
            raised,
            Error::LevelMismatch {
                found: 2,
                expected: 0,
                ..
            }
        ),
        "{raised}"
    );

    let mut without = literal(9);
    without.bootstrap = None;
    let mut none = literal(9);
    none.bootstrap.as_mut().unwrap().coeffs_to_slots_levels = 0;
    for (set, way_out) in [(without, "boot"), (none, "boot")] {
        let s = setup(set, 52);
        let error = Bootstrapper::new(&s.context, 16, options).err().unwrap();
        assert!(matches!(error, Error::NoBootstrapping { .. }), "{error}");
        assert!(error.to_string().contains(way_out), "{error}");
    }
}

#[test]
fn objects_of_another_set_are_refused() {
    let (mut s, mut t) = (setup(literal(9), 53), other());
    let g = GaloisElement::rotation(s.context.params().ring(), 1);
    let purposes = [
        KeyPurpose::Relinearization,
        KeyPurpose::Galois(g),
        KeyPurpose::ToEphemeral,
    ];
    let (ours, theirs) = (s.context.params().hash(), t.context.params().hash());
    assert_ne!(ours, theirs);
    let refused = |what: &str, result: Result<(), Error>| match result {
        Err(Error::WrongParameters {
            found, expected, ..
        }) => {
            assert_eq!((found, expected), (theirs, ours), "{what}");
        }
        other => panic!("{what}: {other:?}"),
    };
    let generator = KeyGenerator::new(&t.context, &t.secret).unwrap();
    for purpose in purposes {
        let key = generator
            .switching_key(KeyRequest { purpose, level: 3 })
            .unwrap();
        let mut keys = EvaluationKeys::new();
        refused("switching key", keys.insert(&s.context, key));
        assert!(keys.is_empty());
    }
    let seed = || Seed::from_bytes([54; 32]);
    let public = generator.public_key().unwrap();
    refused(
        "public key",
        Encryptor::with_public_key(&s.context, &public, seed()).map(|_| ()),
    );
    refused(
        "secret key",
        Encryptor::with_secret_key(&s.context, &t.secret, seed()).map(|_| ()),
    );
    refused(
        "secret key",
        Decryptor::new(&s.context, &t.secret).map(|_| ()),
    );
    refused(
        "secret key",
        KeyGenerator::new(&s.context, &t.secret).map(|_| ()),
    );

    let (x, y) = (s.encrypt(&ramp(16), 3), t.encrypt(&ramp(16), 3));
    let p = t.context.encode(&ramp(16), 3, y.scale()).unwrap();
    let ev = s.evaluator([]);
    refused("plaintext", s.encryptor.encrypt(&p).map(|_| ()));
    refused("plaintext", s.context.decode(&p).map(|_| ()));
    refused("plaintext", ev.add_plain(&x, &p).map(|_| ()));
    refused("plaintext", ev.multiply_plain(&x, &p).map(|_| ()));
    refused("ciphertext", s.decryptor.decrypt(&y).map(|_| ()));
    refused("ciphertext", ev.add(&x, &y).map(|_| ()));
    refused("ciphertext", ev.mul(&y, &x).map(|_| ()));
    refused("ciphertext", ev.rotate(&y, 1).map(|_| ()));
    refused("ciphertext", ev.rotate_many(&y, &[1]).map(|_| ()));
    refused("ciphertext", ev.conjugate(&y).map(|_| ()));
    refused("ciphertext", ev.mul_constant(&y, 2.0).map(|_| ()));
    refused("ciphertext", ev.add_constant(&y, 2.0).map(|_| ()));
    refused("ciphertext", ev.join(&[x, y]).map(|_| ()));
}

/// Batches and components that do not fit, and levels that do not exist.
#[test]
fn shapes_that_do_not_fit_are_refused() {
    let mut s = setup(literal(9), 55);
    let ev = s.evaluator([]);
    let x = s.encrypt(&ramp(16), 3);
    let two = ev.join(&[x.clone(), x.clone()]).unwrap();
    let three = ev.multiply_without_relinearisation(&x, &x).unwrap();
    let code = |code: &str, error: Option<Error>| {
        let error = error.unwrap();
        assert_eq!(error.code(), code, "{error}");
    };
    code("shape-mismatch", ev.add(&x, &two).err());
    code("shape-mismatch", ev.mul(&two, &x).err());
    code("components", ev.multiply(&three, &three).err());
    code("components", ev.rotate(&three, 1).err());
    code("components", ev.rotate_many(&three, &[1]).err());
    code("components", ev.conjugate(&three).err());
    assert!(ev.slice(&two, 1..3).is_err() && ev.slice(&two, 1..1).is_err());
    assert!(ev.join(&[]).is_err());
    assert!(ev.zeros(16, 99, 1).is_err());
    assert!(s.context.encode(&ramp(16), 99, 1e9).is_err());
    for value in [f64::NAN, f64::INFINITY, 0.5, 1e39] {
        assert!(
            matches!(ev.mul_integer(&x, value), Err(Error::Constant { .. })),
            "{value}"
        );
    }
    assert!(ev.add_constant(&x, f64::NAN).is_err());
}

#[test]
fn unknown_presets_list_the_known_ones() {
    let text = preset("n16-bot").err().unwrap().to_string();
    assert!(
        text.contains("n16-bot") && text.contains("n16-boot-w31"),
        "{text}"
    );
}
