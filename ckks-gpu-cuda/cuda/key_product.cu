// Inner product of digits with a switching key: grid (pieces of N, limbs, groups of rows).
//
// Each key residue is read once for a group of rows, and the digits may be turned by an automorphism on
// their way.
#include "arith.cuh"
#include "basis.cuh"

struct KeyProduct {
    Limbs limbs;
    Limbs key_limbs;
    u32 digits;
    u32 rows;
    Turn turn;  // galois 1: none
    u32 log_n;
};

// out rows r and rows + r: sum_d x[d rows + r] b_d and a_d. Both halves of the key: [digit][limb][N].
template <class W, u32 ROWS>
DEVICE void key_product(W *out, const W *x, const W *key_b, const W *key_a,
                        const Prime<W> *primes, KeyProduct c) {
    u32 index = c.limbs.prime(blockIdx.y), first = blockIdx.z * ROWS;
    Prime<W> p = primes[index];
    u64 key_step = u64(c.key_limbs.count()) << c.log_n, x_step = u64(c.limbs.count()) << c.log_n;
    for (u32 i = thread_in_grid(); i < 1u << c.log_n; i += threads_in_grid()) {
        u32 from = c.turn.galois == 1 ? i : c.turn.source(i, c.log_n);
        const W *half_b = key_b + c.key_limbs.offset(0, index, c.log_n) + i;
        const W *half_a = key_a + c.key_limbs.offset(0, index, c.log_n) + i;
        const W *digit = x + c.limbs.offset(first, index, c.log_n) + from;
        Sum<W> b[ROWS], a[ROWS];
        for (u32 d = 0; d < c.digits; d++) {
            W of_b = *half_b, of_a = *half_a;
#pragma unroll
            for (u32 r = 0; r < ROWS; r++) {
                W value = digit[least(r, c.rows - 1 - first) * x_step];
                add_product(b[r], value, of_b, p.q);
                add_product(a[r], value, of_a, p.q);
            }
            half_b += key_step;
            half_a += key_step;
            digit += c.rows * x_step;
        }
#pragma unroll
        for (u32 r = 0; r < ROWS; r++) {
            if (first + r >= c.rows)
                break;
            out[c.limbs.offset(first + r, index, c.log_n) + i] = reduce<W>(b[r], p);
            out[c.limbs.offset(c.rows + first + r, index, c.log_n) + i] = reduce<W>(a[r], p);
        }
    }
}

#define KEY_PRODUCT_OF(W, suffix, count)                                                           \
    KERNEL(key_product_##count##_##suffix, 256,                                                    \
           (W * out, const W *x, const W *key_b, const W *key_a, const Prime<W> *primes,           \
            Limbs limbs, Limbs key_limbs, u32 digits, u32 rows, Turn turn, u32 log_n),             \
           (key_product<W, count>(out, x, key_b, key_a, primes,                                    \
                                  {limbs, key_limbs, digits, rows, turn, log_n})))

#define KEY_PRODUCT(W, suffix)                                                                     \
    KEY_PRODUCT_OF(W, suffix, 1)                                                                   \
    KEY_PRODUCT_OF(W, suffix, 4)

BOTH_WORDS(KEY_PRODUCT)
