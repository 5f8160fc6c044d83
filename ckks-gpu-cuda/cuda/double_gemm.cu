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
#include "operands.cuh"
#include "warp_tiles.cuh"

constexpr u32 DOUBLE_SIDE = 8;  // outputs, columns or inputs of a tile
constexpr u32 DOUBLE_ROWS = 2;  // tiles of a warp
constexpr u32 DOUBLE_COLUMNS = 4;

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

// Integers to tiles `[limb][tile of rows][tile of inputs][lane]`: one lane of one tile a thread. The last limb
// is what is left.
template <class Source> DEVICE void cut_into(Doubles *out, const Source &source, Cut cut) {
    u32 depth = (source.inputs + DOUBLE_SIDE - 1) / DOUBLE_SIDE;
    u32 height = (source.rows + DOUBLE_SIDE - 1) / DOUBLE_SIDE;
    u64 stride = u64(height) * depth * 32;
    for (u32 i = thread_in_grid(); i < stride; i += threads_in_grid()) {
        u32 lane = i % 32, k = i / 32 % depth, row = i / 32 / depth * DOUBLE_SIDE + lane / 4;
        i64 values[2];
#pragma unroll
        for (u32 e = 0; e < 2; e++) {
            u32 input = k * DOUBLE_SIDE + lane % 4 + 4 * e;
            typename Source::Size size = 0;
            bool there = row < source.rows && input < source.inputs;
            bool negative = there && source.get(size, row, input);
            values[e] = i64(negative ? 0 - u64(size) : u64(size));
        }
        Doubles *to = out + i;
#pragma unroll 1
        for (u32 limb = 0; limb + 1 < cut.limbs; limb++) {
            *to = {{take_limb(values[0], cut.width), take_limb(values[1], cut.width)}};
            to += stride;
        }
        *to = {{double(values[0]), double(values[1])}};
    }
}

DEVICE void multiply_add(double (&sums)[2], const Doubles &a, const Doubles &b) {
#pragma unroll
    for (u32 e = 0; e < 2; e++)
        multiply_tiles(sums, a.values[e], b.values[e]);
}

struct DoubleGemm {
    const Doubles *w;
    const Doubles *x;
    u32 w_limbs;
    u32 x_limbs;
    u32 outputs;
    u32 inputs;
    Columns columns;
};

// value weight mod q, for a whole number.
template <class W> DEVICE W weigh(double value, W weight, const Prime<W> &p) {
    i64 whole = i64(value);
    W product = mul_mod<W>(store_form(whole < 0 ? 0 - u64(whole) : u64(whole), p), weight, p);
    return whole < 0 ? negate_mod<W>(product, p.q) : product;
}

// Columns `first` on of rows of one limb: grid (columns, outputs). `weights[prime][s] = 2^(c s) mod q`.
template <class W>
DEVICE void double_gemm(W *out, const W *weights, const Prime<W> *primes, const DoubleGemm &c) {
    First<DOUBLE_ROWS, DOUBLE_COLUMNS> first;
    u32 depth = (c.inputs + DOUBLE_SIDE - 1) / DOUBLE_SIDE;
    Tiles<Doubles> w = {c.w, (c.outputs + DOUBLE_SIDE - 1) / DOUBLE_SIDE, depth};
    Tiles<Doubles> x = {c.x, (c.columns.count + DOUBLE_SIDE - 1) / DOUBLE_SIDE, depth};
    u32 index = c.columns.prime(), count = c.w_limbs + c.x_limbs - 1;
    Prime<W> p = primes[index];
    W gathered[DOUBLE_ROWS][DOUBLE_COLUMNS][2] = {};
    for (u32 s = 0; s < count; s++) {
        double sums[DOUBLE_ROWS][DOUBLE_COLUMNS][2] = {};
        u32 most = least(s, c.w_limbs - 1);
        for (u32 of_w = s < c.x_limbs ? 0 : s - c.x_limbs + 1; of_w <= most; of_w++)
            add_products(sums, first, w, of_w, x, s - of_w);
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
    write_tiles<2>(out, first, c.outputs, c.columns,
                   [&](u32 i, u32 j, u32 e) { return gathered[i][j][e]; });
}

KERNEL(cut_matrix, 128,
       (Doubles * out, const i64 *entries, Cut cut, u32 outputs, u32 inputs),
       (cut_into(out, Entries{entries, outputs, inputs}, cut)))

#define DOUBLE_GEMM(W, suffix)                                                                     \
    KERNEL(cut_rows_##suffix, 128,                                                                 \
           (Doubles * out, const W *x, const Prime<W> *primes, Cut cut, Columns columns,           \
            u32 inputs),                                                                           \
           (cut_into(out, residues_of<W>(x, primes, columns, inputs), cut)))                       \
    KERNEL(double_gemm_##suffix, 128,                                                              \
           (W * out, const Doubles *w, const Doubles *x, const W *weights, const Prime<W> *primes, \
            u32 w_limbs, u32 x_limbs, u32 outputs, u32 inputs, Columns columns),                   \
           (double_gemm<W>(out, weights, primes,                                                   \
                           {w, x, w_limbs, x_limbs, outputs, inputs, columns})))

BOTH_WORDS(DOUBLE_GEMM)
