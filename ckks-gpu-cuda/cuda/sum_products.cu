// Sums of products of blocks with packed polynomials (`RingKernels::sum_products`): grid (pieces of N,
// limbs, groups of sums * rows). Each residue of a block is read once for a group of sums.
#include "arith.cuh"
#include "basis.cuh"

constexpr u32 SUMS = 8;
constexpr u32 NONE = ~0u;

// A block and, for each sum of the group, the polynomial that it is multiplied with.
struct Term {
    u32 block;
    u32 polynomials[SUMS];
};

template <class W> struct Products {
    const Operand *xs;
    const W *ys;
    const Term *terms;
    const u32 *starts;  // of the terms of each group, and their end
    const u64 *outs;    // addresses, one a sum
    u32 sums;
    u32 rows;
    Limbs limbs;
    Limbs y_limbs;
    u32 log_run;  // each value of a packed polynomial fills a run of 2^log_run positions
    u32 log_n;
};

template <class W> DEVICE void sum_products(const Products<W> &c, const Prime<W> *primes) {
    u32 index = c.limbs.prime(blockIdx.y), row = blockIdx.z % c.rows, group = blockIdx.z / c.rows;
    u32 log_m = c.log_n - c.log_run, in_row = (1u << c.log_run) - 1;
    Prime<W> p = primes[index];
    for (u32 i = thread_in_grid(); i < 1u << c.log_n; i += threads_in_grid()) {
        Sum<W> sums[SUMS];
        for (u32 t = c.starts[group]; t < c.starts[group + 1]; t++) {
            const Term &term = c.terms[t];
            const Operand &block = c.xs[term.block];
            W x = block.line<W>(row, index, c.log_n)[i];
#pragma unroll
            for (u32 k = 0; k < SUMS; k++) {
                u32 y = term.polynomials[k];
                if (y == NONE)
                    continue;
                u64 line = c.y_limbs.offset(y >> c.log_run, index, c.log_n);
                W value = c.ys[line + ((y & in_row) << log_m) + (i >> c.log_run)];
                add_product(sums[k], x, value, p.q);
            }
        }
#pragma unroll
        for (u32 k = 0; k < SUMS; k++) {
            if (group * SUMS + k >= c.sums)
                break;
            W *out = reinterpret_cast<W *>(c.outs[group * SUMS + k]);
            out[c.limbs.offset(row, index, c.log_n) + i] = reduce<W>(sums[k], p);
        }
    }
}

#define SUM_PRODUCTS(W, suffix)                                                                    \
    KERNEL(sum_products_##suffix, 256,                                                             \
           (const Operand *xs, const W *ys, const Term *terms, const u32 *starts,                  \
            const u64 *outs, u32 sums, u32 rows, const Prime<W> *primes, Limbs limbs,              \
            Limbs y_limbs, u32 log_run, u32 log_n),                                                \
           (sum_products<W>({xs, ys, terms, starts, outs, sums, rows, limbs, y_limbs, log_run,     \
                             log_n},                                                               \
                            primes)))

BOTH_WORDS(SUM_PRODUCTS)
