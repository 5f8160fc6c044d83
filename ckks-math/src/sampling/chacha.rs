//! Words of a ChaCha20 key stream, in bulk.

use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;
use zeroize::Zeroize;

use super::seed::Seed;

/// Bytes fetched from the generator at a time.
const CHUNK: usize = 4096;

/// Calls `sink(i, word)` for the first `count` little-endian 64-bit words of a stream.
///
/// The buffer is wiped afterwards.
pub(super) fn for_each_word(rng: &mut ChaCha20Rng, count: usize, mut sink: impl FnMut(usize, u64)) {
    let mut bytes = [0_u8; CHUNK];
    for start in (0..count).step_by(CHUNK / 8) {
        let words = (count - start).min(CHUNK / 8);
        rng.fill_bytes(&mut bytes[..8 * words]);
        for (i, word) in bytes[..8 * words].chunks_exact(8).enumerate() {
            sink(
                start + i,
                u64::from_le_bytes(word.try_into().expect("chunks of eight bytes")),
            );
        }
    }
    bytes.zeroize();
}

/// The generator private to one sampler: stream 0 of the seed derived with the sampler's label.
pub(super) fn sampler_stream(seed: &Seed, label: &str) -> ChaCha20Rng {
    seed.derive(label, 0).stream(0)
}

/// A uniform integer below `bound > 0`, by rejection.
pub(super) fn below(rng: &mut ChaCha20Rng, bound: u32) -> u32 {
    let bound = u64::from(bound);
    // Rejecting this many low parts leaves every result equally many words [Lemire 2019].
    let excess = (1_u64 << 32) % bound;
    loop {
        let scaled = u64::from(rng.next_u32()) * bound;
        if scaled & 0xffff_ffff >= excess {
            return (scaled >> 32) as u32;
        }
    }
}
