// The two ends of products that the vendor's library makes on tensor cores: integers to bytes modulo small
// coprime numbers, and its sums to residues (`small_moduli.cuh`).
#include "small_moduli.cuh"

// Rows of w or columns of x `[row][input]`, inputs together and a multiple of DEPTH: a lane holds eight of
// them, four lanes the row's share of a tile.
struct InRows {
    static constexpr u32 HEIGHT = WIDTH, COUNT = 2;
    static DEVICE u32 row(u32 lane, u32) { return lane / 4; }
    static DEVICE u32 input(u32 lane, u32 e) { return lane % 4 * 8 + e; }
    static DEVICE u64 offset(u32 tile, u32 k, u32 depth, u32 lane) {
        return (u64(tile * HEIGHT + lane / 4) * depth + k) * 4 + lane % 4;
    }
};

// Columns of one limb of the result from sums `[modulus][output][column]`, outputs and columns padded to
// multiples of WIDTH: grid (columns, outputs). `weights`: M / m_t for each t, then M, stored, for each prime.
template <class W>
DEVICE void join_sums(W *out, const i32 *sums, const Small *small, const W *weights,
                      const Prime<W> *primes, u32 count, u32 outputs, const Columns &c) {
    u32 index = c.prime();
    u32 height = (outputs + WIDTH - 1) / WIDTH * WIDTH;
    u32 across = (c.count + WIDTH - 1) / WIDTH * WIDTH;
    Prime<W> p = primes[index];
    const W *of_prime = weights + u64(index) * (count + 1);
    for (u32 output = blockIdx.y; output < outputs; output += gridDim.y)
        for (u32 at = thread_in_grid(); at < c.count; at += threads_in_grid()) {
            Gathered<W> gathered = {};
#pragma unroll 4
            for (u32 t = 0; t < count; t++) {
                i32 sum = sums[(u64(t) * height + output) * across + at];
                gather<W>(gathered, sum, small[t], of_prime[t], p);
            }
            out[c.offset(output, at)] = joined<W>(gathered, of_prime[count], p);
        }
}

KERNEL(byte_matrix, 128,
       (Words<2> * out, const i64 *entries, const Small *small, u32 count, u32 outputs, u32 inputs),
       (split<InRows>(out, Entries{entries, outputs, inputs}, small, count)))

#define LIBRARY_GEMM(W, suffix)                                                                    \
    KERNEL(byte_rows_##suffix, 128,                                                                \
           (Words<2> * out, const W *x, const Prime<W> *primes, const Small *small, u32 count,     \
            Columns columns, u32 inputs),                                                          \
           (split<InRows>(out, residues_of<W>(x, primes, columns, inputs), small, count)))         \
    KERNEL(join_sums_##suffix, 128,                                                                \
           (W * out, const i32 *sums, const Small *small, const W *weights,                        \
            const Prime<W> *primes, u32 count, u32 outputs, Columns columns),                      \
           (join_sums<W>(out, sums, small, weights, primes, count, outputs, columns)))

BOTH_WORDS(LIBRARY_GEMM)
