// Products of tiles by the tensor cores of a warp, which operands lie in memory for: the words of a lane
// together.
#pragma once
#include "arith.cuh"
#include "columns.cuh"

constexpr u32 ACROSS = 8;  // columns of a tile
constexpr u32 WARPS = 2;   // of a block, on each axis

// An operand in tiles `[part][tile][tile of inputs][lane]`. Tiles behind the last of a part are the last.
template <class Lane> struct Tiles {
    const Lane *lanes;
    u32 count;  // of a part
    u32 depth;  // tiles of inputs

    DEVICE Lane get(u32 part, u32 tile, u32 k) const {
        u64 row = u64(part) * count + least(tile, count - 1);
        return lanes[(row * depth + k) * 32 + thread_in_block() % 32];
    }
};

// The first of the tiles that the running warp sums, when each has so many: grid (columns, outputs).
template <u32 ROWS, u32 COLUMNS> struct First {
    u32 row = (blockIdx.y * WARPS + thread_in_block() / 32 / WARPS) * ROWS;
    u32 column = (blockIdx.x * WARPS + thread_in_block() / 32 % WARPS) * COLUMNS;
};

// Adds the products of one part of each operand to the sums of a warp, WORDS of each tile in a lane.
template <u32 ROWS, u32 COLUMNS, u32 WORDS, class S, class A, class B>
DEVICE void add_products(S (&sums)[ROWS][COLUMNS][WORDS], First<ROWS, COLUMNS> first, const Tiles<A> &a,
                         u32 part_of_a, const Tiles<B> &b, u32 part_of_b) {
#pragma unroll 2
    for (u32 k = 0; k < a.depth; k++) {
        A rows[ROWS];
        B columns[COLUMNS];
#pragma unroll
        for (u32 i = 0; i < ROWS; i++)
            rows[i] = a.get(part_of_a, first.row + i, k);
#pragma unroll
        for (u32 j = 0; j < COLUMNS; j++)
            columns[j] = b.get(part_of_b, first.column + j, k);
#pragma unroll
        for (u32 i = 0; i < ROWS; i++)
#pragma unroll
            for (u32 j = 0; j < COLUMNS; j++)
                multiply_add(sums[i][j], rows[i], columns[j]);
    }
}

// Writes what `residue(i, j, e)` makes of word e of tile (i, j), where it is no padding: a tile has 4 WORDS
// rows, and words of a lane as `multiply_tiles` says.
template <u32 WORDS, u32 ROWS, u32 COLUMNS, class W, class Residue>
DEVICE void write_tiles(W *out, First<ROWS, COLUMNS> first, u32 outputs, const Columns &columns,
                        Residue residue) {
    u32 lane = thread_in_block() % 32;
#pragma unroll
    for (u32 i = 0; i < ROWS; i++)
#pragma unroll
        for (u32 j = 0; j < COLUMNS; j++)
#pragma unroll
            for (u32 e = 0; e < WORDS; e++) {
                u32 output = (first.row + i) * 4 * WORDS + lane / 4 + 8 * (e / 2);
                u32 at = (first.column + j) * ACROSS + lane % 4 * 2 + e % 2;
                if (output < outputs && at < columns.count)
                    out[columns.offset(output, at)] = residue(i, j, e);
            }
}
