// X -> X^galois in evaluation order: grid (pieces of N, limbs, rows).
//
// The position is computed, not read: 32 neighbouring positions come from one aligned group of 32, so
// the gather is as good as a copy.
#include "basis.cuh"

template <class W>
DEVICE void automorphism(W *out, const W *x, Turn turn, u32 log_n) {
    u64 line = (u64(blockIdx.z) * gridDim.y + blockIdx.y) << log_n;
    for (u32 i = thread_in_grid(); i < 1u << log_n; i += threads_in_grid())
        out[line + i] = x[line + turn.source(i, log_n)];
}

#define AUTOMORPHISM(W, suffix)                                                                    \
    KERNEL(automorphism_##suffix, 256, (W * out, const W *x, Turn turn, u32 log_n),                \
           (automorphism<W>(out, x, turn, log_n)))

BOTH_WORDS(AUTOMORPHISM)
