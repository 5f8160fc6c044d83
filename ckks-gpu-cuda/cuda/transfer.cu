// Residues between their plain and their stored form, and copies: grid (pieces of N, limbs, rows).
#include "arith.cuh"
#include "basis.cuh"
#include "packed.cuh"

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

// `count` signed integers in rows of m = 2^log_m as coefficients of X^(N/m); zeros past the last.
template <class W>
DEVICE void embed(W *out, const i64 *coefficients, u32 count, const Prime<W> *primes, Limbs limbs,
                  u32 log_n, u32 log_m) {
    u32 row = blockIdx.z, index = limbs.prime(blockIdx.y), log_gap = log_n - log_m;
    Prime<W> p = primes[index];
    W *line = out + limbs.offset(row, index, log_n);
    for (u32 i = thread_in_grid(); i < 1u << log_n; i += threads_in_grid()) {
        u64 from = (u64(row) << log_m) + (i >> log_gap);
        bool there = (i & ((1u << log_gap) - 1)) == 0 && from < count;
        line[i] = there ? store_form_signed<W>(coefficients[from], p) : 0;
    }
}

// Packed residues to stored ones, of those limbs of the packed rows that are asked for.
template <class W>
DEVICE void unpack(W *out, const Packed &packed, const Prime<W> *primes, Limbs limbs,
                   Limbs packed_limbs, u32 log_n) {
    u32 index = limbs.prime(blockIdx.y);
    Prime<W> p = primes[index];
    W *line = out + limbs.offset(blockIdx.z, index, log_n);
    PackedLine residues(packed, blockIdx.z, packed_limbs.position(index));
    for (u32 i = thread_in_grid(); i < 1u << log_n; i += threads_in_grid())
        line[i] = store_form(residues.get(i), p);
}

// Sets `found` where a word is not zero.
template <class W> DEVICE void find_nonzero(u32 *found, const W *x, u64 count) {
    W any = 0;
    for (u64 i = thread_in_grid(); i < count; i += threads_in_grid())
        any |= x[i];
    if (any)
        *found = 1;
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
           (W * out, const i64 *coefficients, u32 count, const Prime<W> *primes, Limbs limbs,      \
            u32 log_n, u32 log_m),                                                                 \
           (embed<W>(out, coefficients, count, primes, limbs, log_n, log_m)))                      \
    KERNEL(unpack_##suffix, 256,                                                                   \
           (W * out, const u32 *packed, const u64 *starts, const u32 *bits, u64 row_bytes,         \
            const Prime<W> *primes, Limbs limbs, Limbs packed_limbs, u32 log_n),                   \
           (unpack<W>(out, {packed, starts, bits, row_bytes}, primes, limbs, packed_limbs,         \
                      log_n)))                \
    KERNEL(find_nonzero_##suffix, 256, (u32 * found, const W *x, u64 count),                       \
           (find_nonzero<W>(found, x, count)))

BOTH_WORDS(TRANSFER)
