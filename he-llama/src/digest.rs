//! Collision-resistant names of contents.

use std::fmt;

/// A BLAKE3 hash that names a content, such as a model's weights or a calibration.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The 32 bytes of the hash.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// 64 hexadecimal digits.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// Hashes a sequence of fields: each is preceded by its length, so different sequences differ.
pub struct Digester(blake3::Hasher);

impl Digester {
    /// A hash of its own for every `purpose`.
    pub fn new(purpose: &str) -> Self {
        Self(blake3::Hasher::new_derive_key(purpose))
    }

    /// Adds one field.
    pub fn field(&mut self, bytes: &[u8]) -> &mut Self {
        self.number(bytes.len() as u64);
        self.0.update(bytes);
        self
    }

    /// Adds one field, on all cores.
    pub fn large_field(&mut self, bytes: &[u8]) -> &mut Self {
        self.number(bytes.len() as u64);
        self.0.update_rayon(bytes);
        self
    }

    /// Adds an integer.
    pub fn number(&mut self, number: u64) -> &mut Self {
        self.0.update(&number.to_le_bytes());
        self
    }

    /// Adds real numbers, bit for bit.
    pub fn reals(&mut self, numbers: impl ExactSizeIterator<Item = f64>) -> &mut Self {
        self.number(numbers.len() as u64);
        for number in numbers {
            self.number(number.to_bits());
        }
        self
    }

    /// The hash of all fields so far.
    pub fn finish(&self) -> Digest {
        Digest(*self.0.finalize().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purpose_fields_and_their_borders_count() {
        let of = |purpose: &str, fields: &[&[u8]]| {
            let mut digester = Digester::new(purpose);
            fields.iter().for_each(|field| {
                digester.field(field);
            });
            digester.finish()
        };
        let all = [
            of("a", &[b"xy", b"z"]),
            of("a", &[b"x", b"yz"]),
            of("a", &[b"xyz"]),
            of("b", &[b"xy", b"z"]),
        ];
        for (i, one) in all.iter().enumerate() {
            assert!(all[..i].iter().all(|other| other != one), "{i}");
        }
        assert_eq!(all[0].to_string().len(), 64);
        let (mut parallel, large) = (Digester::new("a"), vec![7; 3 << 20]);
        assert_eq!(parallel.large_field(&large).finish(), of("a", &[&large]));
    }
}
