//! Bytes of version 1, kept for good.

use crate::fixture::{literal, message, samples, setup};
use ckks_math::Ciphertext;
use ckks_math::wire::{Wire, read_secret_key};

/// The committed bytes, in hexadecimal.
const VERSION_1: [(&str, &str); 7] = [
    ("parameters", include_str!("golden/v1_parameters.hex")),
    ("public_key", include_str!("golden/v1_public_key.hex")),
    ("switching_key", include_str!("golden/v1_switching_key.hex")),
    ("key_set", include_str!("golden/v1_key_set.hex")),
    ("ciphertext", include_str!("golden/v1_ciphertext.hex")),
    ("plaintext", include_str!("golden/v1_plaintext.hex")),
    ("secret_key", include_str!("golden/v1_secret_key.hex")),
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
fn version_1_is_still_read_and_written() {
    let s = setup(literal(4));
    for (sample, (name, hex)) in samples(&s).iter().zip(VERSION_1) {
        assert_eq!(sample.name, name);
        let again = (sample.reread)(&s, &from_hex(hex));
        assert_eq!(to_hex(&again.unwrap()), hex, "{name}");
    }
}

#[test]
fn objects_follow_from_their_seeds_alone() {
    let s = setup(literal(4));
    for (sample, (name, hex)) in samples(&s).iter().zip(VERSION_1) {
        assert_eq!(to_hex(&sample.bytes), hex, "{name}");
    }
}

#[test]
fn the_kept_ciphertext_opens_with_the_kept_secret() {
    let mut s = setup(literal(4));
    s.secret = read_secret_key(s.context.params(), &mut &from_hex(VERSION_1[6].1)[..]).unwrap();
    let x = Ciphertext::from_bytes(&s.context, &from_hex(VERSION_1[4].1)).unwrap();
    // 16 coefficients of deviation 3.2 sum to less than 2^9 in a slot, at scale 2^30.
    for (found, wanted) in s.decrypt(&x)[1].iter().zip(message()) {
        assert!((found - wanted).abs() < 2_f64.powi(-20), "{found} {wanted}");
    }
}
