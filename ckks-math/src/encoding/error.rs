//! Errors of encoding, decoding and conversion to and from residues.

use thiserror::Error;

/// What can be wrong with a message, a slot count, a scale or a set of residues.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum EncodingError {
    /// The ring degree is not a usable power of two.
    #[error("ring degree {degree} is not a power of two between 2 and 2^26; choose one that is")]
    Degree {
        /// The degree asked for.
        degree: usize,
    },
    /// The number of values is not a power of two within the ring.
    #[error(
        "{given} values given, but the number must be a power of two, at most {max} here; \
         pad the vector or choose a larger ring"
    )]
    Length {
        /// Number of values given, or of slots asked for.
        given: usize,
        /// Largest number this ring and encoding hold.
        max: usize,
    },
    /// A polynomial or residue matrix has the wrong length.
    #[error("{given} elements given where {expected} are needed ({what})")]
    Shape {
        /// What the elements are.
        what: &'static str,
        /// Number of elements given.
        given: usize,
        /// Number of elements needed.
        expected: usize,
    },
    /// A value is NaN or infinite.
    #[error("value {value} at index {index} is not finite; remove it before encoding")]
    NotFinite {
        /// Its index.
        index: usize,
        /// The real or imaginary part that is not finite.
        value: f64,
    },
    /// The scale is not a positive finite number.
    #[error("scale {scale} is not a positive finite number; use a power of two such as 2^40")]
    Scale {
        /// The scale given.
        scale: f64,
    },
    /// Complex slots were asked of the conjugate-invariant ring.
    #[error(
        "the conjugate-invariant ring has real slots only; \
         encode real values, or use the standard ring"
    )]
    RealSlotsOnly,
    /// A scaled coefficient does not fit the modulus.
    #[error(
        "coefficient {index} would need {bits:.1} bits and a sign, but a modulus of {modulus_bits} \
         bits holds {} bits; lower the scale or encode at a higher level",
        modulus_bits.saturating_sub(1)
    )]
    CoefficientTooLarge {
        /// Index of the coefficient in the polynomial of degree N.
        index: usize,
        /// log2 of its absolute value.
        bits: f64,
        /// Modulus bits that were given.
        modulus_bits: u32,
    },
    /// A modulus is even, too small or too large.
    #[error("modulus {modulus} is not an odd number between 3 and 2^61; use NTT primes")]
    Modulus {
        /// The modulus.
        modulus: u64,
    },
    /// Two moduli share a factor.
    #[error("moduli {first} and {second} share a factor; residues need pairwise coprime moduli")]
    NotCoprime {
        /// One of the moduli.
        first: u64,
        /// The other.
        second: u64,
    },
    /// A residue is not below its modulus.
    #[error("residue {residue} at coefficient {index} is not reduced modulo {modulus}")]
    NotReduced {
        /// Index of the coefficient.
        index: usize,
        /// The residue.
        residue: u64,
        /// Its modulus.
        modulus: u64,
    },
    /// A reconstructed integer exceeds the range of `f64`.
    #[error(
        "coefficient {index} has {bits} bits and f64 ends at 1024: the message overflowed, or the \
         ciphertext was decrypted with another key"
    )]
    OutOfFloatRange {
        /// Index of the coefficient.
        index: usize,
        /// Bit length of its absolute value.
        bits: usize,
    },
}
