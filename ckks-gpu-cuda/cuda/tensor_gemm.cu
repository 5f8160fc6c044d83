// Products of integer matrices with rows of residues on tensor cores, by residues modulo small coprime
// numbers (`small_moduli.cuh`) that are put together where the sums end.
//
// Operands lie in memory as the tensor cores take them: tiles of 16 rows (of w) or 8 columns (of x) by 32
// inputs, the words of each lane together.
#include "small_moduli.cuh"
#include "warp_tiles.cuh"

constexpr u32 HEIGHT = 16;    // outputs of a tile
constexpr u32 WARP_ROWS = 2;  // tiles of a warp

// Tiles of a warp across: long words take twice the registers to gather in.
template <class W> constexpr u32 WARP_COLUMNS = sizeof(W) == 4 ? 4 : 2;

// Tiles `[tile of rows][tile of inputs][lane]` of w (four words a lane) or x (two): word r is row
// lane / 4 + 8 (r % 2) of w, inputs 4 (lane % 4) + 16 (r / 2) on; of x its only row of the lane, inputs
// 4 (lane % 4) + 16 r on.
template <u32 ROWS> struct Tiled {
    static constexpr u32 HEIGHT = ROWS, COUNT = ROWS / 4;
    static constexpr u32 HALVES = ROWS / 8;
    static DEVICE u32 row(u32 lane, u32 e) { return lane / 4 + 8 * (e / 4 % HALVES); }
    static DEVICE u32 input(u32 lane, u32 e) { return lane % 4 * 4 + 16 * (e / 4 / HALVES) + e % 4; }
    static DEVICE u64 offset(u32 tile, u32 k, u32 depth, u32 lane) {
        return (u64(tile) * depth + k) * 32 + lane;
    }
};

typedef Words<4> RowWords;     // of w
typedef Words<2> ColumnWords;  // of x

DEVICE void multiply_add(i32 (&sums)[4], const RowWords &a, const ColumnWords &b) {
    multiply_tiles(sums, a.words, b.words);
}

struct TensorGemm {
    const RowWords *w;
    const ColumnWords *x;
    const Small *small;
    u32 count;
    u32 outputs;
    u32 inputs;
    Columns columns;
};

// Columns of one limb of the result: grid (columns, outputs), a warp of a block 32 of each. `weights`:
// M / m_t for each t, then M, stored, for each prime.
template <class W>
DEVICE void tensor_gemm(W *out, const W *weights, const Prime<W> *primes, const TensorGemm &c) {
    constexpr u32 COLUMNS = WARP_COLUMNS<W>;
    First<WARP_ROWS, COLUMNS> first;
    u32 depth = (c.inputs + DEPTH - 1) / DEPTH;
    Tiles<RowWords> w = {c.w, (c.outputs + HEIGHT - 1) / HEIGHT, depth};
    Tiles<ColumnWords> x = {c.x, (c.columns.count + WIDTH - 1) / WIDTH, depth};
    u32 index = c.columns.prime();
    Prime<W> p = primes[index];
    const W *of_prime = weights + u64(index) * (c.count + 1);
    Gathered<W> gathered[WARP_ROWS][COLUMNS][4] = {};
    for (u32 t = 0; t < c.count; t++) {
        i32 sums[WARP_ROWS][COLUMNS][4] = {};
        add_products(sums, first, w, t, x, t);
        Small s = c.small[t];
        W weight = of_prime[t];
#pragma unroll
        for (u32 i = 0; i < WARP_ROWS; i++)
#pragma unroll
            for (u32 j = 0; j < COLUMNS; j++)
#pragma unroll
                for (u32 e = 0; e < 4; e++)
                    gather<W>(gathered[i][j][e], sums[i][j][e], s, weight, p);
    }
    W whole = of_prime[c.count];
    write_tiles<4>(out, first, c.outputs, c.columns,
                   [&](u32 i, u32 j, u32 e) { return joined<W>(gathered[i][j][e], whole, p); });
}

KERNEL(tile_matrix, 128,
       (RowWords * out, const i64 *entries, const Small *small, u32 count, u32 outputs, u32 inputs),
       (split<Tiled<HEIGHT>>(out, Entries{entries, outputs, inputs}, small, count)))

#define TENSOR_GEMM(W, suffix)                                                                     \
    KERNEL(tile_rows_##suffix, 128,                                                                \
           (ColumnWords * out, const W *x, const Prime<W> *primes, const Small *small, u32 count,  \
            Columns columns, u32 inputs),                                                          \
           (split<Tiled<WIDTH>>(out, residues_of<W>(x, primes, columns, inputs), small, count)))   \
    KERNEL(tensor_gemm_##suffix, 128,                                                              \
           (W * out, const RowWords *w, const ColumnWords *x, const Small *small,                  \
            const W *weights, const Prime<W> *primes, u32 count, u32 outputs, u32 inputs,          \
            Columns columns),                                                                      \
           (tensor_gemm<W>(out, weights, primes, {w, x, small, count, outputs, inputs, columns})))

BOTH_WORDS(TENSOR_GEMM)
