// Element-wise arithmetic of blocks: grid (pieces of N, limbs, rows).
#include "arith.cuh"
#include "basis.cuh"

template <class W> struct Add {
    DEVICE static W apply(W x, W y, const Prime<W> &p) { return add_mod<W>(x, y, p.q); }
};
template <class W> struct Subtract {
    DEVICE static W apply(W x, W y, const Prime<W> &p) { return sub_mod<W>(x, y, p.q); }
};
template <class W> struct Multiply {
    DEVICE static W apply(W x, W y, const Prime<W> &p) { return mul_mod<W>(x, y, p); }
};

// out = x op y. Row r of x meets row r mod y_rows of y; `out` may be `x`.
template <class W, class Op>
DEVICE void pointwise(W *out, const W *x, const W *y, const Prime<W> *primes, Limbs limbs,
                      Limbs y_limbs, u32 y_rows, u32 log_n) {
    u32 limb = blockIdx.y, row = blockIdx.z, index = limbs.prime(limb);
    Prime<W> p = primes[index];
    u64 at = limbs.offset(row, index, log_n);
    const W *right = y + y_limbs.offset(row % y_rows, index, log_n);
    for (u32 i = thread_in_grid(); i < 1u << log_n; i += threads_in_grid())
        out[at + i] = Op::apply(x[at + i], right[i], p);
}

// acc += x y, each with its own basis and rows.
template <class W>
DEVICE void multiply_accumulate(W *acc, const W *x, const W *y, const Prime<W> *primes, Limbs limbs,
                                Limbs x_limbs, Limbs y_limbs, u32 x_rows, u32 y_rows, u32 log_n) {
    u32 limb = blockIdx.y, row = blockIdx.z, index = limbs.prime(limb);
    Prime<W> p = primes[index];
    W *sum = acc + limbs.offset(row, index, log_n);
    const W *left = x + x_limbs.offset(row % x_rows, index, log_n);
    const W *right = y + y_limbs.offset(row % y_rows, index, log_n);
    for (u32 i = thread_in_grid(); i < 1u << log_n; i += threads_in_grid())
        sum[i] = add_mod<W>(sum[i], mul_mod<W>(left[i], right[i], p), p.q);
}

// Rows x0 y0, x0 y1 + x1 y0, x1 y1 of `pairs` pairs, component-major: grid.z counts pairs.
template <class W>
DEVICE void tensor(W *out, const W *x, const W *y, const Prime<W> *primes, Limbs limbs,
                   Limbs y_limbs, u32 pairs, u32 log_n) {
    u32 limb = blockIdx.y, pair = blockIdx.z, index = limbs.prime(limb);
    Prime<W> p = primes[index];
    const W *x0 = x + limbs.offset(pair, index, log_n);
    const W *x1 = x + limbs.offset(pairs + pair, index, log_n);
    const W *y0 = y + y_limbs.offset(pair, index, log_n);
    const W *y1 = y + y_limbs.offset(pairs + pair, index, log_n);
    W *low = out + limbs.offset(pair, index, log_n);
    W *middle = out + limbs.offset(pairs + pair, index, log_n);
    W *high = out + limbs.offset(2 * pairs + pair, index, log_n);
    for (u32 i = thread_in_grid(); i < 1u << log_n; i += threads_in_grid()) {
        W a = x0[i], b = x1[i], c = y0[i], d = y1[i];
        Sum<W> cross;
        add_product(cross, a, d, p.q);
        add_product(cross, b, c, p.q);
        low[i] = mul_mod<W>(a, c, p);
        middle[i] = reduce<W>(cross, p);
        high[i] = mul_mod<W>(b, d, p);
    }
}

#define BINARY(name, op, W, suffix)                                                                \
    KERNEL(name##_##suffix, 256,                                                                   \
           (W * out, const W *x, const W *y, const Prime<W> *primes, Limbs limbs, Limbs y_limbs,   \
            u32 y_rows, u32 log_n),                                                                \
           (pointwise<W, op<W>>(out, x, y, primes, limbs, y_limbs, y_rows, log_n)))

#define POINTWISE(W, suffix)                                                                       \
    BINARY(add, Add, W, suffix)                                                                    \
    BINARY(subtract, Subtract, W, suffix)                                                          \
    BINARY(multiply, Multiply, W, suffix)                                                          \
    KERNEL(multiply_accumulate_##suffix, 256,                                                      \
           (W * acc, const W *x, const W *y, const Prime<W> *primes, Limbs limbs, Limbs x_limbs,   \
            Limbs y_limbs, u32 x_rows, u32 y_rows, u32 log_n),                                     \
           (multiply_accumulate<W>(acc, x, y, primes, limbs, x_limbs, y_limbs, x_rows, y_rows,     \
                                   log_n)))                                                        \
    KERNEL(tensor_##suffix, 256,                                                                   \
           (W * out, const W *x, const W *y, const Prime<W> *primes, Limbs limbs, Limbs y_limbs,   \
            u32 pairs, u32 log_n),                                                                 \
           (tensor<W>(out, x, y, primes, limbs, y_limbs, pairs, log_n)))

BOTH_WORDS(POINTWISE)
