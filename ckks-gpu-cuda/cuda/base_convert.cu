// Exact base conversion (`RingKernels::base_convert`) and the lift of all digits of a decomposition:
// grid (pieces of N, pieces of the targets, digits * rows).
//
// A digit is `digit_size` neighbouring limbs of x; a plain conversion has one digit of all limbs. Limbs of
// the target that belong to the digit are copied from `own`: x itself, or for a decomposition its
// evaluations, since the transform of a lift is there the polynomial's own.
#include "arith.cuh"
#include "basis.cuh"

// One source prime d; D is the product of its digit's.
template <class W> struct Source {
    W inverse;  // (D/d)^-1 mod d
    W ratio;    // floor(2^(30 + b) / d), b the bit length of d
    W left;     // z = (y << left) >> right has 30 bits
    W right;
};

constexpr u32 CONVERTED_TOGETHER = 4;

template <class W> struct Conversion {
    const Source<W> *sources;  // one a limb of x
    const W *weights;          // [digits][targets][digit_size + 1]: D/d B^2, then -D B^2
    Limbs from;
    Limbs to;
    u32 digit_size;
    u32 rows;
    u32 targets;  // of one block
};

template <class W>
DEVICE void base_convert(W *out, const W *x, const W *own, const Prime<W> *primes,
                         Conversion<W> c, u32 log_n) {
    u32 i = thread_in_grid(), lane = thread_in_block(), width = blockDim.x;
    u32 digit = blockIdx.z / c.rows, row = blockIdx.z % c.rows;
    u32 begin = digit * c.digit_size, end = least(begin + c.digit_size, c.from.count());
    Shared<W> digits = shared_words<W>();
    // Only the thread that writes a column reads it: no barrier is needed.
    u64 fractions = 1u << 27;
    for (u32 s = begin; s < end; s++) {
        u32 index = c.from.prime(s);
        Source<W> source = c.sources[s];
        W y = mul_mod<W>(x[c.from.offset(row, index, log_n) + i], source.inverse, primes[index]);
        digits.set((s - begin) * width + lane, y);
        W z = (y << source.left) >> source.right;
        fractions += (u64(z) * u64(source.ratio)) >> 32;
    }
    W quotient = W(fractions >> 28);
    u32 first = blockIdx.y * c.targets, last = least(first + c.targets, c.to.count());
    for (u32 group = first; group < last; group += CONVERTED_TOGETHER) {
        Sum<W> sums[CONVERTED_TOGETHER];
        W moduli[CONVERTED_TOGETHER];
        const W *weights[CONVERTED_TOGETHER];
#pragma unroll
        for (u32 k = 0; k < CONVERTED_TOGETHER; k++) {
            u32 target = least(group + k, last - 1);
            moduli[k] = primes[c.to.prime(target)].q;
            weights[k] = c.weights + u64(digit * c.to.count() + target) * (c.digit_size + 1);
        }
        for (u32 s = 0; s < end - begin; s++) {
            W y = digits.get(s * width + lane);
#pragma unroll
            for (u32 k = 0; k < CONVERTED_TOGETHER; k++)
                add_product(sums[k], y, weights[k][s], moduli[k]);
        }
#pragma unroll
        for (u32 k = 0; k < CONVERTED_TOGETHER; k++) {
            if (group + k >= last)
                break;
            u32 index = c.to.prime(group + k);
            add_product(sums[k], quotient, weights[k][c.digit_size], moduli[k]);
            W value = reduce<W>(sums[k], primes[index]);
            bool shared = c.from.contains(index) && c.from.position(index) - begin < end - begin;
            if (shared)
                value = own[c.from.offset(row, index, log_n) + i];
            out[c.to.offset(blockIdx.z, index, log_n) + i] = value;
        }
    }
}

#define BASE_CONVERT(W, suffix)                                                                    \
    KERNEL(base_convert_##suffix, 128,                                                             \
           (W * out, const W *x, const W *own, const Prime<W> *primes, const Source<W> *sources,   \
            const W *weights, Limbs from, Limbs to, u32 digit_size, u32 rows, u32 targets,         \
            u32 log_n),                                                                            \
           (base_convert<W>(out, x, own, primes,                                                   \
                            {sources, weights, from, to, digit_size, rows, targets}, log_n)))

BOTH_WORDS(BASE_CONVERT)
