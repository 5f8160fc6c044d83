// Uniform residues from seeds: grid (pieces of N, limbs, rows). A thread computes one ChaCha20 block, eight
// words, and those that follow for the few words refused.
#include "arith.cuh"
#include "basis.cuh"
#include "chacha.cuh"

// Keys: eight words a row. `lasts`: the largest word that is accepted, one a limb.
template <class W>
DEVICE void uniform(W *out, const u32 *keys, const u64 *lasts, const Prime<W> *primes, Limbs limbs,
                    u32 log_n) {
    u32 limb = blockIdx.y, index = limbs.prime(limb);
    Prime<W> p = primes[index];
    W *line = out + limbs.offset(blockIdx.z, index, log_n);
    for (u32 first = thread_in_grid() * WORDS; first < 1u << log_n;
         first += threads_in_grid() * WORDS) {
        u64 words[WORDS];
        uniform_words(words, keys + 8 * blockIdx.z, index, first, lasts[limb]);
#pragma unroll
        for (u32 i = 0; i < WORDS; i++)
            if (first + i < 1u << log_n)
                line[first + i] = store_form(words[i], p);
    }
}

#define UNIFORM(W, suffix)                                                                         \
    KERNEL(uniform_##suffix, 256,                                                                  \
           (W * out, const u32 *keys, const u64 *lasts, const Prime<W> *primes, Limbs limbs,       \
            u32 log_n),                                                                            \
           (uniform<W>(out, keys, lasts, primes, limbs, log_n)))

BOTH_WORDS(UNIFORM)
