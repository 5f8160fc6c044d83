// Arithmetic with one constant a limb, in stored form: grid (pieces of N, limbs, rows).
#include "arith.cuh"
#include "basis.cuh"

template <class W>
DEVICE void scale_limbs(W *x, const W *constants, const Prime<W> *primes, Limbs limbs, u32 log_n) {
    u32 limb = blockIdx.y, row = blockIdx.z, index = limbs.prime(limb);
    Prime<W> p = primes[index];
    W constant = constants[limb];
    W *line = x + limbs.offset(row, index, log_n);
    for (u32 i = thread_in_grid(); i < 1u << log_n; i += threads_in_grid())
        line[i] = mul_mod<W>(line[i], constant, p);
}

template <class W>
DEVICE void offset_limbs(W *x, const W *constants, const Prime<W> *primes, Limbs limbs, u32 log_n,
                         u32 first_row) {
    u32 limb = blockIdx.y, row = first_row + blockIdx.z, index = limbs.prime(limb);
    W q = primes[index].q, constant = constants[limb];
    W *line = x + limbs.offset(row, index, log_n);
    for (u32 i = thread_in_grid(); i < 1u << log_n; i += threads_in_grid())
        line[i] = add_mod<W>(line[i], constant, q);
}

// One operand of a linear combination.
struct Operand {
    u64 address;
    Limbs limbs;
};

// out = sum_k constants[k] xs[k] in one pass over all operands.
template <class W>
DEVICE void combine(W *out, const Operand *xs, const W *constants, u32 count,
                    const Prime<W> *primes, Limbs limbs, u32 log_n) {
    u32 limb = blockIdx.y, row = blockIdx.z, index = limbs.prime(limb);
    Prime<W> p = primes[index];
    W *line = out + limbs.offset(row, index, log_n);
    for (u32 i = thread_in_grid(); i < 1u << log_n; i += threads_in_grid()) {
        Sum<W> sum;
        for (u32 k = 0; k < count; k++) {
            const W *x = reinterpret_cast<const W *>(xs[k].address);
            W value = x[xs[k].limbs.offset(row, index, log_n) + i];
            add_product(sum, value, constants[k * limbs.count() + limb], p.q);
        }
        line[i] = reduce<W>(sum, p);
    }
}

#define CONSTANTS(W, suffix)                                                                       \
    KERNEL(scale_limbs_##suffix, 256,                                                              \
           (W * x, const W *constants, const Prime<W> *primes, Limbs limbs, u32 log_n),            \
           (scale_limbs<W>(x, constants, primes, limbs, log_n)))                                   \
    KERNEL(offset_limbs_##suffix, 256,                                                             \
           (W * x, const W *constants, const Prime<W> *primes, Limbs limbs, u32 log_n,             \
            u32 first_row),                                                                        \
           (offset_limbs<W>(x, constants, primes, limbs, log_n, first_row)))                       \
    KERNEL(combine_##suffix, 256,                                                                  \
           (W * out, const Operand *xs, const W *constants, u32 count, const Prime<W> *primes,     \
            Limbs limbs, u32 log_n),                                                               \
           (combine<W>(out, xs, constants, count, primes, limbs, log_n)))

BOTH_WORDS(CONSTANTS)
