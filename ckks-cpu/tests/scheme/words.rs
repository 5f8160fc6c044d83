//! The size of words is the backend's matter: a circuit means the same on levels of one prime of
//! 49 bits and on levels of two primes of 25 to 30.

use crate::common::{literal, ramp, setup, worst};
use ckks_math::bootstrap::{BootstrapOptions, Bootstrapper};
use ckks_math::keys::{GaloisElement, KeyPurpose, KeyRequest};
use ckks_math::params::ParamsLiteral;
use ckks_math::polynomial::Chebyshev;

/// The same levels in words of 30 bits: a level of 49 or 50 bits becomes two primes.
fn short_words(long: &ParamsLiteral) -> ParamsLiteral {
    ParamsLiteral {
        word_bits: 30,
        special_primes: 10,
        special_bits: 30,
        digit_size: 10,
        ..long.clone()
    }
}

/// A polynomial, a product, rotations and a refresh: both sets are within a refresh's 1e-6 (see
/// `bootstrap`) of the clear circuit, hence within twice that of each other.
#[test]
fn words_of_both_sizes_give_the_same_message() {
    let mut long = literal(9);
    // 44, 49 and 50 bits are pairs of primes of 22 and 25, of which a small ring has enough.
    long.level_bits[1..4].fill(44);
    long.level_bits[4..10].fill(50);
    long.word_bits = 50;
    long.log_scale = 50;
    long.special_bits = 50;
    let x = ramp(64);
    let series = Chebyshev::interpolate(|v| v / (1.0 + (-v).exp()), (-1.0, 1.0), 7).unwrap();
    let wanted: Vec<f64> = (0..64)
        .map(|i| series.eval(x[i]) * x[(i + 5) % 64] + x[(i + 63) % 64])
        .map(|v| 0.5 * v)
        .collect();
    let mut results = Vec::new();
    for set in [long.clone(), short_words(&long)] {
        let widest = if set.word_bits == 50 { 51 } else { 31 };
        let mut s = setup(set, 60);
        let params = s.context.params().clone();
        let ring = params.ring();
        assert!(
            ring.q()
                .iter()
                .chain(ring.p())
                .all(|m| m.value() < 1 << widest)
        );
        assert_eq!(params.group_len(4), if widest == 51 { 1 } else { 2 });
        let mut requests = s.refresh_keys(64, false);
        let galois = [5, 63].map(|k| KeyPurpose::Galois(GaloisElement::rotation(ring, k)));
        let purposes = galois.into_iter().chain([KeyPurpose::Relinearization]);
        requests.extend(purposes.map(|purpose| KeyRequest { purpose, level: 9 }));
        let ev = s.evaluator(requests);
        let ct = s.encrypt(&x, 9);
        let silu = ev.polynomial(&ct, &series).unwrap();
        let product = ev.mul(&silu, &ev.rotate(&ct, 5).unwrap()).unwrap();
        let sum = ev.add(&product, &ev.rotate(&ct, -1).unwrap()).unwrap();
        let half = ev.mul_constant(&sum, 0.5).unwrap();
        let before = s.read(&half);
        // Ten rescalings at scale 2^50, each below 2^9 in a slot, with a few bits to spare.
        assert!(
            worst(&before, &wanted) < 2_f64.powi(-34),
            "{:e}",
            worst(&before, &wanted)
        );
        let boot = Bootstrapper::new(&s.context, 64, BootstrapOptions::default()).unwrap();
        let refreshed = boot.refresh(&ev, &half).unwrap();
        let after = s.read(&refreshed);
        assert!(
            worst(&after, &wanted) < 1e-6,
            "{:e}",
            worst(&after, &wanted)
        );
        results.push((half.level(), refreshed.level(), before, after));
    }
    let [(l1, r1, b1, a1), (l2, r2, b2, a2)] = &results[..] else {
        panic!("two sets")
    };
    assert_eq!((l1, r1), (l2, r2));
    assert!(worst(b1, b2) < 2_f64.powi(-33));
    assert!(worst(a1, a2) < 2e-6);
}
