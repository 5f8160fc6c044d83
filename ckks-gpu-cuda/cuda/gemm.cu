// Products of matrices of residues with rows: grid (pieces of N, limbs, groups of outputs).
#include "arith.cuh"
#include "basis.cuh"

constexpr u32 OUTPUTS = 8;

// The residues of signed entries modulo each prime, stored: `[primes][entries]`, grid (entries, primes).
template <class W>
DEVICE void load_matrix(W *out, const i64 *entries, u32 count, const Prime<W> *primes) {
    Prime<W> p = primes[blockIdx.y];
    for (u32 i = thread_in_grid(); i < count; i += threads_in_grid())
        out[u64(blockIdx.y) * count + i] = store_form_signed<W>(entries[i], p);
}

// out row i = sum_j w[i, j] x row j for each limb. Each residue of x is read once for OUTPUTS rows.
template <class W>
DEVICE void gemm(W *out, const W *w, const W *x, const Prime<W> *primes, Limbs limbs, u32 outputs,
                 u32 inputs, u32 log_n) {
    u32 index = limbs.prime(blockIdx.y), first = blockIdx.z * OUTPUTS;
    Prime<W> p = primes[index];
    const W *matrix = w + u64(index) * outputs * inputs;
    for (u32 i = thread_in_grid(); i < 1u << log_n; i += threads_in_grid()) {
        Sum<W> sums[OUTPUTS];
        for (u32 j = 0; j < inputs; j++) {
            W value = x[limbs.offset(j, index, log_n) + i];
#pragma unroll
            for (u32 k = 0; k < OUTPUTS; k++) {
                u32 output = least(first + k, outputs - 1);
                add_product(sums[k], value, matrix[u64(output) * inputs + j], p.q);
            }
        }
#pragma unroll
        for (u32 k = 0; k < OUTPUTS; k++)
            if (first + k < outputs)
                out[limbs.offset(first + k, index, log_n) + i] = reduce<W>(sums[k], p);
    }
}

#define GEMM(W, suffix)                                                                            \
    KERNEL(load_matrix_##suffix, 256,                                                              \
           (W * out, const i64 *entries, u32 count, const Prime<W> *primes),                       \
           (load_matrix<W>(out, entries, count, primes)))                                          \
    KERNEL(gemm_##suffix, 256,                                                                     \
           (W * out, const W *w, const W *x, const Prime<W> *primes, Limbs limbs, u32 outputs,     \
            u32 inputs, u32 log_n),                                                                \
           (gemm<W>(out, w, x, primes, limbs, outputs, inputs, log_n)))

BOTH_WORDS(GEMM)
