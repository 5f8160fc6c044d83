//! Residues as bit strings.

/// Bytes behind a bit string that loads and stores of whole words may touch.
const PAD: usize = 16;
/// Longest residue that an 8-byte word holds at any of the 8 bit offsets in a byte.
const NARROW: u32 = 57;

/// Bytes of `n` residues, a multiple of 8, of `bits` bits.
pub(super) const fn packed_len(n: usize, bits: u32) -> usize {
    n / 8 * bits as usize
}

/// Bytes of the buffer that [`pack`] fills and [`unpack`] reads: the bit string and a margin.
pub(super) const fn buffer_len(n: usize, bits: u32) -> usize {
    packed_len(n, bits) + PAD
}

/// Packs a multiple of 8 residues of `bits <= 61` bits: residue `i` takes the bits from `i * bits`
/// on, least significant first. `out` has [`buffer_len`] bytes.
pub(super) fn pack(values: &[u64], bits: u32, out: &mut [u8]) {
    debug_assert!(values.len().is_multiple_of(8) && bits <= 61);
    if bits <= NARROW {
        pack_with(values, bits, |byte, shift, value, carry| {
            out[byte..byte + 8].copy_from_slice(&(value << shift | carry).to_le_bytes());
        });
    } else {
        pack_with(values, bits, |byte, shift, value, carry| {
            let word = u128::from(value) << shift | u128::from(carry);
            out[byte..byte + 16].copy_from_slice(&word.to_le_bytes());
        });
    }
}

/// Calls `store(byte, shift, value, carry)` for each residue: `carry` are the `shift` bits of the
/// residue before that share its last byte. What a store writes behind its residue is
/// overwritten by the next one.
#[inline(always)]
fn pack_with(values: &[u64], bits: u32, mut store: impl FnMut(usize, u32, u64, u64)) {
    let (mut at, mut carry) = (0, 0);
    for &value in values {
        debug_assert!(value >> bits == 0);
        store(at / 8, (at % 8) as u32, value, carry);
        at += bits as usize;
        carry = value >> (bits - (at % 8) as u32);
    }
}

/// Unpacks `out.len()` residues of `bits` bits, the inverse of [`pack`]. Fails with the position of
/// the first residue that is not below `modulus`.
pub(super) fn unpack(
    bytes: &[u8],
    bits: u32,
    modulus: u64,
    out: &mut [u64],
) -> std::result::Result<(), usize> {
    let mask = (1 << bits) - 1;
    let below = if bits <= NARROW {
        unpack_with(bits, modulus, out, |byte, shift| {
            let word: [u8; 8] = bytes[byte..byte + 8].try_into().expect("eight bytes");
            (u64::from_le_bytes(word) >> shift) & mask
        })
    } else {
        unpack_with(bits, modulus, out, |byte, shift| {
            let word: [u8; 16] = bytes[byte..byte + 16].try_into().expect("sixteen bytes");
            (u128::from_le_bytes(word) >> shift) as u64 & mask
        })
    };
    if below {
        return Ok(());
    }
    Err(out.iter().position(|&x| x >= modulus).unwrap_or(0))
}

#[inline(always)]
fn unpack_with(bits: u32, modulus: u64, out: &mut [u64], load: impl Fn(usize, u32) -> u64) -> bool {
    let mut below = true;
    for (i, x) in out.iter_mut().enumerate() {
        let at = i * bits as usize;
        *x = load(at / 8, (at % 8) as u32);
        below &= *x < modulus;
    }
    below
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
            for n in [8, 16, 64, 200] {
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
                let mut bytes = vec![0xa5; buffer_len(n, bits)];
                pack(&values, bits, &mut bytes);
                assert_eq!(
                    bytes[..packed_len(n, bits)],
                    naive(&values, bits),
                    "{bits} bits"
                );
                let mut back = vec![0; n];
                unpack(&bytes, bits, 1 << bits, &mut back).unwrap();
                assert_eq!(back, values, "{bits} bits");
            }
        }
    }

    #[test]
    fn the_first_residue_not_below_the_modulus_is_named() {
        for bits in [49, 60] {
            let modulus = (1 << (bits - 1)) + 9;
            let mut values = vec![modulus - 1; 32];
            let mut bytes = vec![0; buffer_len(32, bits)];
            let mut back = vec![0; 32];
            pack(&values, bits, &mut bytes);
            assert_eq!(unpack(&bytes, bits, modulus, &mut back), Ok(()));
            values[13] = modulus;
            values[20] = modulus + 1;
            pack(&values, bits, &mut bytes);
            assert_eq!(unpack(&bytes, bits, modulus, &mut back), Err(13));
        }
    }
}
