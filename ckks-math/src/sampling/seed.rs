//! 256-bit seeds, their derivation tree and their ChaCha20 streams.

use std::fmt;

use rand_chacha::ChaCha20Rng;
use rand_core::{CryptoRng, RngCore, SeedableRng};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Stream identifiers with this bit belong to derivation, those without to sampling.
const DERIVATION: u64 = 1 << 63;

/// A 32-byte seed: a ChaCha20 key. Wiped when dropped, never shown by `Debug`.
///
/// # Derivation
///
/// `F(k, s)` is the first 32 bytes of the ChaCha20 key stream with key `k`, 64-bit stream
/// identifier (nonce) `s` and block counter 0. [`Seed::derive`] is the cascade of `F`
/// [Bellare-Canetti-Krawczyk 1996] over the 64-bit words
///
/// ```text
/// 2^63 + byte length of the label,  label in 8-byte little-endian words (zero padded),  index
/// ```
///
/// The first word fixes how many follow, so no input is a prefix of another, and the cascade is a
/// pseudorandom function if ChaCha20 is: seeds derived with different labels or indices are
/// independent of each other, and a derived seed may be published without revealing its parent.
/// Streams for sampling have identifiers below 2^63, so they share no key stream with derivation.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Seed([u8; 32]);

impl Seed {
    /// The seed with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A fresh seed from a cryptographic generator, such as the operating system's
    /// (`rand_core::OsRng.unwrap_err()`).
    pub fn from_rng(rng: &mut impl CryptoRng) -> Self {
        let mut seed = Self([0; 32]);
        rng.fill_bytes(&mut seed.0);
        seed
    }

    /// The bytes, for the wire format (public seeds) or the key file (secret ones).
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The independent seed named by a label and an index; the type's documentation defines it.
    #[must_use]
    pub fn derive(&self, label: &str, index: u64) -> Self {
        let mut node = self.step(DERIVATION | label.len() as u64);
        for chunk in label.as_bytes().chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            node = node.step(u64::from_le_bytes(word));
        }
        node.step(index)
    }

    /// One step of the cascade, `F(self, word)`.
    fn step(&self, word: u64) -> Self {
        let mut rng = ChaCha20Rng::from_seed(self.0);
        rng.set_stream(word);
        let mut next = Self([0; 32]);
        rng.fill_bytes(&mut next.0);
        next
    }

    /// The key stream with this identifier below 2^63, from its beginning.
    pub(super) fn stream(&self, id: u64) -> ChaCha20Rng {
        debug_assert!(id < DERIVATION);
        let mut rng = ChaCha20Rng::from_seed(self.0);
        rng.set_stream(id);
        rng
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    #[test]
    fn the_stream_is_chacha20() {
        // Key stream of the all-zero key and nonce: draft-agl-tls-chacha20poly1305-04, section 7.
        let mut block = [0; 32];
        Seed::from_bytes([0; 32]).stream(0).fill_bytes(&mut block);
        let want = "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7";
        assert_eq!(hex(&block), want);
    }

    #[test]
    fn derivation_follows_its_definition() {
        let block = |key: [u8; 32], nonce: u64| {
            let mut rng = ChaCha20Rng::from_seed(key);
            rng.set_stream(nonce);
            let mut out = [0; 32];
            rng.fill_bytes(&mut out);
            out
        };
        let root = [7; 32];
        let mut key = block(root, (1 << 63) + 10);
        key = block(key, u64::from_le_bytes(*b"secret-k"));
        key = block(key, u64::from_le_bytes(*b"ey\0\0\0\0\0\0"));
        key = block(key, 5);
        assert_eq!(Seed::from_bytes(root).derive("secret-key", 5).0, key);
    }

    #[test]
    fn labels_indices_and_depth_all_separate() {
        let root = Seed::from_bytes([1; 32]);
        let mut seen = HashSet::from([root.0]);
        for label in ["", "a", "a\0", "b", "aaaaaaaa", "aaaaaaaaa", "aaaaaaaa\0"] {
            for index in [0, 1, u64::from(b'a'), u64::MAX] {
                let seed = root.derive(label, index);
                assert!(seen.insert(seed.0));
                assert!(seen.insert(seed.derive(label, index).0));
            }
        }
        assert_eq!(root.derive("a", 1), root.clone().derive("a", 1));
    }

    #[test]
    fn debug_output_hides_the_bytes() {
        assert_eq!(format!("{:?}", Seed::from_bytes([0xab; 32])), "Seed(..)");
    }
}
