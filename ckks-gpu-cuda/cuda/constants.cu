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

// x[first_row + r] += constants[limb] y[r] on the limbs of y: grid.y and grid.z count those of y.
template <class W>
DEVICE void add_scaled(W *x, const W *y, const W *constants, const Prime<W> *primes, Limbs limbs,
                       Limbs y_limbs, u32 log_n, u32 first_row) {
    u32 limb = blockIdx.y, row = blockIdx.z, index = y_limbs.prime(limb);
    Prime<W> p = primes[index];
    W constant = constants[limb];
    W *sum = x + limbs.offset(first_row + row, index, log_n);
    const W *line = y + y_limbs.offset(row, index, log_n);
    for (u32 i = thread_in_grid(); i < 1u << log_n; i += threads_in_grid())
        sum[i] = add_mod<W>(sum[i], mul_mod<W>(line[i], constant, p), p.q);
}

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
            W value = xs[k].line<W>(row, index, log_n)[i];
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
    KERNEL(add_scaled_##suffix, 256,                                                               \
           (W * x, const W *y, const W *constants, const Prime<W> *primes, Limbs limbs,            \
            Limbs y_limbs, u32 log_n, u32 first_row),                                              \
           (add_scaled<W>(x, y, constants, primes, limbs, y_limbs, log_n, first_row)))             \
    KERNEL(combine_##suffix, 256,                                                                  \
           (W * out, const Operand *xs, const W *constants, u32 count, const Prime<W> *primes,     \
            Limbs limbs, u32 log_n),                                                               \
           (combine<W>(out, xs, constants, count, primes, limbs, log_n)))

BOTH_WORDS(CONSTANTS)
