//! Damaged and forged bytes: always an error, never a panic, never more memory than was sent.

use crate::fixture::{
    HEADER, Sample, Setup, fault_name, literal, reseal, reseal_checksums, samples, setup,
    wide_literal,
};
use crate::memory::largest_allocation;
use ckks_math::Error;

/// Room for what is allocated whatever the bytes say: one limb's buffer, the first piece of the
/// residues (512 KiB), the device's own memory for a tiny ring.
const ROOM: usize = 1 << 20;

/// Reads bytes that may be anything; what is accepted must be written as it was read.
fn read_anything(s: &Setup, sample: &Sample, bytes: &[u8]) -> Result<(), Error> {
    let (largest, result) = largest_allocation(|| (sample.reread)(s, bytes));
    assert!(largest <= ROOM, "{}: {largest} bytes at once", sample.name);
    assert_eq!(
        result?, bytes,
        "{}: accepted, and not canonical",
        sample.name
    );
    Ok(())
}

fn refused(s: &Setup, sample: &Sample, bytes: &[u8]) -> String {
    let error = read_anything(s, sample, bytes).expect_err(sample.name);
    fault_name(&error)
}

#[test]
fn every_truncation_is_found() {
    let s = setup(literal(4));
    for sample in samples(&s) {
        for length in 0..sample.bytes.len() {
            let cut = (sample.reread)(&s, &sample.bytes[..length]).expect_err(sample.name);
            // From memory the limit is the length; a stream has no length and runs dry.
            assert!(
                ["Truncated", "Limit"].contains(&&*fault_name(&cut)),
                "{cut}"
            );
        }
    }
}

#[test]
fn every_truncated_stream_runs_dry() {
    use ckks_math::wire::Wire;
    let s = setup(literal(4));
    let bytes = s.public_key().to_bytes(s.context.params()).unwrap();
    for length in 0..bytes.len() {
        let mut input = &bytes[..length];
        let cut = ckks_math::keys::PublicKey::read(s.context.params(), 1 << 30, &mut input);
        assert_eq!(fault_name(&cut.unwrap_err()), "Truncated");
    }
}

#[test]
fn every_flipped_bit_is_found() {
    let s = setup(literal(4));
    for sample in samples(&s) {
        for bit in 0..8 * sample.bytes.len() {
            let mut bytes = sample.bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let name = refused(&s, &sample, &bytes);
            if bit < 64 {
                assert_eq!(name, "Mark");
            } else if bit < 8 * HEADER {
                assert_eq!(name, "Checksum");
            }
        }
    }
}

#[test]
fn forged_headers_are_refused_by_name() {
    let s = setup(literal(4));
    for sample in samples(&s) {
        let forged = |at: usize, value: &[u8]| {
            let mut bytes = sample.bytes.clone();
            bytes[at..at + value.len()].copy_from_slice(value);
            reseal_checksums(&mut bytes);
            refused(&s, &sample, &bytes)
        };
        assert_eq!(forged(8, &99_u16.to_le_bytes()), "Kind", "{}", sample.name);
        assert_eq!(forged(8, &0_u16.to_le_bytes()), "Kind", "{}", sample.name);
        // Version 1 had a shorter header: it is named before any checksum.
        for version in [0_u16, 1, 3, u16::MAX] {
            let name = forged(10, &version.to_le_bytes());
            assert_eq!(name, "Version", "{} {version}", sample.name);
        }
        assert_eq!(forged(12, &1_u32.to_le_bytes()), "Flags", "{}", sample.name);
        for length in [1 << 30, u64::MAX - 64, u64::MAX] {
            let name = forged(48, &length.to_le_bytes());
            assert_eq!(name, "Limit", "{}", sample.name);
        }
        assert_eq!(
            forged(48, &3_u64.to_le_bytes()),
            "Length",
            "{}",
            sample.name
        );
    }
}

#[test]
fn huge_lengths_under_an_unlimited_reader_cost_no_memory() {
    use ckks_math::wire::Wire;
    let s = setup(literal(4));
    let x = s.ciphertext(2);
    let mut bytes = x.to_bytes(&s.context).unwrap();
    // A fresh pair: fields, two seeds and two rows.
    let row = (bytes.len() - HEADER - 4 - 44 - 64) / 2;
    // As many ciphertexts as the count field can say, with the length that they would take.
    bytes[HEADER..HEADER + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    let length = 44 + u64::from(u32::MAX) * (32 + row as u64);
    bytes[48..56].copy_from_slice(&length.to_le_bytes());
    reseal_checksums(&mut bytes);
    let (largest, result) = largest_allocation(|| {
        ckks_math::Ciphertext::read(&s.context, u64::MAX, &mut &bytes[..]).map(drop)
    });
    assert_eq!(fault_name(&result.unwrap_err()), "Truncated");
    assert!(largest <= ROOM, "{largest} bytes at once");
}

#[test]
fn forged_fields_are_refused_by_name() {
    let s = setup(literal(4));
    let all = samples(&s);
    let forged = |name: &str, at: usize, value: &[u8]| {
        let sample = all.iter().find(|x| x.name == name).unwrap();
        let mut bytes = sample.bytes.clone();
        let at = HEADER + at;
        bytes[at..at + value.len()].copy_from_slice(value);
        reseal(&mut bytes);
        read_anything(&s, sample, &bytes)
            .expect_err(name)
            .to_string()
    };
    let word = |x: u32| x.to_le_bytes();
    let cases: [(&str, usize, &[u8], &str); 31] = [
        ("ciphertext", 0, &word(0), "number of ciphertexts is 0"),
        ("ciphertext", 0, &word(3), "contents take"),
        ("ciphertext", 0, &word(u32::MAX), "contents take"),
        ("ciphertext", 4, &word(1), "number of components is 1"),
        ("ciphertext", 4, &word(4), "number of components is 4"),
        ("ciphertext", 8, &word(3), "level is 3"),
        ("ciphertext", 8, &word(2), "contents take"),
        ("ciphertext", 12, &word(16), "number of slots is 16"),
        ("ciphertext", 12, &word(3), "number of slots is 3"),
        ("ciphertext", 16, &f64::NAN.to_le_bytes(), "scale is NaN"),
        ("ciphertext", 16, &(-1.5_f64).to_le_bytes(), "scale is -1.5"),
        ("ciphertext", 40, &word(2), "seeds of linear terms is 2"),
        ("ciphertext", 40, &word(0), "contents take"),
        ("ciphertext", 4, &word(3), "seeds of linear terms is 1"),
        ("ciphertext", 108, &[0xff; 3], "is not below its modulus"),
        ("product", 40, &word(1), "contents take"),
        ("product", 44, &[0xff; 3], "is not below its modulus"),
        ("plaintext", 24, &[1], "owner's tag is set"),
        ("switching_key", 32, &[0; 16], "owner's tag is 0"),
        ("plaintext", 0, &word(2), "number of ciphertexts is 2"),
        ("plaintext", 4, &word(2), "number of components is 2"),
        ("switching_key", 0, &word(4), "purpose is 4"),
        ("switching_key", 4, &word(2), "Galois element is 2"),
        ("switching_key", 4, &word(33), "Galois element is 33"),
        ("switching_key", 12, &word(3), "level is 3"),
        ("switching_key", 16, &word(1), "digit size is 1"),
        ("switching_key", 20, &word(4), "number of moduli is 4"),
        (
            "switching_key",
            24,
            &word(1),
            "number of special moduli is 1",
        ),
        ("switching_key", 28, &word(3), "number of digits is 3"),
        (
            "parameters",
            20,
            &word(u32::MAX),
            "digit size is 4294967295",
        ),
        (
            "parameters",
            68,
            &word(u32::MAX),
            "number of levels is 4294967295",
        ),
    ];
    for (name, at, value, wanted) in cases {
        let text = forged(name, at, value);
        assert!(text.contains(wanted), "{name} + {at}: {text}, not {wanted}");
    }
}

#[test]
fn trailing_bytes_are_refused() {
    let s = setup(literal(4));
    for sample in samples(&s) {
        // Inside the declared length; a set's last key is sealed on its own.
        let mut longer = sample.bytes.clone();
        longer.push(0);
        if sample.name != "key_set" {
            reseal(&mut longer);
            // A secret key has one length only, which is its reader's limit.
            let wanted = if sample.name == "secret_key" {
                "Limit"
            } else {
                "Length"
            };
            assert_eq!(refused(&s, &sample, &longer), wanted, "{}", sample.name);
        }
    }
    let all = samples(&s);
    for name in [
        "public_key",
        "switching_key",
        "ciphertext",
        "product",
        "plaintext",
        "secret_key",
    ] {
        let sample = all.iter().find(|x| x.name == name).unwrap();
        let mut longer = sample.bytes.clone();
        longer.push(0);
        assert_eq!(refused(&s, sample, &longer), "Trailing", "{name}");
    }
}

#[test]
fn other_parameters_are_named_by_both_hashes() {
    let (s, other) = (setup(literal(4)), setup(wide_literal()));
    for sample in samples(&s).iter().filter(|x| x.name != "parameters") {
        let error = (sample.reread)(&other, &sample.bytes).unwrap_err();
        let Error::WrongParameters {
            found, expected, ..
        } = error
        else {
            panic!("{}: {error}", sample.name);
        };
        assert_eq!(found, s.context.params().hash());
        assert_eq!(expected, other.context.params().hash());
    }
    // Parameters that lead to other primes than their sender's.
    let sample = &samples(&s)[0];
    let mut bytes = sample.bytes.clone();
    bytes[16] ^= 1;
    reseal(&mut bytes);
    assert_eq!(refused(&s, sample, &bytes), "WrongParameters");
}

#[test]
fn keys_of_a_set_come_in_the_listed_order() {
    let s = setup(literal(4));
    let all = samples(&s);
    let sample = all.iter().find(|x| x.name == "key_set").unwrap();
    let list = HEADER + 4 + 2 * 16 + 4;
    let first = (sample.bytes.len() - list) / 2;
    // The two keys have the same length, so they can be exchanged whole.
    let mut bytes = sample.bytes[..list].to_vec();
    bytes.extend(&sample.bytes[list + first..]);
    bytes.extend(&sample.bytes[list..list + first]);
    let error = read_anything(&s, sample, &bytes).unwrap_err().to_string();
    assert!(error.contains("next key"), "{error}");
    // One key listed twice.
    let mut bytes = sample.bytes.clone();
    bytes.copy_within(HEADER + 4..HEADER + 20, HEADER + 20);
    reseal_checksums(&mut bytes[..list]);
    let error = read_anything(&s, sample, &bytes).unwrap_err().to_string();
    assert!(error.contains("twice"), "{error}");
}

#[test]
fn random_forgeries_never_get_through_unseen() {
    let s = setup(literal(4));
    let mut state = 0x1234_5678_9abc_def1_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as usize % below
    };
    for sample in samples(&s) {
        let (mut accepted, mut rounds) = (0, 0);
        while rounds < 20_000 {
            rounds += 1;
            let mut bytes = sample.bytes.clone();
            for _ in 0..=random(3) {
                match random(4) {
                    // Mostly fields: the first bytes of the payload.
                    0 | 1 => {
                        let at = HEADER + random(96.min(bytes.len() - HEADER));
                        bytes[at] = random(256) as u8;
                    }
                    2 => {
                        let at = random(bytes.len());
                        bytes[at] ^= 1 << random(8);
                    }
                    _ => {
                        let length = HEADER + 4 + random(bytes.len() - HEADER);
                        bytes.resize(length, random(256) as u8);
                    }
                }
            }
            match random(3) {
                0 => {}
                1 => reseal_checksums(&mut bytes),
                _ => reseal(&mut bytes),
            }
            if read_anything(&s, &sample, &bytes).is_ok() {
                accepted += 1;
            }
        }
        // Changed residues and seeds are other valid objects: the loop reaches past the fields.
        if !["parameters", "key_set"].contains(&sample.name) {
            assert!(accepted > 0, "{}: no forgery was well formed", sample.name);
        }
    }
}
