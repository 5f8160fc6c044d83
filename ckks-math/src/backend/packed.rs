//! Residues as bit strings: how they are transferred and stored.
//!
//! A limb of `n` residues modulo a prime of `bits` bits takes `ceil(n bits / 8)` bytes: residue `i`
//! has the bits from `i * bits` on, least significant first, and the last byte is filled up with
//! zeros. Limbs follow each other, then rows.

use super::{Basis, RingSpec};

/// Residues packed together: they end on a byte, whatever their length.
const GROUP: usize = 8;
/// Bytes that loads and stores of whole words may touch for one group.
const ROOM: usize = 61 + 16;
/// Longest residue that an 8-byte word holds at any of the 8 bit offsets in a byte.
const NARROW: u32 = 57;

/// Bytes of a limb of `n` residues of `bits` bits.
pub const fn packed_len(n: usize, bits: u32) -> usize {
    (n * bits as usize).div_ceil(8)
}

/// Bytes of one row over a basis.
pub fn packed_row_len(ring: &RingSpec, basis: Basis) -> usize {
    let lengths = ring
        .moduli(basis)
        .map(|m| packed_len(ring.degree(), m.bits()));
    lengths.sum()
}

/// Packs residues of `bits <= 61` bits into [`packed_len`] bytes.
pub fn pack(values: &[u64], bits: u32, out: &mut [u8]) {
    debug_assert!(bits <= 61 && out.len() == packed_len(values.len(), bits));
    let groups = values.chunks(GROUP).zip(out.chunks_mut(bits as usize));
    if bits <= NARROW {
        for (values, out) in groups {
            pack_group(values, bits, out, |bytes, byte, shift, value, carry| {
                let word = value << shift | carry;
                bytes[byte..byte + 8].copy_from_slice(&word.to_le_bytes());
            });
        }
    } else {
        for (values, out) in groups {
            pack_group(values, bits, out, |bytes, byte, shift, value, carry| {
                let word = u128::from(value) << shift | u128::from(carry);
                bytes[byte..byte + 16].copy_from_slice(&word.to_le_bytes());
            });
        }
    }
}

/// Calls `store(bytes, byte, shift, value, carry)` for each residue: `carry` are the `shift` bits
/// of the residues before that share its first byte. What a store writes behind its residue is
/// overwritten by the next one.
#[inline(always)]
fn pack_group(
    values: &[u64],
    bits: u32,
    out: &mut [u8],
    store: impl Fn(&mut [u8; ROOM], usize, u32, u64, u64),
) {
    let mut bytes = [0; ROOM];
    let (mut at, mut carry) = (0, 0);
    for &value in values {
        debug_assert!(value >> bits == 0);
        let shift = (at % 8) as u32;
        store(&mut bytes, at / 8, shift, value, carry);
        let next = at + bits as usize;
        carry = if next / 8 == at / 8 {
            value << shift | carry // The byte that the residue begins in goes on behind it.
        } else {
            value >> (bits - (next % 8) as u32)
        };
        at = next;
    }
    out.copy_from_slice(&bytes[..out.len()]);
}

/// Unpacks `out.len()` residues of `bits` bits from [`packed_len`] bytes, the inverse of [`pack`].
pub fn unpack(bytes: &[u8], bits: u32, out: &mut [u64]) {
    for_each_group(bytes, bits, out.len(), |start, values| {
        out[start..start + values.len()].copy_from_slice(values);
        true
    });
}

/// The position of the first packed residue that is not below `modulus`, and its value.
pub fn first_not_below(bytes: &[u8], bits: u32, n: usize, modulus: u64) -> Option<(usize, u64)> {
    let mut found = None;
    for_each_group(bytes, bits, n, |start, values| {
        // Without an exit in the loop it runs over several residues at once.
        if values.iter().fold(true, |below, &x| below & (x < modulus)) {
            return true;
        }
        let at = values.iter().position(|&x| x >= modulus);
        found = at.map(|i| (start + i, values[i]));
        false
    });
    found
}

/// Unpacks group after group for as long as `visit` returns true.
#[inline(always)]
fn for_each_group(bytes: &[u8], bits: u32, n: usize, mut visit: impl FnMut(usize, &[u64]) -> bool) {
    debug_assert!(bits <= 61 && bytes.len() == packed_len(n, bits));
    let mask = (1_u64 << bits) - 1;
    let mut padded = [0; ROOM];
    for start in (0..n).step_by(GROUP) {
        let from = start / GROUP * bits as usize;
        let group = match bytes[from..].first_chunk::<ROOM>() {
            Some(group) => group,
            None => {
                let rest = &bytes[from..];
                padded[..rest.len()].copy_from_slice(rest);
                &padded
            }
        };
        let mut values = [0; GROUP];
        for (i, value) in values.iter_mut().enumerate() {
            let at = i * bits as usize;
            let (byte, shift) = (at / 8, at % 8);
            *value = if bits <= NARROW {
                let word = group[byte..].first_chunk().expect("the group has room");
                (u64::from_le_bytes(*word) >> shift) & mask
            } else {
                let word = group[byte..].first_chunk().expect("the group has room");
                (u128::from_le_bytes(*word) >> shift) as u64 & mask
            };
        }
        if !visit(start, &values[..GROUP.min(n - start)]) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bit by bit, as the format says.
    fn naive(values: &[u64], bits: u32) -> Vec<u8> {
        let mut out = vec![0; packed_len(values.len(), bits)];
        for (i, &value) in values.iter().enumerate() {
            for b in 0..bits as usize {
                let at = i * bits as usize + b;
                out[at / 8] |= ((value >> b & 1) as u8) << (at % 8);
            }
        }
        out
    }

    #[test]
    fn every_width_matches_the_definition_and_comes_back() {
        let mut state = 1_u64;
        for bits in 8..=61 {
            for n in [1, 2, 4, 8, 16, 64, 200] {
                let values: Vec<u64> = (0..n)
                    .map(|i| {
                        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(7);
                        if i % 7 == 0 {
                            (1 << bits) - 1
                        } else {
                            state >> (64 - bits)
                        }
                    })
                    .collect();
                // Stale bytes must not show.
                let mut bytes = vec![0xa5; packed_len(n, bits)];
                pack(&values, bits, &mut bytes);
                assert_eq!(bytes, naive(&values, bits), "{bits} bits");
                let mut back = vec![0; n];
                unpack(&bytes, bits, &mut back);
                assert_eq!(back, values, "{bits} bits");
            }
        }
    }

    #[test]
    fn the_first_residue_not_below_the_modulus_is_named() {
        for bits in [49, 60] {
            let modulus = (1 << (bits - 1)) + 9;
            let mut values = vec![modulus - 1; 32];
            let mut bytes = vec![0; packed_len(32, bits)];
            pack(&values, bits, &mut bytes);
            assert_eq!(first_not_below(&bytes, bits, 32, modulus), None);
            values[13] = modulus;
            values[20] = modulus + 1;
            pack(&values, bits, &mut bytes);
            let found = first_not_below(&bytes, bits, 32, modulus);
            assert_eq!(found, Some((13, modulus)));
        }
    }
}
