//! Uniform residues from ChaCha20, 16 blocks of the key stream at a time.
//!
//! The stream and how residues follow from it are defined in [`ckks_math::sampling::uniform`].

use ckks_math::arith::Modulus;
use ckks_math::sampling::UniformStream;
use std::arch::x86_64::*;

/// Eight words.
type V = __m512i;

/// Words of 16 blocks.
const WORDS: usize = 128;
/// Shortest modulus: quotients of words then are below 2^45, exact enough in double precision.
const SHORTEST: u32 = 20;

/// Proof that AVX-512 F and DQ exist on this machine.
#[derive(Clone, Copy)]
pub struct ChaCha(());

impl ChaCha {
    pub fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq"))
            .then_some(Self(()))
    }

    /// Whether [`ChaCha::residues`] computes this piece of a limb.
    pub const fn takes(m: Modulus, start: usize, len: usize) -> bool {
        m.bits() >= SHORTEST && start.is_multiple_of(WORDS) && len.is_multiple_of(WORDS)
    }

    /// Coefficients from `start` on of a stream modulo `m`, and the positions in `out` whose words
    /// were rejected.
    pub fn residues(
        self,
        stream: &UniformStream,
        m: Modulus,
        start: usize,
        out: &mut [u64],
    ) -> Vec<u32> {
        let mut rejected = Vec::new();
        // SAFETY: `Self` is only made by `detect`, after the features were found.
        unsafe { residues(stream, m.value(), start, out, &mut rejected) };
        rejected
    }
}

#[target_feature(enable = "avx512f,avx512dq")]
fn residues(
    stream: &UniformStream,
    q: u64,
    start: usize,
    out: &mut [u64],
    rejected: &mut Vec<u32>,
) {
    let (modulus, last) = (
        _mm512_set1_epi64(q as i64),
        _mm512_set1_epi64(stream.last() as i64),
    );
    let inverse = _mm512_set1_pd(1.0 / q as f64);
    let mut words = [[0_u64; 8]; 16];
    for (group, out) in out.chunks_exact_mut(WORDS).enumerate() {
        let counter = (start / 8 + 16 * group) as u64;
        blocks(stream.key(), stream.nonce(), counter, &mut words);
        for (i, (out, words)) in out
            .as_chunks_mut::<8>()
            .0
            .iter_mut()
            .zip(&words)
            .enumerate()
        {
            // SAFETY: both are eight words.
            let x = unsafe { _mm512_loadu_si512(words.as_ptr().cast()) };
            // Both roundings and the truncation leave the quotient within 1 as it is below 2^45.
            let quotient = _mm512_mul_pd(_mm512_cvtepu64_pd(x), inverse);
            let product = _mm512_mullo_epi64(_mm512_cvttpd_epu64(quotient), modulus);
            let r = _mm512_sub_epi64(x, product);
            let r = _mm512_min_epu64(r, _mm512_add_epi64(r, modulus));
            let r = _mm512_min_epu64(r, _mm512_sub_epi64(r, modulus));
            // SAFETY: eight words.
            unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), r) };
            let mut above = _mm512_cmpgt_epu64_mask(x, last);
            while above != 0 {
                rejected.push((WORDS * group + 8 * i) as u32 + above.trailing_zeros());
                above &= above - 1;
            }
        }
    }
}

/// Blocks `counter .. counter + 16` of the key stream, each as eight 64-bit words; `counter` is a
/// multiple of 16.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn blocks(key: &[u8; 32], nonce: u64, counter: u64, out: &mut [[u64; 8]; 16]) {
    let word = |x: u32| _mm512_set1_epi32(x as i32);
    let zero = _mm512_setzero_si512();
    let mut input = [zero; 16];
    for (x, constant) in input.iter_mut().zip(b"expand 32-byte k".as_chunks::<4>().0) {
        *x = word(u32::from_le_bytes(*constant));
    }
    for (x, bytes) in input[4..].iter_mut().zip(key.as_chunks::<4>().0) {
        *x = word(u32::from_le_bytes(*bytes));
    }
    let lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    // Sixteen blocks from a multiple of 16 on: no carry into the upper half.
    input[12] = _mm512_add_epi32(word(counter as u32), lanes);
    input[13] = word((counter >> 32) as u32);
    input[14] = word(nonce as u32);
    input[15] = word((nonce >> 32) as u32);
    let mut x = input;
    // Literal places: loops over tables of them would keep the state in memory.
    macro_rules! quarters {
        ($([$a:literal, $b:literal, $c:literal, $d:literal]),*) => {
            quarters!(step $(($a, $b, $d))*, 16);
            quarters!(step $(($c, $d, $b))*, 12);
            quarters!(step $(($a, $b, $d))*, 8);
            quarters!(step $(($c, $d, $b))*, 7);
        };
        (step $(($to:literal, $from:literal, $permuted:literal))*, $rotation:literal) => {
            $(x[$to] = _mm512_add_epi32(x[$to], x[$from]);)*
            $(x[$permuted] = _mm512_xor_si512(x[$permuted], x[$to]);)*
            $(x[$permuted] = _mm512_rol_epi32::<$rotation>(x[$permuted]);)*
        };
    }
    for _ in 0..10 {
        quarters!([0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15]);
        quarters!([0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14]);
    }
    for (x, input) in x.iter_mut().zip(input) {
        *x = _mm512_add_epi32(*x, input);
    }
    // Lane `l` of 128 bits of `x[i]` has word `i` of blocks `4 l .. 4 l + 4`. Neighbouring words
    // make 64-bit words of blocks 4 l and 4 l + 1 (low), 4 l + 2 and 4 l + 3 (high).
    let mut low = [zero; 8];
    let mut high = [zero; 8];
    for (i, pair) in x.as_chunks::<2>().0.iter().enumerate() {
        low[i] = _mm512_unpacklo_epi32(pair[0], pair[1]);
        high[i] = _mm512_unpackhi_epi32(pair[0], pair[1]);
    }
    transpose(low, out, 0);
    transpose(high, out, 2);
}

/// Writes 64-bit word `i` of block `4 l + first + k`, found at position `2 l + k` of `rows[i]`.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn transpose(rows: [V; 8], out: &mut [[u64; 8]; 16], first: usize) {
    let zero = _mm512_setzero_si512();
    for k in 0..2 {
        let mut pairs = [zero; 4];
        for (pair, rows) in pairs.iter_mut().zip(rows.as_chunks::<2>().0) {
            *pair = if k == 0 {
                _mm512_unpacklo_epi64(rows[0], rows[1])
            } else {
                _mm512_unpackhi_epi64(rows[0], rows[1])
            };
        }
        let [a, b, c, d] = pairs;
        let (p, q) = (
            _mm512_shuffle_i64x2::<0x44>(a, b),
            _mm512_shuffle_i64x2::<0x44>(c, d),
        );
        let (r, s) = (
            _mm512_shuffle_i64x2::<0xee>(a, b),
            _mm512_shuffle_i64x2::<0xee>(c, d),
        );
        let blocks = [
            _mm512_shuffle_i64x2::<0x88>(p, q),
            _mm512_shuffle_i64x2::<0xdd>(p, q),
            _mm512_shuffle_i64x2::<0x88>(r, s),
            _mm512_shuffle_i64x2::<0xdd>(r, s),
        ];
        for (l, block) in blocks.into_iter().enumerate() {
            let words = &mut out[4 * l + first + k];
            // SAFETY: eight words.
            unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), block) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ckks_math::sampling::{Seed, uniform_mod};

    /// Every residue and every rejection, for moduli that reject often, rarely and never.
    #[test]
    fn residues_and_rejections_follow_the_definition() {
        let Some(chacha) = ChaCha::detect() else {
            println!("SKIPPED (no AVX-512)");
            return;
        };
        let seed = Seed::from_bytes([7; 32]);
        let primes = [
            1_048_583,
            (1 << 50) - 27,
            1_297_036_692_682_702_849,
            (1 << 61) - 1,
        ];
        for (limb, q) in primes.into_iter().enumerate() {
            let (polynomial, limb) = (5, limb as u64 + (1 << 40));
            let mut whole = vec![0; 2048];
            uniform_mod(&seed, polynomial, limb, q, &mut whole).expect("in range");
            let stream = UniformStream::new(&seed, polynomial, limb, q).expect("in range");
            let m = Modulus::new(q).expect("a modulus");
            for (start, len) in [(0, 2048), (128, 128), (1024, 512)] {
                let mut piece = vec![0; len];
                let rejected = chacha.residues(&stream, m, start, &mut piece);
                let absolute = rejected.iter().map(|&i| i + start as u32).collect();
                stream.retry(absolute, |i, r| piece[i as usize - start] = r);
                assert_eq!(piece, whole[start..start + len], "modulo {q} from {start}");
            }
        }
    }
}
