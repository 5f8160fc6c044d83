// Residues between their plain and their stored form, and copies: grid (pieces of N, limbs, rows).
#include "arith.cuh"
#include "basis.cuh"

// Plain residues to stored ones, in place.
template <class W>
DEVICE void import(W *x, const Prime<W> *primes, Limbs limbs, u32 log_n) {
    u32 index = limbs.prime(blockIdx.y);
    Prime<W> p = primes[index];
    u64 at = limbs.offset(blockIdx.z, index, log_n);
    for (u32 i = thread_in_grid(); i < 1u << log_n; i += threads_in_grid())
        x[at + i] = mul_mod<W>(x[at + i], p.square, p);
}

template <class W>
DEVICE void export_plain(W *out, const W *x, const Prime<W> *primes, Limbs limbs, u32 log_n) {
    u32 index = limbs.prime(blockIdx.y);
    Prime<W> p = primes[index];
    u64 at = limbs.offset(blockIdx.z, index, log_n);
    for (u32 i = thread_in_grid(); i < 1u << log_n; i += threads_in_grid())
        out[at + i] = plain_form<W>(x[at + i], p);
}

// Rows from `first_row` on and the limbs of `limbs`.
template <class W>
DEVICE void restrict_to(W *out, const W *x, Limbs limbs, Limbs x_limbs, u32 first_row, u32 log_n) {
    u32 index = limbs.prime(blockIdx.y);
    W *to = out + limbs.offset(blockIdx.z, index, log_n);
    const W *from = x + x_limbs.offset(first_row + blockIdx.z, index, log_n);
    for (u32 i = thread_in_grid(); i < 1u << log_n; i += threads_in_grid())
        to[i] = from[i];
}

// Signed integers `[rows, m]`, m = 2^log_m, as coefficients of X^(N/m).
template <class W>
DEVICE void embed(W *out, const i64 *coefficients, const Prime<W> *primes, Limbs limbs, u32 log_n,
                  u32 log_m) {
    u32 row = blockIdx.z, index = limbs.prime(blockIdx.y), log_gap = log_n - log_m;
    Prime<W> p = primes[index];
    W *line = out + limbs.offset(row, index, log_n);
    for (u32 i = thread_in_grid(); i < 1u << log_n; i += threads_in_grid()) {
        bool there = (i & ((1u << log_gap) - 1)) == 0;
        line[i] =
            there ? store_form_signed<W>(coefficients[(u64(row) << log_m) + (i >> log_gap)], p) : 0;
    }
}

#define TRANSFER(W, suffix)                                                                        \
    KERNEL(import_##suffix, 256, (W * x, const Prime<W> *primes, Limbs limbs, u32 log_n),          \
           (import<W>(x, primes, limbs, log_n)))                                                   \
    KERNEL(export_##suffix, 256,                                                                   \
           (W * out, const W *x, const Prime<W> *primes, Limbs limbs, u32 log_n),                  \
           (export_plain<W>(out, x, primes, limbs, log_n)))                                        \
    KERNEL(restrict_##suffix, 256,                                                                 \
           (W * out, const W *x, Limbs limbs, Limbs x_limbs, u32 first_row, u32 log_n),            \
           (restrict_to<W>(out, x, limbs, x_limbs, first_row, log_n)))                             \
    KERNEL(embed_##suffix, 256,                                                                    \
           (W * out, const i64 *coefficients, const Prime<W> *primes, Limbs limbs, u32 log_n,      \
            u32 log_m),                                                                            \
           (embed<W>(out, coefficients, primes, limbs, log_n, log_m)))

BOTH_WORDS(TRANSFER)
