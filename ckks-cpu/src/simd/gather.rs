//! Bit strings to residues with AVX2: gathers of eight bytes, four residues at a time.

use ckks_math::backend::packed;
use std::arch::x86_64::*;

/// Unpacks the first `used` of each `stored` groups of eight residues of at most 57 bits. The last
/// group of all, behind which a gather would read, is unpacked one by one.
#[target_feature(enable = "avx2")]
pub fn unpack(bytes: &[u8], bits: u32, (used, stored): (usize, usize), out: &mut [u64]) {
    debug_assert!(bits <= 57 && used <= stored);
    let (length, wide) = (bits as usize, i64::from(bits));
    let quarter = |first: i64, entry: fn(i64) -> i64| {
        let of = |k| entry((first + k) * wide);
        _mm256_setr_epi64x(of(0), of(1), of(2), of(3))
    };
    let start = |bit: i64| bit / 8;
    let skipped = |bit: i64| bit % 8;
    let starts = [quarter(0, start), quarter(4, start)];
    let shifts = [quarter(0, skipped), quarter(4, skipped)];
    let residue = _mm256_set1_epi64x((1 << bits) - 1);
    let reach = 7 * length / 8 + 8;
    let groups = out.as_chunks_mut::<8>().0;
    for (run, out) in groups.chunks_exact_mut(used).enumerate() {
        for (group, out) in out.iter_mut().enumerate() {
            let from = &bytes[(run * stored + group) * length..];
            if from.len() < reach {
                packed::unpack(&from[..length], bits, out);
                continue;
            }
            let words = out.as_chunks_mut::<4>().0;
            for ((words, starts), shifts) in words.iter_mut().zip(starts).zip(shifts) {
                // SAFETY: the last of the eight bytes are `reach` bytes from the start at most, and
                // `from` has as many.
                let x = unsafe { _mm256_i64gather_epi64::<1>(from.as_ptr().cast(), starts) };
                let x = _mm256_and_si256(_mm256_srlv_epi64(x, shifts), residue);
                // SAFETY: writes four words.
                unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), x) };
            }
        }
    }
}
