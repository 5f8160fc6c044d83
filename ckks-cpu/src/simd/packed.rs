//! Residues to bit strings and back, eight at a time.
//!
//! The format is defined in [`ckks_math::backend::packed`]: eight residues of `b` bits take `b` bytes,
//! one register.

use super::arith::{V, load, store};
use super::ifma::Ifma;
use std::arch::x86_64::*;

/// Proof that [`Ifma`]'s instructions and AVX-512 BW exist on this machine.
#[derive(Clone, Copy)]
pub struct Packer(());

impl Packer {
    pub fn detect() -> Option<Self> {
        Ifma::detect()?;
        is_x86_feature_detected!("avx512bw").then_some(Self(()))
    }

    /// Whether the methods take limbs of `n` residues of `bits` bits: a word of packed bits must
    /// touch no more than three residues.
    pub const fn takes(n: usize, bits: u32) -> bool {
        n.is_multiple_of(8) && bits >= 32 && bits <= 61
    }

    /// See [`ckks_math::backend::packed::pack`].
    pub fn pack(self, values: &[u64], bits: u32, out: &mut [u8]) {
        debug_assert!(Self::takes(values.len(), bits));
        // SAFETY: `Self` is only made by `detect`, after the features were found.
        unsafe { pack(values, bits, out) };
    }

    /// See [`ckks_math::backend::packed::unpack`].
    pub fn unpack(self, bytes: &[u8], bits: u32, out: &mut [u64]) {
        debug_assert!(Self::takes(out.len(), bits));
        // SAFETY: as in `pack`.
        unsafe { unpack(bytes, bits, out) };
    }
}

/// The first `bits` bytes of a register.
const fn mask(bits: u32) -> u64 {
    (1 << bits) - 1
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512ifma,avx512vl")]
fn table(entry: impl Fn(u64) -> u64) -> V {
    let entries: [u64; 8] = std::array::from_fn(|i| entry(i as u64));
    load(&entries)
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512ifma,avx512vl")]
fn pack(values: &[u64], bits: u32, out: &mut [u8]) {
    // Word `m` begins inside residue `first(m)`, `skipped` bits of which are before it.
    let wide = u64::from(bits);
    let first = move |m: u64| 64 * m / wide;
    let skipped = move |m: u64| 64 * m % wide;
    let residues: [V; 3] = [0, 1, 2].map(|k| table(|m| first(m) + k));
    let right = table(skipped);
    let left = [1, 2].map(|k| table(|m| k * wide - skipped(m)));
    let groups = values.as_chunks::<8>().0.iter();
    for (values, out) in groups.zip(out.chunks_exact_mut(bits as usize)) {
        let x = load(values);
        // The permutation takes indices modulo 8; residues beyond the eighth belong to words
        // beyond the last byte, and shifts by 64 and more leave nothing.
        let a = _mm512_srlv_epi64(_mm512_permutexvar_epi64(residues[0], x), right);
        let b = _mm512_sllv_epi64(_mm512_permutexvar_epi64(residues[1], x), left[0]);
        let c = _mm512_sllv_epi64(_mm512_permutexvar_epi64(residues[2], x), left[1]);
        let words = _mm512_or_si512(_mm512_or_si512(a, b), c);
        // SAFETY: only the first `bits` bytes are written, which `out` has.
        unsafe { _mm512_mask_storeu_epi8(out.as_mut_ptr().cast(), mask(bits), words) };
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512ifma,avx512vl")]
fn unpack(bytes: &[u8], bits: u32, out: &mut [u64]) {
    let wide = u64::from(bits);
    let (low, high) = (table(|k| k * wide / 64), table(|k| k * wide / 64 + 1));
    let (right, left) = (table(|k| k * wide % 64), table(|k| 64 - k * wide % 64));
    let residue = _mm512_set1_epi64(((1_u64 << bits) - 1) as i64);
    let groups = bytes.chunks_exact(bits as usize);
    for (bytes, out) in groups.zip(out.as_chunks_mut::<8>().0) {
        // SAFETY: only the first `bits` bytes are read, which `bytes` has.
        let words = unsafe { _mm512_maskz_loadu_epi8(mask(bits), bytes.as_ptr().cast()) };
        let a = _mm512_srlv_epi64(_mm512_permutexvar_epi64(low, words), right);
        let b = _mm512_sllv_epi64(_mm512_permutexvar_epi64(high, words), left);
        store(out, _mm512_and_si512(_mm512_or_si512(a, b), residue));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ckks_math::backend::packed;

    #[test]
    fn every_width_is_packed_as_defined_and_comes_back() {
        let Some(packer) = Packer::detect() else {
            println!("SKIPPED (no AVX-512)");
            return;
        };
        let mut state = 3_u64;
        for bits in (20..=61).filter(|&bits| Packer::takes(64, bits)) {
            let values: Vec<u64> = (0..64)
                .map(|i| {
                    state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(7);
                    if i % 5 == 0 {
                        (1 << bits) - 1
                    } else {
                        state >> (64 - bits)
                    }
                })
                .collect();
            let mut expected = vec![0; packed::packed_len(64, bits)];
            packed::pack(&values, bits, &mut expected);
            let mut found = vec![0xa5; expected.len()];
            packer.pack(&values, bits, &mut found);
            assert_eq!(found, expected, "{bits} bits");
            let mut back = vec![0; 64];
            packer.unpack(&found, bits, &mut back);
            assert_eq!(back, values, "{bits} bits");
        }
    }
}
