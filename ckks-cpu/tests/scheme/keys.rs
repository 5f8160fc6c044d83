//! Which keys serve which ciphertexts.

use crate::common::{Setup, literal, ramp, setup, with_secret, worst};
use ckks_math::Error;
use ckks_math::backend::Basis;
use ckks_math::backend::packed::packed_row_len;
use ckks_math::bootstrap::{BootstrapOptions, Bootstrapper, refresh_requests};
use ckks_math::keys::{
    GaloisElement, KeyGenerator, KeyPurpose, KeyRequest, SwitchingKey, merge_demand,
};
use std::collections::BTreeMap;

fn key(s: &Setup, purpose: KeyPurpose, level: usize) -> SwitchingKey {
    let generator = KeyGenerator::new(&s.context, &s.secret).unwrap();
    generator
        .switching_key(KeyRequest { purpose, level })
        .unwrap()
}

/// Keys are a function of the seed and the request, and of nothing else.
#[test]
fn seeds_determine_keys() {
    let s = setup(literal(9), 1);
    let (same, other) = (with_secret(&s.context, 1), with_secret(&s.context, 2));
    let g = GaloisElement::rotation(s.context.params().ring(), 1);
    let purposes = [
        KeyPurpose::Relinearization,
        KeyPurpose::Galois(g),
        KeyPurpose::ToEphemeral,
        KeyPurpose::FromEphemeral,
    ];
    let mut seen = Vec::new();
    for purpose in purposes {
        for level in [0, 7] {
            let made = key(&s, purpose, level);
            assert_eq!(made, key(&same, purpose, level), "{purpose}");
            assert_ne!(made, key(&other, purpose, level), "{purpose}");
            assert!(
                !seen.contains(&made),
                "{purpose} at level {level} is another key as well"
            );
            seen.push(made);
        }
    }
    let public = |s: &Setup| {
        KeyGenerator::new(&s.context, &s.secret)
            .unwrap()
            .public_key()
            .unwrap()
    };
    assert_eq!(public(&s), public(&same));
    assert_ne!(public(&s), public(&other));
    assert_eq!(s.secret.weight(), 192);
}

/// A key of a low level has fewer primes and digits; the key towards the ephemeral secret is over
/// `q0 p0` at whatever level it is asked for, which is what its security is judged by.
#[test]
fn keys_of_low_levels_are_small() {
    let s = setup(literal(9), 3);
    let bytes = |level| key(&s, KeyPurpose::Relinearization, level).bytes() as u64;
    let sizes: Vec<_> = (0..=20).map(bytes).collect();
    assert!(sizes.windows(2).all(|w| w[0] < w[1]), "{sizes:?}");
    // 1 modulus and 1 special prime in 1 digit, against 21 and 7 in 3 digits.
    let rows = |count, basis| {
        let row = packed_row_len(s.context.params().ring(), basis);
        (32 + count * row) as u64
    };
    assert_eq!(sizes[0], rows(1, Basis::qp(1, 1)));
    assert_eq!(sizes[20], rows(3, Basis::qp(21, 7)));
    for level in [0, 20] {
        let key = key(&s, KeyPurpose::ToEphemeral, level);
        assert_eq!(key.bytes() as u64, sizes[0]);
        assert_eq!(key.expanded_bytes(), 2 * (sizes[0] - 32));
    }
}

/// A key for level 5 serves levels 0 to 5 and refuses level 6 by name.
#[test]
fn a_key_serves_its_level_and_those_below() {
    let mut s = setup(literal(9), 4);
    let g = GaloisElement::rotation(s.context.params().ring(), 1);
    let purposes = [KeyPurpose::Relinearization, KeyPurpose::Galois(g)];
    let ev = s.evaluator(purposes.map(|purpose| KeyRequest { purpose, level: 5 }));
    let x = ramp(64);
    let mut permuted = x.clone();
    permuted.rotate_left(1);
    for level in 0..=5 {
        let ct = s.encrypt(&x, level);
        assert!(
            worst(&s.read(&ev.rotate(&ct, 1).unwrap()), &permuted) < 1e-7,
            "level {level}"
        );
        assert!(worst(&s.read(&ev.rotate_many(&ct, &[1]).unwrap()[0]), &permuted) < 1e-7);
        let square: Vec<f64> = x.iter().map(|v| v * v).collect();
        if level > 0 {
            assert!(
                worst(&s.read(&ev.square(&ct).unwrap()), &square) < 1e-7,
                "level {level}"
            );
        }
    }
    let high = s.encrypt(&x, 6);
    let missing = |error: Option<Error>, name: &str| match error {
        Some(Error::MissingKey { key, level: 6, .. }) => assert!(key.contains(name), "{key}"),
        other => panic!("{other:?}"),
    };
    missing(ev.rotate(&high, 1).err(), &format!("X^{g}"));
    missing(ev.rotate_many(&high, &[1]).err(), &format!("X^{g}"));
    missing(ev.square(&high).err(), "relinearisation");
}

/// The demand of a dry run suffices, merged or not, with the same result; merged it is smaller.
#[test]
fn merged_demands_suffice() {
    let mut s = setup(literal(9), 5);
    let (params, options) = (s.context.params(), BootstrapOptions::default());
    let demand = refresh_requests(params, 64, options, false).unwrap();
    let merged = merge_demand(params, &demand);
    assert!(merged.len() < demand.len());
    assert!(merged.iter().all(|request| demand.contains(request)));
    let boot = Bootstrapper::new(&s.context, 64, options).unwrap();
    let x = ramp(64);
    let ct = s.encrypt(&x, 3);
    let read = |requests: Vec<KeyRequest>| {
        let y = boot.refresh(&s.evaluator(requests), &ct).unwrap();
        s.read(&y)
    };
    let (full, small) = (read(demand.iter().copied().collect()), read(merged));
    // Both are within the error of a refresh (see `bootstrap`).
    assert!(worst(&full, &x) < 1e-6);
    assert!(worst(&small, &x) < 1e-6);
}

/// No key of the demand is idle: without the keys of any one purpose a refresh stops and names that
/// purpose; without the highest of them as well.
#[test]
fn every_key_of_a_refresh_is_needed() {
    let mut s = setup(literal(9), 6);
    let boot = Bootstrapper::new(&s.context, 16, BootstrapOptions::default()).unwrap();
    let requests = s.refresh_keys(16, true);
    let ct = s.encrypt(&ramp(16), 3);
    let mut highest = BTreeMap::new();
    for &request in &requests {
        highest.insert(request.purpose, request.level);
    }
    assert!(highest.len() > 10);
    for (&purpose, &top) in &highest {
        let refused = |kept: &dyn Fn(&KeyRequest) -> bool| {
            let ev = s.evaluator(requests.iter().copied().filter(|r| kept(r)));
            match boot.refresh_complex(&ev, &ct).err() {
                Some(Error::MissingKey { key, .. }) => assert_eq!(key, purpose.to_string()),
                other => panic!("without the {purpose}: {other:?}"),
            }
        };
        refused(&|r| r.purpose != purpose);
        refused(&|r| r.purpose != purpose || r.level != top);
    }
}
