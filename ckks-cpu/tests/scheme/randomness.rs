//! Fresh encryptions, and results shown to others.

use crate::common::{literal, ramp, setup};
use ckks_math::keys::KeyGenerator;
use ckks_math::sampling::Seed;
use ckks_math::wire::Wire;
use ckks_math::{Ciphertext, Encryptor, Plaintext};

/// One encryptor never repeats itself, under either key; the same seed from the start does, so that
/// a seed must not be used twice.
#[test]
fn encryptions_of_the_same_plaintext_differ() {
    let mut s = setup(literal(9), 40);
    let public = KeyGenerator::new(&s.context, &s.secret)
        .unwrap()
        .public_key()
        .unwrap();
    let seed = || Seed::from_bytes([41; 32]);
    let bytes = |ct: &Ciphertext<_>| ct.to_bytes(&s.context).unwrap();
    let p = s.context.encode(&ramp(16), 2, 2_f64.powi(40)).unwrap();
    let mut all = Vec::new();
    let mut public_key = || Encryptor::with_public_key(&s.context, &public, seed()).unwrap();
    let mut secret_key = || Encryptor::with_secret_key(&s.context, &s.secret, seed()).unwrap();
    let makers: [&mut dyn FnMut() -> Encryptor<_>; 2] = [&mut public_key, &mut secret_key];
    for make in makers {
        let (mut encryptor, mut again) = (make(), make());
        for _ in 0..8 {
            let one = bytes(&encryptor.encrypt(&p).unwrap());
            assert_eq!(one, bytes(&again.encrypt(&p).unwrap()));
            all.push(one);
        }
    }
    // Another seed is another stream.
    all.push(bytes(&s.encryptor.encrypt(&p).unwrap()));
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), count);
}

/// The flooding noise has deviation `2^bits * bound` in the coefficients, is independent for each
/// ciphertext of a batch and each seed, and leaves the message as much precision as it says.
#[test]
fn shared_results_are_flooded_as_stated() {
    let mut s = setup(literal(10), 42);
    let (n, level) = (s.context.params().degree(), 5);
    let scale = s.context.params().scale_at(level);
    let x = ramp(n / 2);
    let ev = s.evaluator([]);
    let batch = ev
        .join(&[s.encrypt(&x, level), s.encrypt(&x, level)])
        .unwrap();
    let plain = s.decryptor.decrypt(&batch).unwrap();
    let context = s.context.clone();
    let read = |p: &Plaintext<_>| context.decode_coefficients(p, n).unwrap();
    for (bound, bits) in [(8.0, 0), (20.0, 12), (3.5, 24)] {
        let seed = Seed::from_bytes([43; 32]);
        let mut sharing = s.decryptor.for_others(&seed);
        let shared = sharing.decrypt(&batch, bound, bits).unwrap();
        let noises: Vec<Vec<f64>> = shared
            .iter()
            .zip(&plain)
            .map(|(a, b)| {
                read(a)
                    .iter()
                    .zip(&read(b))
                    .map(|(a, b)| (a - b) * scale)
                    .collect()
            })
            .collect();
        assert_ne!(noises[0], noises[1]);
        let wanted = bound * f64::from(bits).exp2();
        for noise in &noises {
            let mean = noise.iter().sum::<f64>() / n as f64;
            let deviation = (noise.iter().map(|e| e * e).sum::<f64>() / n as f64).sqrt();
            // A deviation estimated from n values is off by 1/sqrt(2n) of itself, five times.
            let slack = 5.0 / (2.0 * n as f64).sqrt();
            assert!(
                (deviation / wanted - 1.0).abs() < slack,
                "{deviation} {wanted}"
            );
            assert!(
                mean.abs() < 5.0 * wanted / (n as f64).sqrt(),
                "{mean} {wanted}"
            );
        }
        // Slots are off by sqrt(N) deviations, times eight; fresh noise is below the flood.
        let worst = 8.0 * (n as f64).sqrt() * wanted.hypot(3.3) / scale;
        let found = s.context.decode(&shared[1]).unwrap();
        for (found, wanted) in found.iter().zip(&x) {
            assert!((found - wanted).abs() < worst, "{found} {wanted} {worst}");
        }
        // The same ciphertexts again, under the same seed: other noise, so that no difference of
        // two results is without it.
        let again = sharing.decrypt(&batch, bound, bits).unwrap();
        let noise = |shared: &[Plaintext<_>]| {
            let (found, plain) = (read(&shared[0]), read(&plain[0]));
            let noise = found.iter().zip(&plain).map(|(a, b)| (a - b) * scale);
            noise.collect::<Vec<f64>>()
        };
        let difference = noise(&again)
            .iter()
            .zip(&noise(&shared))
            .map(|(a, b)| (a - b).powi(2))
            .sum::<f64>();
        let deviation = (difference / n as f64).sqrt() / 2_f64.sqrt();
        assert!(
            (deviation / wanted - 1.0).abs() < 0.2,
            "{deviation} {wanted}"
        );
        let other = s
            .decryptor
            .for_others(&Seed::from_bytes([44; 32]))
            .decrypt(&batch, bound, bits);
        assert_ne!(read(&other.unwrap()[0]), read(&shared[0]));
    }
    let seed = Seed::from_bytes([43; 32]);
    for bound in [f64::NAN, -1.0, f64::INFINITY] {
        let refused = s.decryptor.for_others(&seed).decrypt(&batch, bound, 4);
        assert!(refused.is_err(), "bound {bound}");
    }
}
