//! What is written is read again, and works as before.

use crate::fixture::{literal, message, samples, setup, wide_literal};
use ckks_cpu::CpuBackend;
use ckks_math::backend::{Device, Limits};
use ckks_math::keys::{EvaluationKeys, KeyPurpose, KeyRequest, PublicKey, SwitchingKey};
use ckks_math::params::{preset, preset_names};
use ckks_math::sampling::Seed;
use ckks_math::wire::{
    KeySetReader, KeySetWriter, Wire, key_set_len, read_evaluation_keys,
    read_params_insecure_for_tests,
};
use ckks_math::{Ciphertext, Encryptor, Error, Params, Plaintext};

#[test]
fn every_kind_is_read_as_it_was_written() {
    for parameters in [literal(4), wide_literal()] {
        let s = setup(parameters);
        let mut requests = s.requests();
        requests.truncate(3);
        let params = s.context.params();
        let public = s.public_key();
        let bytes = public.to_bytes(params).unwrap();
        assert_eq!(bytes.len() as u64, public.wire_len(params).unwrap());
        assert_eq!(PublicKey::from_bytes(params, &bytes).unwrap(), public);
        for request in s.requests() {
            let key = s.switching_key(request);
            let bytes = key.to_bytes(params).unwrap();
            assert_eq!(
                bytes.len() as u64,
                key.wire_len(params).unwrap(),
                "{request:?}"
            );
            assert_eq!(
                SwitchingKey::from_bytes(params, &bytes).unwrap(),
                key,
                "{request:?}"
            );
        }
        for level in 0..=s.top() {
            let x = s.ciphertext(level);
            let bytes = x.to_bytes(&s.context).unwrap();
            assert_eq!(bytes.len() as u64, x.wire_len(&s.context).unwrap());
            let y = Ciphertext::from_bytes(&s.context, &bytes).unwrap();
            assert_eq!(
                (
                    y.count(),
                    y.components(),
                    y.level(),
                    y.scale().to_bits(),
                    y.slots()
                ),
                (2, 2, level, x.scale().to_bits(), x.slots())
            );
            assert_eq!(s.decrypt(&y), s.decrypt(&x));
            let p = s.plaintext(level);
            let bytes = p.to_bytes(&s.context).unwrap();
            assert_eq!(bytes.len() as u64, p.wire_len(&s.context).unwrap());
            let back = Plaintext::from_bytes(&s.context, &bytes).unwrap();
            assert_eq!((back.level(), back.slots()), (level, p.slots()));
            assert_eq!(
                s.context.decode(&back).unwrap(),
                s.context.decode(&p).unwrap()
            );
        }
    }
}

#[test]
fn keys_of_low_levels_are_shorter() {
    let s = setup(literal(4));
    let params = s.context.params();
    let at = |level| KeyRequest {
        purpose: KeyPurpose::Relinearization,
        level,
    };
    // Limbs of 16 residues: level 0 has one digit over 2 moduli and 2 special ones, level 2 three
    // digits over 5 and 2.
    let bits = |level: usize| -> usize {
        let special = params
            .ring()
            .p()
            .iter()
            .map(|m| m.bits() as usize)
            .sum::<usize>();
        let q = &params.ring().q()[..params.primes_at(level)];
        special + q.iter().map(|m| m.bits() as usize).sum::<usize>()
    };
    for (level, digits) in [(0, 1), (1, 2), (2, 3)] {
        let len = s.switching_key(at(level)).wire_len(params).unwrap();
        // Header and checksum 64, request 16, four numbers 16, tag 16, seed 32.
        assert_eq!(len, 144 + (digits * bits(level) * 16 / 8) as u64);
    }
}

#[test]
fn unrelinearised_products_keep_three_components() {
    let s = setup(literal(5));
    let x = s.ciphertext(s.top());
    let ev = s.evaluator(EvaluationKeys::new());
    let product = ev.multiply_without_relinearisation(&x, &x).unwrap();
    let bytes = product.to_bytes(&s.context).unwrap();
    let back = Ciphertext::from_bytes(&s.context, &bytes).unwrap();
    assert_eq!(back.components(), 3);
    assert_eq!(s.decrypt(&back), s.decrypt(&product));
}

#[test]
fn a_transferred_public_key_encrypts() {
    let s = setup(literal(8));
    let params = s.context.params();
    let bytes = s.public_key().to_bytes(params).unwrap();
    let key = PublicKey::from_bytes(params, &bytes).unwrap();
    let seed = Seed::from_bytes([1; 32]);
    let mut encryptor = Encryptor::with_public_key(&s.context, &key, seed).unwrap();
    let x = encryptor.encrypt(&s.plaintext(2)).unwrap();
    // The noise is v e + e0 + e1 s with v, s ternary and deviation 3.2: below 2^12 in all 256
    // coefficients, hence below 256 * 2^12 / scale, scale 2^30, in a slot.
    for (found, wanted) in s.decrypt(&x)[0].iter().zip(message()) {
        assert!((found - wanted).abs() < 2_f64.powi(-10), "{found} {wanted}");
    }
}

#[test]
fn a_streamed_key_set_computes_as_the_original() {
    let s = setup(literal(5));
    let params = s.context.params();
    let mut bytes = Vec::new();
    let requests = s.requests();
    let mut original = EvaluationKeys::new();
    let mut writer = KeySetWriter::new(params, &requests, &mut bytes).unwrap();
    while let Some(request) = writer.next_request() {
        let key = s.switching_key(request);
        original.insert(&s.context, key.clone()).unwrap();
        writer.push(&key).unwrap();
    }
    writer.finish().unwrap();
    assert_eq!(bytes.len() as u64, key_set_len(params, &requests).unwrap());
    // Something else follows on the stream and must be left alone.
    bytes.extend(b"next");
    let mut input = &bytes[..];
    let transferred = read_evaluation_keys(&s.context, 1 << 20, &mut input).unwrap();
    assert_eq!((input, transferred.len()), (&b"next"[..], requests.len()));
    let x = s.ciphertext(2);
    let results = [original, transferred].map(|keys| {
        let ev = s.evaluator(keys);
        let y = ev.rotate(&ev.square(&x).unwrap(), 1).unwrap();
        y.to_bytes(&s.context).unwrap()
    });
    assert_eq!(results[0], results[1]);
}

#[test]
fn an_incomplete_or_disordered_key_set_is_not_written() {
    let s = setup(literal(4));
    let (params, requests) = (s.context.params(), s.requests());
    let mut out = Vec::new();
    assert!(KeySetWriter::new(params, &[requests[0], requests[0]], &mut out).is_err());
    let mut writer = KeySetWriter::new(params, &requests[..2], &mut out).unwrap();
    assert!(writer.push(&s.switching_key(requests[1])).is_err());
    writer.push(&s.switching_key(requests[0])).unwrap();
    let text = writer.finish().unwrap_err().to_string();
    assert!(text.contains("without the Galois key"), "{text}");
}

#[test]
fn a_key_set_says_what_it_holds_before_its_keys() {
    let s = setup(literal(4));
    let sample = samples(&s)
        .into_iter()
        .find(|x| x.name == "key_set")
        .unwrap();
    let params = s.context.params();
    let mut input = &sample.bytes[..];
    let mut reader = KeySetReader::new(params, 1 << 20, &mut input).unwrap();
    assert_eq!(reader.requests(), &s.requests()[..2]);
    assert_eq!(
        reader.next().unwrap().unwrap(),
        s.switching_key(s.requests()[0])
    );
}

#[test]
fn presets_are_rebuilt_with_their_primes_and_their_security() {
    let limits = Limits {
        max_modulus_bits: 61,
        max_degree: 1 << 17,
    };
    for name in preset_names() {
        let params = preset(name).unwrap().check(limits).unwrap();
        let bytes = params.to_bytes(&limits).unwrap();
        assert_eq!(bytes.len() as u64, params.wire_len(&limits).unwrap());
        let back = Params::from_bytes(&limits, &bytes).unwrap();
        assert_eq!(back.literal(), params.literal());
        assert_eq!(
            (back.hash(), back.security_bits()),
            (params.hash(), Some(128))
        );
    }
}

#[test]
fn insecure_parameters_need_the_reader_for_tests() {
    let s = setup(literal(4));
    let limits = s.context.backend().limits();
    let bytes = s.context.params().to_bytes(&limits).unwrap();
    let refused = Params::from_bytes(&limits, &bytes).unwrap_err();
    assert!(matches!(refused, Error::Insecure { .. }), "{refused}");
    let back = read_params_insecure_for_tests(&limits, 1000, &mut &bytes[..]).unwrap();
    assert_eq!(back.literal(), s.context.params().literal());
    assert_eq!(back.security_bits(), None);
}

#[test]
fn what_no_reader_takes_is_not_written() {
    let s = setup(literal(4));
    let x = s.ciphertext(1);
    for scale in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(x.with_scale(scale).to_bytes(&s.context).is_err());
    }
    assert!(x.with_slots(1 << 20).unwrap().to_bytes(&s.context).is_err());
    let other = setup(wide_literal());
    assert!(matches!(
        x.to_bytes(&other.context),
        Err(Error::WrongParameters { .. })
    ));
    let request = s.requests()[0];
    assert!(matches!(
        s.switching_key(request).to_bytes(other.context.params()),
        Err(Error::WrongParameters { .. })
    ));
}

#[test]
fn failures_of_files_name_the_object() {
    struct Broken;
    impl std::io::Write for Broken {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("disk full"))
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("connection lost"))
        }
    }
    let s = setup(literal(4));
    let text = s
        .ciphertext(0)
        .write(&s.context, &mut Broken)
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("ciphertext") && text.contains("disk full"),
        "{text}"
    );
    let read = Ciphertext::<CpuBackend>::read(&s.context, 1000, &mut Broken);
    let text = read.err().unwrap().to_string();
    assert!(
        text.contains("ciphertext") && text.contains("connection lost"),
        "{text}"
    );
}

/// The linear terms of encryptions under the secret key travel as seeds: alone, joined and sliced
/// half the bytes, and the same ciphertext arrives. A public key's encryptions have no such seed,
/// nor has anything that was computed.
#[test]
fn fresh_encryptions_take_half_the_bytes() {
    let s = setup(literal(5));
    let (ev, level) = (s.evaluator(EvaluationKeys::new()), s.top());
    let pair = s.ciphertext(level);
    let rows = |x: &Ciphertext<_>| x.to_bytes(&s.context).unwrap().len() - 64 - 44;
    let computed = ev.add(&pair, &ev.zeros(4, level, 2).unwrap()).unwrap();
    assert_eq!(rows(&pair) - 2 * 32, rows(&computed) / 2);
    assert_eq!(
        rows(&ev.slice(&pair, 1..2).unwrap()) - 32,
        rows(&computed) / 4
    );
    let mixed = [pair.clone(), computed.clone()];
    assert_eq!(rows(&ev.join(&mixed).unwrap()), 2 * rows(&computed));
    for x in [&pair, &ev.slice(&pair, 1..2).unwrap()] {
        let bytes = x.to_bytes(&s.context).unwrap();
        let back = Ciphertext::from_bytes(&s.context, &bytes).unwrap();
        assert_eq!(s.decrypt(&back), s.decrypt(x));
        assert_eq!(back.to_bytes(&s.context).unwrap(), bytes);
        assert_eq!(back.owner(), Some(s.secret.owner()));
        // Computing with what arrived gives what computing with the original gives.
        let sums = [&back, x].map(|x| ev.mul_integer(x, 5.0).unwrap());
        let sums = sums.map(|x| x.to_bytes(&s.context).unwrap());
        assert_eq!(sums[0], sums[1]);
    }
    let public = s.public_key();
    let seed = Seed::from_bytes([3; 32]);
    let mut encryptor = Encryptor::with_public_key(&s.context, &public, seed).unwrap();
    let x = encryptor.encrypt(&s.plaintext(level)).unwrap();
    assert_eq!(rows(&x), rows(&computed) / 2);
    assert_eq!(x.owner(), Some(s.secret.owner()));
}
