//! Collision-resistant names of contents.

use std::fmt;
use std::io::{Read, Result as IoResult, Write};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A BLAKE3 hash that names a content, such as a model's weights or a calibration.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// Bytes of a hash.
    pub const LEN: usize = 32;

    /// A hash that was computed elsewhere.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

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

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for Digest {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl FromStr for Digest {
    type Err = &'static str;

    /// # Errors
    ///
    /// Fails on anything but 64 lower-case hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; Self::LEN];
        parse_hex(text, &mut bytes).ok_or("not 64 lower-case hexadecimal digits")?;
        Ok(Self(bytes))
    }
}

/// Fills `bytes` from lower-case hexadecimal digits; `None` for any other text.
pub(crate) fn parse_hex(text: &str, bytes: &mut [u8]) -> Option<()> {
    let digit = |c: u8| match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    };
    if text.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = 16 * digit(pair[0])? + digit(pair[1])?;
    }
    Some(())
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

    /// Adds a value by its JSON text.
    ///
    /// # Panics
    ///
    /// Never for values of numbers, strings, lists and maps with string keys.
    pub fn json(&mut self, value: &impl Serialize) -> &mut Self {
        let text = serde_json::to_vec(value).expect("numbers, strings and lists serialize");
        self.field(&text)
    }

    /// The hash of all fields so far.
    pub fn finish(&self) -> Digest {
        Digest(*self.0.finalize().as_bytes())
    }
}

/// Hashes the bytes that pass through a reader or writer, without borders between them.
pub(crate) struct Digesting<T> {
    inner: T,
    digester: Digester,
}

impl<T> Digesting<T> {
    /// Around `inner`.
    pub fn new(purpose: &str, inner: T) -> Self {
        let digester = Digester::new(purpose);
        Self { inner, digester }
    }

    /// The hash of all bytes so far.
    pub fn digest(&self) -> Digest {
        self.digester.finish()
    }

    /// The reader or writer, to pass bytes that do not count.
    pub fn inner(&mut self) -> &mut T {
        &mut self.inner
    }
}

impl<W: Write> Write for Digesting<W> {
    fn write(&mut self, bytes: &[u8]) -> IoResult<usize> {
        let count = self.inner.write(bytes)?;
        self.digester.0.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> IoResult<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Digesting<R> {
    fn read(&mut self, bytes: &mut [u8]) -> IoResult<usize> {
        let count = self.inner.read(bytes)?;
        self.digester.0.update(&bytes[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_digest_is_read_back_and_nothing_else_is_one() {
        let digest = Digester::new("x").finish();
        let text = digest.to_string();
        assert_eq!(text.parse(), Ok(digest));
        let upper = text.to_uppercase();
        for bad in ["", &text[1..], &upper, &format!("{text}0"), &"é".repeat(32)] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
    }

    #[test]
    fn bytes_read_and_written_give_the_same_digest() {
        let mut writer = Digesting::new("x", Vec::new());
        writer.write_all(b"some bytes").expect("memory");
        let mut reader = Digesting::new("x", &b"some bytes"[..]);
        reader.read_exact(&mut [0; 10]).expect("ten bytes");
        assert_eq!(writer.digest(), reader.digest());
    }

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
