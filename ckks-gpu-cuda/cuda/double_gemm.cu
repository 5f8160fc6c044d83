// Products of integer matrices with rows of residues in doubles: entries and centred residues are cut into
// limbs so short that every sum of products is a whole number of at most 2^53, which doubles hold exactly in
// whatever order they add.
//
// With w = sum_i w_i 2^(a i) and x = sum_j x_j 2^(b j), where a = b if both have several limbs,
//
//     w x = sum_s 2^(c s) sum_(i + j = s) w_i x_j,    c the width of what is cut.
//
// Operands lie in memory as the tensor cores take them: tiles of 8 rows (of w) or 8 columns (of x) by
// 8 inputs, both numbers of each lane together. They are zero beyond the matrix.
#include "arith.cuh"
#include "basis.cuh"

constexpr u32 DOUBLE_SIDE = 8;       // outputs, columns or inputs of a tile
constexpr u32 DOUBLE_ROWS = 2;       // tiles of a warp
constexpr u32 DOUBLE_COLUMNS = 4;
constexpr u32 DOUBLE_WARPS = 2;      // of a block, on each axis

// What one lane holds of a tile: inputs lane % 4 and lane % 4 + 4 of row or column lane / 4.
struct alignas(16) Doubles {
    double values[2];
};

// How operands are cut; written by src/gemm/double.rs.
struct Cut {
    u32 limbs;
    u32 width;  // bits of a limb
};

// Takes the lowest limb, in [-2^(width - 1), 2^(width - 1)), off a number.
DEVICE double take_limb(i64 &value, u32 width) {
    i64 low = value & ((i64(1) << width) - 1), carry = low >> (width - 1);
    value = (value >> width) + carry;
    return double(low - (carry << width));
}

// Writes the limbs of a lane's two numbers to `out`, `stride` apart; the last limb is what is left.
DEVICE void write_limbs(Doubles *out, u64 stride, i64 first, i64 second, Cut cut) {
#pragma unroll 1
    for (u32 i = 0; i + 1 < cut.limbs; i++) {
        *out = {{take_limb(first, cut.width), take_limb(second, cut.width)}};
        out += stride;
    }
    *out = {{double(first), double(second)}};
}

// Rows of integers to tiles `[limb][tile of rows][tile of inputs][lane]`: one lane of one tile a thread.
DEVICE void cut_entries(Doubles *out, const i64 *entries, Cut cut, u32 outputs, u32 inputs) {
    u32 depth = (inputs + DOUBLE_SIDE - 1) / DOUBLE_SIDE;
    u32 height = (outputs + DOUBLE_SIDE - 1) / DOUBLE_SIDE;
    u64 stride = u64(height) * depth * 32;
    for (u32 i = thread_in_grid(); i < stride; i += threads_in_grid()) {
        u32 lane = i % 32, k = i / 32 % depth, output = i / 32 / depth * DOUBLE_SIDE + lane / 4;
        i64 values[2];
#pragma unroll
        for (u32 e = 0; e < 2; e++) {
            u32 input = k * DOUBLE_SIDE + lane % 4 + 4 * e;
            bool there = output < outputs && input < inputs;
            values[e] = there ? entries[u64(output) * inputs + input] : 0;
        }
        write_limbs(out + i, stride, values[0], values[1], cut);
    }
}

// `columns` columns from `first` on of one limb of a block to tiles `[limb][tile of columns][tile of
// inputs][lane]` of centred residues, in stored form: the product is linear in them.
template <class W>
DEVICE void cut_rows(Doubles *out, const W *x, const Prime<W> *primes, Cut cut, Limbs limbs, u32 limb,
                     u32 first, u32 columns, u32 inputs, u32 log_n) {
    u32 depth = (inputs + DOUBLE_SIDE - 1) / DOUBLE_SIDE;
    u32 width = (columns + DOUBLE_SIDE - 1) / DOUBLE_SIDE;
    u32 index = limbs.prime(limb);
    W q = primes[index].q;
    u64 stride = u64(width) * depth * 32;
    for (u32 i = thread_in_grid(); i < stride; i += threads_in_grid()) {
        u32 lane = i % 32, k = i / 32 % depth, column = i / 32 / depth * DOUBLE_SIDE + lane / 4;
        i64 values[2];
#pragma unroll
        for (u32 e = 0; e < 2; e++) {
            u32 input = k * DOUBLE_SIDE + lane % 4 + 4 * e;
            bool there = input < inputs && column < columns;
            W value = there ? x[limbs.offset(input, index, log_n) + first + column] : 0;
            values[e] = value > q / 2 ? i64(value) - i64(q) : i64(value);
        }
        write_limbs(out + i, stride, values[0], values[1], cut);
    }
}

struct DoubleGemm {
    const Doubles *w;
    const Doubles *x;
    u32 w_limbs;
    u32 x_limbs;
    u32 outputs;
    u32 inputs;
    u32 columns;
    u32 first;
    u32 limb;
    u32 log_n;
};

// value weight mod q, for a whole number.
template <class W> DEVICE W weigh(double value, W weight, const Prime<W> &p) {
    i64 whole = i64(value);
    W product = mul_mod<W>(store_form(whole < 0 ? 0 - u64(whole) : u64(whole), p), weight, p);
    return whole < 0 ? negate_mod<W>(product, p.q) : product;
}

// Columns `first` on of rows of one limb: grid (columns, outputs). `weights[prime][s] = 2^(c s) mod q`.
template <class W>
DEVICE void double_gemm(W *out, const W *weights, const Prime<W> *primes, Limbs limbs,
                        const DoubleGemm &c) {
    u32 lane = thread_in_block() % 32, warp = thread_in_block() / 32;
    u32 depth = (c.inputs + DOUBLE_SIDE - 1) / DOUBLE_SIDE;
    u32 height = (c.outputs + DOUBLE_SIDE - 1) / DOUBLE_SIDE;
    u32 width = (c.columns + DOUBLE_SIDE - 1) / DOUBLE_SIDE;
    u32 row = (blockIdx.y * DOUBLE_WARPS + warp / DOUBLE_WARPS) * DOUBLE_ROWS;
    u32 column = (blockIdx.x * DOUBLE_WARPS + warp % DOUBLE_WARPS) * DOUBLE_COLUMNS;
    u32 index = limbs.prime(c.limb), count = c.w_limbs + c.x_limbs - 1;
    Prime<W> p = primes[index];
    W gathered[DOUBLE_ROWS][DOUBLE_COLUMNS][2] = {};
    for (u32 s = 0; s < count; s++) {
        double sums[DOUBLE_ROWS][DOUBLE_COLUMNS][2] = {};
        u32 most = least(s, c.w_limbs - 1);
        for (u32 of_w = s < c.x_limbs ? 0 : s - c.x_limbs + 1; of_w <= most; of_w++) {
            u32 of_x = s - of_w;
#pragma unroll 2
            for (u32 k = 0; k < depth; k++) {
                Doubles a[DOUBLE_ROWS], b[DOUBLE_COLUMNS];
#pragma unroll
                for (u32 i = 0; i < DOUBLE_ROWS; i++) {
                    u64 tile = (u64(of_w) * height + least(row + i, height - 1)) * depth + k;
                    a[i] = c.w[tile * 32 + lane];
                }
#pragma unroll
                for (u32 j = 0; j < DOUBLE_COLUMNS; j++) {
                    u64 tile = (u64(of_x) * width + least(column + j, width - 1)) * depth + k;
                    b[j] = c.x[tile * 32 + lane];
                }
#pragma unroll
                for (u32 i = 0; i < DOUBLE_ROWS; i++)
#pragma unroll
                    for (u32 j = 0; j < DOUBLE_COLUMNS; j++)
#pragma unroll
                        for (u32 e = 0; e < 2; e++)
                            multiply_tiles(sums[i][j], a[i].values[e], b[j].values[e]);
            }
        }
        W weight = weights[u64(index) * count + s];
#pragma unroll
        for (u32 i = 0; i < DOUBLE_ROWS; i++)
#pragma unroll
            for (u32 j = 0; j < DOUBLE_COLUMNS; j++)
#pragma unroll
                for (u32 e = 0; e < 2; e++)
                    gathered[i][j][e] = add_mod<W>(gathered[i][j][e],
                                                   weigh<W>(sums[i][j][e], weight, p), p.q);
    }
#pragma unroll
    for (u32 i = 0; i < DOUBLE_ROWS; i++)
#pragma unroll
        for (u32 j = 0; j < DOUBLE_COLUMNS; j++)
#pragma unroll
            for (u32 e = 0; e < 2; e++) {
                u32 output = (row + i) * DOUBLE_SIDE + lane / 4;
                u32 at = (column + j) * DOUBLE_SIDE + lane % 4 * 2 + e;
                if (output < c.outputs && at < c.columns)
                    out[limbs.offset(output, index, c.log_n) + c.first + at] = gathered[i][j][e];
            }
}

KERNEL(cut_matrix, 128,
       (Doubles * out, const i64 *entries, Cut cut, u32 outputs, u32 inputs),
       (cut_entries(out, entries, cut, outputs, inputs)))

#define DOUBLE_GEMM(W, suffix)                                                                     \
    KERNEL(cut_rows_##suffix, 128,                                                                 \
           (Doubles * out, const W *x, const Prime<W> *primes, Cut cut, Limbs limbs, u32 limb,     \
            u32 first, u32 columns, u32 inputs, u32 log_n),                                        \
           (cut_rows<W>(out, x, primes, cut, limbs, limb, first, columns, inputs, log_n)))         \
    KERNEL(double_gemm_##suffix, 128,                                                              \
           (W * out, const Doubles *w, const Doubles *x, const W *weights, const Prime<W> *primes, \
            Limbs limbs, u32 w_limbs, u32 x_limbs, u32 outputs, u32 inputs, u32 columns,           \
            u32 first, u32 limb, u32 log_n),                                                       \
           (double_gemm<W>(out, weights, primes, limbs,                                            \
                           {w, x, w_limbs, x_limbs, outputs, inputs, columns, first, limb,         \
                            log_n})))

BOTH_WORDS(DOUBLE_GEMM)
