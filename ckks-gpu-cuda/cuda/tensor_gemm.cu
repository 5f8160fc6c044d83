// Products of integer matrices with rows of residues on tensor cores, by residues modulo small coprime
// numbers: every byte-sized product is exact, and the Chinese remainder theorem puts them together modulo
// q where the sums end [Ozaki-Uchino-Imamura 2025, with integers for their floats].
//
// With m_0 .. m_(s-1) <= 256 pairwise coprime and M their product above twice the largest sum of
// |w| q / 2: the sum v is determined by v mod m_t. With y_t = v (M / m_t)^-1 mod m_t,
//
//     v = sum_t y_t M / m_t - k M,    k = nearest integer to sum_t y_t / m_t.
//
// Operands lie in memory as the tensor cores take them: tiles of 16 rows (of w) or 8 columns (of x) by 32
// inputs, the words of each lane together. They are zero beyond the matrix.
#include "arith.cuh"
#include "basis.cuh"

constexpr u32 DEPTH = 32;      // inputs of a tile
constexpr u32 HEIGHT = 16;     // outputs of a tile
constexpr u32 WIDTH = 8;       // columns of a tile
constexpr u32 WARP_ROWS = 2;   // tiles of a warp
constexpr u32 WARPS = 2;       // of a block, on each axis
constexpr u32 FRACTION = 24;   // bits of a fraction

// Tiles of a warp across: long words take twice the registers to gather in.
template <class W> constexpr u32 WARP_COLUMNS = sizeof(W) == 4 ? 4 : 2;

// One of the small moduli; written by src/gemm/tensor.rs.
struct Small {
    u64 wide;        // floor((2^64 - 1) / m)
    u32 modulus;     // m
    u32 reciprocal;  // floor(2^32 / m)
    u32 inverse;     // (M / m)^-1 mod m
    u32 fraction;    // floor(2^FRACTION / m)
};

// The words of one lane of a tile, moved at once.
template <u32 COUNT> struct alignas(4 * COUNT) Words {
    u32 words[COUNT];
};

typedef Words<4> RowWords;     // of w
typedef Words<2> ColumnWords;  // of x

DEVICE u32 reduce_small(u32 x, const Small &s) {
    return subtract_once<u32>(x - mul_high(x, s.reciprocal) * s.modulus, s.modulus);
}

// The quotient may fall short by two: what is left fits a word.
DEVICE u32 reduce_small(u64 x, const Small &s) {
    return reduce_small(u32(x - mul_high(x, s.wide) * s.modulus), s);
}

// The representative in [-128, 127], as a byte.
DEVICE u32 signed_byte(u32 residue, const Small &s) {
    return (residue > 127 ? residue - s.modulus : residue) & 255;
}

// Rows of integers to tiles `[modulus][tile of rows][tile of inputs][lane][4]`: one lane of one tile a
// thread, grid (lanes).
DEVICE void tile_entries(RowWords *out, const i64 *entries, const Small *small, u32 count, u32 outputs,
                        u32 inputs) {
    u32 depth = (inputs + DEPTH - 1) / DEPTH, height = (outputs + HEIGHT - 1) / HEIGHT;
    for (u32 i = thread_in_grid(); i < height * depth * 32; i += threads_in_grid()) {
        u32 lane = i % 32, k = i / 32 % depth, tile = i / 32 / depth;
#pragma unroll 1
        for (u32 t = 0; t < count; t++) {
            Small s = small[t];
            RowWords made = {};
#pragma unroll
            for (u32 r = 0; r < 4; r++) {
                u32 output = tile * HEIGHT + lane / 4 + 8 * (r % 2);
#pragma unroll 1
                for (u32 b = 0; b < 4; b++) {
                    u32 input = k * DEPTH + lane % 4 * 4 + 16 * (r / 2) + b;
                    if (output >= outputs || input >= inputs)
                        continue;
                    i64 entry = entries[u64(output) * inputs + input];
                    u32 residue = reduce_small(entry < 0 ? 0 - u64(entry) : u64(entry), s);
                    if (entry < 0 && residue != 0)
                        residue = s.modulus - residue;
                    made.words[r] |= signed_byte(residue, s) << (8 * b);
                }
            }
            out[u64(t) * height * depth * 32 + i] = made;
        }
    }
}

// `columns` columns from `first` on of one limb to tiles `[modulus][tile of columns][tile of
// inputs][lane][2]`, of centred residues: grid (lanes).
template <class W>
DEVICE void tile_rows(ColumnWords *out, const W *x, const Prime<W> *primes, const Small *small, u32 count,
                      Limbs limbs, u32 limb, u32 first, u32 columns, u32 inputs, u32 log_n) {
    u32 depth = (inputs + DEPTH - 1) / DEPTH, width = (columns + WIDTH - 1) / WIDTH;
    u32 index = limbs.prime(limb);
    W q = primes[index].q;
    for (u32 i = thread_in_grid(); i < width * depth * 32; i += threads_in_grid()) {
        u32 lane = i % 32, k = i / 32 % depth, column = i / 32 / depth * WIDTH + lane / 4;
        W values[8];
        u32 negative = 0;
#pragma unroll
        for (u32 e = 0; e < 8; e++) {
            u32 input = k * DEPTH + lane % 4 * 4 + 16 * (e / 4) + e % 4;
            bool there = input < inputs && column < columns;
            values[e] = there ? x[limbs.offset(input, index, log_n) + first + column] : 0;
            bool above = values[e] > q / 2;
            values[e] = above ? q - values[e] : values[e];
            negative |= u32(above) << e;
        }
#pragma unroll 1
        for (u32 t = 0; t < count; t++) {
            Small s = small[t];
            ColumnWords made = {};
#pragma unroll
            for (u32 e = 0; e < 8; e++) {
                u32 residue = reduce_small(values[e], s);
                residue = (negative >> e & 1) && residue != 0 ? s.modulus - residue : residue;
                made.words[e / 4] |= signed_byte(residue, s) << (8 * (e % 4));
            }
            out[u64(t) * width * depth * 32 + i] = made;
        }
    }
}

struct TensorGemm {
    const RowWords *w;
    const ColumnWords *x;
    const Small *small;
    u32 count;
    u32 outputs;
    u32 inputs;
    u32 columns;
    u32 first;  // of the columns, in the limb
    u32 limb;
    u32 log_n;
};

// What the sums so far are modulo q, and the sum of their fractions.
template <class W> struct Gathered {
    W residue;
    u32 fraction;
};

// Adds y_t M / m_t. Sums are below 2^30 in size.
template <class W>
DEVICE void gather(Gathered<W> &into, i32 sum, const Small &s, W weight, const Prime<W> &p) {
    u32 multiple = ((1u << 30) / s.modulus + 1) * s.modulus;
    u32 y = reduce_small(reduce_small(u32(sum) + multiple, s) * s.inverse, s);
    into.residue = add_mod<W>(into.residue, mul_mod<W>(y, weight, p), p.q);
    into.fraction += y * s.fraction;
}

// Columns of one limb of the result: grid (columns, outputs), a warp of a block 32 of each. `weights`:
// M / m_t for each t, then M, stored, for each prime.
template <class W>
DEVICE void tensor_gemm(W *out, const W *weights, const Prime<W> *primes, Limbs limbs,
                        const TensorGemm &c) {
    constexpr u32 ACROSS = WARP_COLUMNS<W>;
    u32 lane = thread_in_block() % 32, warp = thread_in_block() / 32;
    u32 depth = (c.inputs + DEPTH - 1) / DEPTH;
    u32 height = (c.outputs + HEIGHT - 1) / HEIGHT, width = (c.columns + WIDTH - 1) / WIDTH;
    u32 row = (blockIdx.y * WARPS + warp / WARPS) * WARP_ROWS;
    u32 column = (blockIdx.x * WARPS + warp % WARPS) * ACROSS;
    u32 index = limbs.prime(c.limb);
    Prime<W> p = primes[index];
    const W *of_prime = weights + u64(index) * (c.count + 1);
    Gathered<W> gathered[WARP_ROWS][ACROSS][4] = {};
    for (u32 t = 0; t < c.count; t++) {
        i32 sums[WARP_ROWS][ACROSS][4] = {};
#pragma unroll 2
        for (u32 k = 0; k < depth; k++) {
            RowWords a[WARP_ROWS];
            ColumnWords b[ACROSS];
#pragma unroll
            for (u32 i = 0; i < WARP_ROWS; i++) {
                u64 tile = (u64(t) * height + least(row + i, height - 1)) * depth + k;
                a[i] = c.w[tile * 32 + lane];
            }
#pragma unroll
            for (u32 j = 0; j < ACROSS; j++) {
                u64 tile = (u64(t) * width + least(column + j, width - 1)) * depth + k;
                b[j] = c.x[tile * 32 + lane];
            }
#pragma unroll
            for (u32 i = 0; i < WARP_ROWS; i++)
#pragma unroll
                for (u32 j = 0; j < ACROSS; j++)
                    multiply_tiles(sums[i][j], a[i].words, b[j].words);
        }
        Small s = c.small[t];
        W weight = of_prime[t];
#pragma unroll
        for (u32 i = 0; i < WARP_ROWS; i++)
#pragma unroll
            for (u32 j = 0; j < ACROSS; j++)
#pragma unroll
                for (u32 e = 0; e < 4; e++)
                    gather<W>(gathered[i][j][e], sums[i][j][e], s, weight, p);
    }
    W whole = of_prime[c.count];
#pragma unroll
    for (u32 i = 0; i < WARP_ROWS; i++)
#pragma unroll
        for (u32 j = 0; j < ACROSS; j++)
#pragma unroll
            for (u32 e = 0; e < 4; e++) {
                u32 output = (row + i) * HEIGHT + lane / 4 + 8 * (e / 2);
                u32 at = (column + j) * WIDTH + lane % 4 * 2 + e % 2;
                if (output >= c.outputs || at >= c.columns)
                    continue;
                const Gathered<W> &g = gathered[i][j][e];
                W k = (g.fraction + (1u << (FRACTION - 1))) >> FRACTION;
                out[limbs.offset(output, index, c.log_n) + c.first + at] =
                    sub_mod<W>(g.residue, mul_mod<W>(k, whole, p), p.q);
            }
}

KERNEL(tile_matrix, 128,
       (RowWords * out, const i64 *entries, const Small *small, u32 count, u32 outputs, u32 inputs),
       (tile_entries(out, entries, small, count, outputs, inputs)))

#define TENSOR_GEMM(W, suffix)                                                                     \
    KERNEL(tile_rows_##suffix, 128,                                                                \
           (ColumnWords * out, const W *x, const Prime<W> *primes, const Small *small, u32 count,  \
            Limbs limbs, u32 limb, u32 first, u32 columns, u32 inputs, u32 log_n),                 \
           (tile_rows<W>(out, x, primes, small, count, limbs, limb, first, columns, inputs,        \
                         log_n)))                                                                  \
    KERNEL(tensor_gemm_##suffix, 128,                                                              \
           (W * out, const RowWords *w, const ColumnWords *x, const Small *small,                  \
            const W *weights, const Prime<W> *primes, Limbs limbs, u32 count, u32 outputs,         \
            u32 inputs, u32 columns, u32 first, u32 limb, u32 log_n),                              \
           (tensor_gemm<W>(out, weights, primes, limbs,                                            \
                           {w, x, small, count, outputs, inputs, columns, first, limb, log_n})))

BOTH_WORDS(TENSOR_GEMM)
