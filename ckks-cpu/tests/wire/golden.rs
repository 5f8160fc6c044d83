//! Bytes of version 2, kept for good.

use crate::fixture::{literal, message, samples, setup};
use ckks_math::Ciphertext;
use ckks_math::wire::{Wire, read_secret_key};

/// The committed bytes, in hexadecimal.
const VERSION_2: [(&str, &str); 8] = [
    ("parameters", include_str!("golden/v2_parameters.hex")),
    ("public_key", include_str!("golden/v2_public_key.hex")),
    ("switching_key", include_str!("golden/v2_switching_key.hex")),
    ("key_set", include_str!("golden/v2_key_set.hex")),
    ("ciphertext", include_str!("golden/v2_ciphertext.hex")),
    ("product", include_str!("golden/v2_product.hex")),
    ("plaintext", include_str!("golden/v2_plaintext.hex")),
    ("secret_key", include_str!("golden/v2_secret_key.hex")),
];

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(16)).collect();
    digits
        .chunks(2)
        .map(|pair| (pair[0] << 4 | pair[1]) as u8)
        .collect()
}

fn to_hex(bytes: &[u8]) -> String {
    let line = |c: &[u8]| c.iter().map(|b| format!("{b:02x}")).collect::<String>();
    bytes.chunks(40).map(|c| line(c) + "\n").collect()
}

#[test]
fn version_2_is_still_read_and_written() {
    let s = setup(literal(4));
    for (sample, (name, hex)) in samples(&s).iter().zip(VERSION_2) {
        assert_eq!(sample.name, name);
        let again = (sample.reread)(&s, &from_hex(hex));
        assert_eq!(to_hex(&again.unwrap()), hex, "{name}");
    }
}

#[test]
fn objects_follow_from_their_seeds_alone() {
    let s = setup(literal(4));
    for (sample, (name, hex)) in samples(&s).iter().zip(VERSION_2) {
        assert_eq!(to_hex(&sample.bytes), hex, "{name}");
    }
}

#[test]
fn the_kept_ciphertext_opens_with_the_kept_secret() {
    let mut s = setup(literal(4));
    s.secret = read_secret_key(s.context.params(), &mut &from_hex(VERSION_2[7].1)[..]).unwrap();
    let x = Ciphertext::from_bytes(&s.context, &from_hex(VERSION_2[4].1)).unwrap();
    // 16 coefficients of deviation 3.2 sum to less than 2^9 in a slot, at scale 2^30.
    for (found, wanted) in s.decrypt(&x)[1].iter().zip(message()) {
        assert!((found - wanted).abs() < 2_f64.powi(-20), "{found} {wanted}");
    }
}

/// Writes the files of a new version, of which there is to be one for each release at most: run
/// once, by
/// `cargo test -p ckks-cpu --test wire -- --ignored write_the_files`, and commit.
#[test]
#[ignore = "writes the files that the other tests hold the format to"]
fn write_the_files() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire/golden");
    for sample in samples(&setup(literal(4))) {
        let file = directory.join(format!("v2_{}.hex", sample.name));
        std::fs::write(file, to_hex(&sample.bytes)).unwrap();
    }
}
