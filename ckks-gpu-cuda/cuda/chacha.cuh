// Uniform words from a ChaCha20 key stream, as `ckks_math::sampling::uniform` defines them to the byte.
#pragma once
#include "platform.cuh"

// 64-bit words of one ChaCha20 block.
constexpr u32 WORDS = 8;

DEVICE u32 rotate_left(u32 x, u32 by) { return x << by | x >> (32 - by); }

DEVICE void quarter(u32 &a, u32 &b, u32 &c, u32 &d) {
    d = rotate_left(d ^ (a += b), 16);
    b = rotate_left(b ^ (c += d), 12);
    d = rotate_left(d ^ (a += b), 8);
    b = rotate_left(b ^ (c += d), 7);
}

// Block `counter` of the key stream of a nonce [Bernstein 2008].
DEVICE void key_stream(u64 (&words)[WORDS], const u32 *key, u64 nonce, u64 counter) {
    u32 start[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
    u32 x[16];
#pragma unroll
    for (u32 i = 0; i < 8; i++)
        start[4 + i] = key[i];
    start[12] = u32(counter);
    start[13] = u32(counter >> 32);
    start[14] = u32(nonce);
    start[15] = u32(nonce >> 32);
#pragma unroll
    for (u32 i = 0; i < 16; i++)
        x[i] = start[i];
    for (u32 i = 0; i < 10; i++) {
        quarter(x[0], x[4], x[8], x[12]);
        quarter(x[1], x[5], x[9], x[13]);
        quarter(x[2], x[6], x[10], x[14]);
        quarter(x[3], x[7], x[11], x[15]);
        quarter(x[0], x[5], x[10], x[15]);
        quarter(x[1], x[6], x[11], x[12]);
        quarter(x[2], x[7], x[8], x[13]);
        quarter(x[3], x[4], x[9], x[14]);
    }
#pragma unroll
    for (u32 i = 0; i < WORDS; i++)
        words[i] = u64(x[2 * i + 1] + start[2 * i + 1]) << 32 | (x[2 * i] + start[2 * i]);
}

// Words `first` to `first + 7` of the accepted ones: word i of the key stream, and where that is above
// `last`, the last word below a multiple of the modulus, word t 2^32 + i for the smallest t that serves.
DEVICE void uniform_words(u64 (&words)[WORDS], const u32 *key, u64 nonce, u32 first, u64 last) {
    key_stream(words, key, nonce, first / WORDS);
    u32 refused = 0;
#pragma unroll
    for (u32 i = 0; i < WORDS; i++)
        refused |= u32(words[i] > last) << i;
    for (u64 attempt = 1; refused != 0; attempt++) {
        u64 others[WORDS];
        key_stream(others, key, nonce, (attempt << 32 | first) / WORDS);
#pragma unroll
        for (u32 i = 0; i < WORDS; i++) {
            if (!(refused >> i & 1) || others[i] > last)
                continue;
            words[i] = others[i];
            refused &= ~(1u << i);
        }
    }
}
