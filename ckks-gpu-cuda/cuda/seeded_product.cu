// Inner product of digits with a compressed key, which is one packed half and a seed: grid (pieces of N,
// limbs, rows). A thread makes eight residues of the uniform half at a time and forgets them.
#include "arith.cuh"
#include "basis.cuh"
#include "chacha.cuh"
#include "packed.cuh"

struct SeededKey {
    Packed b;
    const u32 *keys;   // of the streams: eight words a digit
    const u64 *lasts;  // the largest word that is accepted, one a limb
    Limbs limbs;
};

struct SeededProduct {
    Limbs limbs;
    u32 digits;
    u32 rows;
    Turn turn;  // galois 1: none
    u32 log_n;
};

// out rows r and rows + r: sum_d x[d rows + r] b_d and a_d.
template <class W>
DEVICE void seeded_product(W *out, const W *x, const SeededKey &key, const Prime<W> *primes,
                           const SeededProduct &c) {
    u32 index = c.limbs.prime(blockIdx.y), limb = key.limbs.position(index), row = blockIdx.z;
    u32 n = 1u << c.log_n;
    Prime<W> p = primes[index];
    u64 last = key.lasts[limb];
    for (u32 first = thread_in_grid() * WORDS; first < n; first += threads_in_grid() * WORDS) {
        Sum<W> b[WORDS], a[WORDS];
        for (u32 d = 0; d < c.digits; d++) {
            u64 uniform[WORDS];
            uniform_words(uniform, key.keys + 8 * d, index, first, last);
            PackedLine line(key.b, d, limb);
            const W *digit = x + c.limbs.offset(d * c.rows + row, index, c.log_n);
#pragma unroll
            for (u32 i = 0; i < WORDS; i++) {
                u32 at = least(first + i, n - 1);
                W value = digit[c.turn.galois == 1 ? at : c.turn.source(at, c.log_n)];
                add_product(b[i], value, W(line.get(at)), p.q);
                add_product(a[i], value, store_form(uniform[i], p), p.q);
            }
        }
#pragma unroll
        for (u32 i = 0; i < WORDS; i++) {
            if (first + i >= n)
                break;
            // The packed half is not in stored form: its sum lacks a factor B.
            W of_b = mul_mod<W>(reduce<W>(b[i], p), p.square, p);
            out[c.limbs.offset(row, index, c.log_n) + first + i] = of_b;
            out[c.limbs.offset(c.rows + row, index, c.log_n) + first + i] = reduce<W>(a[i], p);
        }
    }
}

#define SEEDED_PRODUCT(W, suffix)                                                                  \
    KERNEL(seeded_product_##suffix, 256,                                                           \
           (W * out, const W *x, const u32 *packed, const u64 *starts, const u32 *bits,            \
            u64 row_bytes, const u32 *keys, const u64 *lasts, const Prime<W> *primes, Limbs limbs, \
            Limbs key_limbs, u32 digits, u32 rows, Turn turn, u32 log_n),                          \
           (seeded_product<W>(out, x, {{packed, starts, bits, row_bytes}, keys, lasts, key_limbs}, \
                              primes, {limbs, digits, rows, turn, log_n})))

BOTH_WORDS(SEEDED_PRODUCT)
