//! Residues to bit strings and back, eight at a time.
//!
//! The format is defined in [`ckks_math::backend::packed`]: eight residues of `b` bits take `b`
//! bytes, one register.

use super::gather;
use ckks_math::backend::packed;
use std::arch::x86_64::*;

/// Eight words.
type V = __m512i;

/// Longest residue that eight bytes hold at any of the 8 bit offsets in a byte.
const WHOLE: u32 = 57;

/// Bytes to fetch ahead: keys come from memory in short pieces, so that the hardware's own prefetch
/// starts anew for each.
const AHEAD: usize = 8192;

/// Proof that the instructions exist on this machine.
#[derive(Clone, Copy)]
pub struct Packer(Instructions);

#[derive(Clone, Copy, Debug)]
enum Instructions {
    /// AVX2.
    Gather,
    /// AVX-512 F, DQ, VL and BW.
    Words,
    /// These and AVX-512 VBMI.
    Bytes,
}

impl Packer {
    /// With AVX-512.
    pub fn detect() -> Option<Self> {
        let found = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512bw");
        let instructions = match is_x86_feature_detected!("avx512vbmi") {
            true => Instructions::Bytes,
            false => Instructions::Words,
        };
        found.then_some(Self(instructions))
    }

    /// With AVX2 alone.
    pub fn detect_avx2() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(Instructions::Gather))
    }

    /// Whether the methods take limbs of `n` residues of `bits` bits.
    pub const fn takes(self, n: usize, bits: u32) -> bool {
        let longest = match self.0 {
            Instructions::Gather => WHOLE,
            Instructions::Words | Instructions::Bytes => 61,
        };
        n.is_multiple_of(8) && bits >= 16 && bits <= longest
    }

    /// See [`ckks_math::backend::packed::pack`].
    pub fn pack(self, values: &[u64], bits: u32, out: &mut [u8]) {
        assert!(self.takes(values.len(), bits));
        if let Instructions::Gather = self.0 {
            return packed::pack(values, bits, out);
        }
        // SAFETY: `Words` and `Bytes` are only made by `detect`, after the features were found.
        unsafe {
            // A word of packed bits touches `64 / bits + 2` residues at most.
            match bits {
                32.. => pack::<3>(values, bits, out),
                _ => pack::<6>(values, bits, out),
            }
        }
    }

    /// See [`ckks_math::backend::packed::unpack`].
    pub fn unpack(self, bytes: &[u8], bits: u32, out: &mut [u64]) {
        assert!(self.takes(out.len(), bits));
        self.unpack_groups(bytes, bits, (1, 1), out);
    }

    /// Unpacks the first `used` of each `stored` groups of eight residues.
    pub fn unpack_groups(
        self,
        bytes: &[u8],
        bits: u32,
        (used, stored): (usize, usize),
        out: &mut [u64],
    ) {
        assert!(self.takes(out.len(), bits) && used <= stored);
        // SAFETY: as in `pack`; `Gather` is only made by `detect_avx2`.
        unsafe {
            match self.0 {
                Instructions::Gather => gather::unpack(bytes, bits, (used, stored), out),
                Instructions::Bytes if bits <= WHOLE => {
                    unpack_bytes(bytes, bits, (used, stored), out);
                }
                _ => unpack_words(bytes, bits, (used, stored), out),
            }
        }
    }
}

/// The first `bits` bytes of a register.
const fn mask(bits: u32) -> u64 {
    (1 << bits) - 1
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(x: &[u64; 8]) -> V {
    // SAFETY: reads the 64 bytes of `x`.
    unsafe { _mm512_loadu_si512(x.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(x: &mut [u64; 8], v: V) {
    // SAFETY: writes the 64 bytes of `x`.
    unsafe { _mm512_storeu_si512(x.as_mut_ptr().cast(), v) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn table(entry: impl Fn(u64) -> u64) -> V {
    let entries: [u64; 8] = std::array::from_fn(|i| entry(i as u64));
    load(&entries)
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn pack<const TERMS: usize>(values: &[u64], bits: u32, out: &mut [u8]) {
    // Word `m` begins inside residue `first(m)`, `skipped` bits of which are before it.
    let wide = u64::from(bits);
    let first = move |m: u64| 64 * m / wide;
    let skipped = move |m: u64| 64 * m % wide;
    let right = table(skipped);
    let residues: [V; TERMS] = std::array::from_fn(|k| table(|m| first(m) + k as u64));
    let left: [V; TERMS] =
        std::array::from_fn(|k| table(|m| (k as u64 * wide).saturating_sub(skipped(m))));
    let groups = values.as_chunks::<8>().0.iter();
    for (values, out) in groups.zip(out.chunks_exact_mut(bits as usize)) {
        let x = load(values);
        // The permutation takes indices modulo 8; residues beyond the eighth belong to words
        // beyond the last byte, and shifts by 64 and more leave nothing.
        let mut words = _mm512_srlv_epi64(_mm512_permutexvar_epi64(residues[0], x), right);
        for k in 1..TERMS {
            let residue = _mm512_permutexvar_epi64(residues[k], x);
            words = _mm512_or_si512(words, _mm512_sllv_epi64(residue, left[k]));
        }
        // SAFETY: only the first `bits` bytes are written, which `out` has.
        unsafe { _mm512_mask_storeu_epi8(out.as_mut_ptr().cast(), mask(bits), words) };
    }
}

/// Each residue lies in two neighbouring words.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn unpack_words(bytes: &[u8], bits: u32, groups: (usize, usize), out: &mut [u64]) {
    let wide = u64::from(bits);
    let (low, high) = (table(|k| k * wide / 64), table(|k| k * wide / 64 + 1));
    let (right, left) = (table(|k| k * wide % 64), table(|k| 64 - k * wide % 64));
    let residue = _mm512_set1_epi64(((1_u64 << bits) - 1) as i64);
    for_each_group(bytes, bits, groups, out, |words, out| {
        let a = _mm512_srlv_epi64(_mm512_permutexvar_epi64(low, words), right);
        let b = _mm512_sllv_epi64(_mm512_permutexvar_epi64(high, words), left);
        store(out, _mm512_and_si512(_mm512_or_si512(a, b), residue));
    });
}

/// Each residue, of [`WHOLE`] bits at most, lies in eight neighbouring bytes.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")]
fn unpack_bytes(bytes: &[u8], bits: u32, groups: (usize, usize), out: &mut [u64]) {
    let wide = u64::from(bits);
    // Bytes `first .. first + 8` for lane `k`.
    let gather = table(|k| (k * wide / 8) * 0x0101_0101_0101_0101 + 0x0706_0504_0302_0100);
    let right = table(|k| k * wide % 8);
    let residue = _mm512_set1_epi64(((1_u64 << bits) - 1) as i64);
    for_each_group(bytes, bits, groups, out, |words, out| {
        let moved = _mm512_permutexvar_epi8(gather, words);
        store(
            out,
            _mm512_and_si512(_mm512_srlv_epi64(moved, right), residue),
        );
    });
}

/// Calls `unpack` with each used group and its place.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn for_each_group(
    bytes: &[u8],
    bits: u32,
    (used, stored): (usize, usize),
    out: &mut [u64],
    unpack: impl Fn(V, &mut [u64; 8]),
) {
    let length = bits as usize;
    let runs = bytes.chunks_exact(stored * length);
    for (run, out) in runs.zip(out.as_chunks_mut::<8>().0.chunks_exact_mut(used)) {
        for ahead in (0..used * length).step_by(64) {
            let line = run.as_ptr().wrapping_add(AHEAD + ahead);
            #[allow(unused_unsafe, reason = "a safe function from Rust 1.93 on")]
            // SAFETY: a prefetch is a hint and accesses no memory, whatever the address.
            unsafe {
                _mm_prefetch::<_MM_HINT_T0>(line.cast());
            }
        }
        for (bytes, out) in run.chunks_exact(length).zip(out) {
            // SAFETY: only the first `bits` bytes are read, which `bytes` has.
            let words = unsafe { _mm512_maskz_loadu_epi8(mask(bits), bytes.as_ptr().cast()) };
            unpack(words, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_width_is_packed_as_defined_and_comes_back() {
        let mut packers: Vec<_> = (Packer::detect().into_iter())
            .chain(Packer::detect_avx2())
            .collect();
        if let Some(Packer(Instructions::Bytes)) = packers.first() {
            packers.push(Packer(Instructions::Words));
        }
        if packers.is_empty() {
            println!("SKIPPED (neither AVX-512 nor AVX2)");
        }
        let mut state = 3_u64;
        for bits in 16..=61 {
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
            for packer in packers.iter().filter(|packer| packer.takes(64, bits)) {
                let mut found = vec![0xa5; expected.len()];
                packer.pack(&values, bits, &mut found);
                assert_eq!(found, expected, "{bits} bits");
                let mut back = vec![0; 64];
                packer.unpack(&found, bits, &mut back);
                assert_eq!(back, values, "{bits} bits");
                let mut some = vec![0; 16];
                packer.unpack_groups(&found, bits, (1, 4), &mut some);
                assert_eq!(
                    some,
                    [&values[..8], &values[32..40]].concat(),
                    "{bits} bits"
                );
            }
        }
    }
}
