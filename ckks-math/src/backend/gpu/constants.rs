//! Constants of kernels, in words of the host.

use crate::backend::montgomery::Radix;
use crate::backend::packed::packed_len;
use crate::backend::{Basis, RingSpec};
use crate::error::Result;
use crate::sampling::{Seed, UniformStream};
use std::ops::Range;

/// Words that are narrowed at a time on their way to a device.
pub const BUS_WORDS: usize = 1 << 20;

/// A modulus for a stream of which only the key is used: it is the same for all moduli.
const ANY_MODULUS: u64 = 2;

/// The stored forms of lists of constants, one constant for each limb of a basis.
pub fn stored<'c>(
    radix: Radix,
    ring: &RingSpec,
    basis: Basis,
    lists: impl IntoIterator<Item = &'c [u64]>,
) -> Vec<u64> {
    let lists = lists.into_iter();
    let of_limbs = |constants: &'c [u64]| {
        let pairs = ring.moduli(basis).zip(constants);
        pairs.map(move |(m, &c)| radix.stored(m, c))
    };
    lists.flat_map(of_limbs).collect()
}

/// Words below `2^32` in pieces of 32-bit words, each with the number of its first word.
pub fn narrow_pieces(words: &[u64]) -> impl Iterator<Item = (usize, Vec<u32>)> {
    let pieces = words.chunks(BUS_WORDS).enumerate();
    pieces.map(|(i, piece)| (i * BUS_WORDS, narrow(piece)))
}

/// Words below `2^32` as 32-bit words.
pub fn narrow(words: &[u64]) -> Vec<u32> {
    words.iter().map(|&word| word as u32).collect()
}

/// How the limbs of a basis lie in a packed row ([`crate::backend::packed`]), and which words of a
/// uniform stream are accepted for each ([`crate::sampling::uniform`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowLayout {
    /// First byte of each limb.
    pub starts: Vec<u64>,
    /// Bits of a residue of each limb.
    pub bits: Vec<u32>,
    /// Largest word of a stream that is accepted for each limb.
    pub lasts: Vec<u64>,
    /// Bytes of a row.
    pub row_bytes: u64,
}

impl RowLayout {
    /// The layout of rows over a basis.
    pub fn of(ring: &RingSpec, basis: Basis) -> Self {
        let mut layout = Self::default();
        for m in ring.moduli(basis) {
            layout.starts.push(layout.row_bytes);
            layout.bits.push(m.bits());
            // 2^64 - (2^64 mod m) - 1: the word below the last multiple of m.
            layout.lasts.push(u64::MAX - m.reduce_u128(1 << 64));
            layout.row_bytes += packed_len(ring.degree(), m.bits()) as u64;
        }
        layout
    }
}

/// The keys of the streams of uniform polynomials number `polynomials` of a seed, eight words each.
///
/// # Errors
/// As [`UniformStream::new`].
pub fn stream_keys(seed: &Seed, polynomials: Range<usize>) -> Result<Vec<u32>> {
    let mut keys = Vec::with_capacity(8 * polynomials.len());
    for polynomial in polynomials {
        let stream = UniformStream::new(seed, polynomial as u64, 0, ANY_MODULUS)?;
        let words = stream.key().chunks_exact(4);
        keys.extend(words.map(|w| u32::from_le_bytes([w[0], w[1], w[2], w[3]])));
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::RingKind;
    use crate::backend::packed::packed_row_len;

    fn ring() -> RingSpec {
        RingSpec::new(RingKind::Standard, 3, &[17, 97], &[193]).expect("a ring")
    }

    #[test]
    fn rows_are_laid_out_as_they_are_packed() {
        let (ring, basis) = (ring(), Basis::qp(2, 1));
        let layout = RowLayout::of(&ring, basis);
        assert_eq!(layout.bits, [5, 7, 8]);
        assert_eq!(layout.starts, [0, 5, 12]);
        assert_eq!(layout.row_bytes, packed_row_len(&ring, basis) as u64);
        for (last, m) in layout.lasts.iter().zip(ring.moduli(basis)) {
            assert_eq!(*last % m.value(), m.value() - 1);
            assert!(u64::MAX - last < m.value());
        }
    }

    /// The key of a stream depends on seed and polynomial alone, and the last word on the modulus.
    #[test]
    fn streams_are_those_of_their_definition() {
        let (ring, seed) = (ring(), Seed::from_bytes([7; 32]));
        let keys = stream_keys(&seed, 3..5).expect("keys");
        let layout = RowLayout::of(&ring, Basis::q(2));
        for (polynomial, key) in (3..5).zip(keys.chunks_exact(8)) {
            for prime in 0..2 {
                let q = ring.prime(prime).value();
                let stream = UniformStream::new(&seed, polynomial, prime as u64, q).expect("one");
                let bytes: Vec<u8> = key.iter().flat_map(|word| word.to_le_bytes()).collect();
                assert_eq!(stream.key()[..], bytes);
                assert_eq!(stream.last(), layout.lasts[prime]);
            }
        }
    }

    #[test]
    fn constants_are_stored_limb_by_limb() {
        let ring = ring();
        let lists: [&[u64]; 2] = [&[1, 2], &[3, 4]];
        let found = stored(Radix::SHORT, &ring, Basis::q(2), lists);
        let (a, b) = (ring.prime(0), ring.prime(1));
        let expected = [(a, 1), (b, 2), (a, 3), (b, 4)].map(|(m, c)| Radix::SHORT.stored(m, c));
        assert_eq!(found, expected);
    }
}
