// Sums of neighbouring coefficients, `RingKernels::add_neighbours`: grid (pieces of N, limbs, rows).
#include "arith.cuh"
#include "basis.cuh"

// out_k = x_k + x_(k+1) with x_N = 0, or x_k + x_(k-1) with x_(-1) = x_0.
template <class W>
DEVICE void add_neighbours(W *out, const W *x, const Prime<W> *primes, Limbs limbs, u32 log_n,
                           u32 previous) {
    u32 index = limbs.prime(blockIdx.y), n = 1u << log_n;
    W q = primes[index].q;
    u64 at = limbs.offset(blockIdx.z, index, log_n);
    for (u32 i = thread_in_grid(); i < n; i += threads_in_grid()) {
        W neighbour = 0;
        if (previous)
            neighbour = x[at + (i > 0 ? i - 1 : 0)];
        else if (i + 1 < n)
            neighbour = x[at + i + 1];
        out[at + i] = add_mod<W>(x[at + i], neighbour, q);
    }
}

#define NEIGHBOURS(W, suffix)                                                                      \
    KERNEL(add_neighbours_##suffix, 256,                                                           \
           (W * out, const W *x, const Prime<W> *primes, Limbs limbs, u32 log_n, u32 previous),    \
           (add_neighbours<W>(out, x, primes, limbs, log_n, previous)))

BOTH_WORDS(NEIGHBOURS)
