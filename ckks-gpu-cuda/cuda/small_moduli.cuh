// Integers as bytes modulo small coprime numbers, and back: products of bytes are exact, and the Chinese
// remainder theorem puts their sums together modulo q [Ozaki-Uchino-Imamura 2025, with integers for their
// floats].
//
// With m_0 .. m_(s-1) <= 256 pairwise coprime and M their product above twice the largest sum of
// |w| q / 2: the sum v is determined by v mod m_t. With y_t = v (M / m_t)^-1 mod m_t,
//
//     v = sum_t y_t M / m_t - k M,    k = nearest integer to sum_t y_t / m_t.
#pragma once
#include "operands.cuh"

constexpr u32 DEPTH = 32;     // inputs of a tile
constexpr u32 WIDTH = 8;      // rows of a tile whose lanes hold two words
constexpr u32 FRACTION = 24;  // bits of a fraction

// One of the small moduli; written by src/gemm/moduli.rs.
struct Small {
    u64 wide;        // floor((2^64 - 1) / m)
    u32 modulus;     // m
    u32 reciprocal;  // floor(2^32 / m)
    u32 inverse;     // (M / m)^-1 mod m
    u32 fraction;    // floor(2^FRACTION / m)
};

DEVICE u32 reduce_small(u32 x, const Small &s) {
    return subtract_once<u32>(x - mul_high(x, s.reciprocal) * s.modulus, s.modulus);
}

// The quotient may fall short by two: what is left fits a word.
DEVICE u32 reduce_small(u64 x, const Small &s) {
    return reduce_small(u32(x - mul_high(x, s.wide) * s.modulus), s);
}

// The representative in [-128, 127] of a number of this size and sign, as a byte.
template <class W> DEVICE u32 signed_byte(W size, bool negative, const Small &s) {
    u32 residue = reduce_small(size, s);
    residue = negative && residue != 0 ? s.modulus - residue : residue;
    return (residue > 127 ? residue - s.modulus : residue) & 255;
}

// The words of one lane, moved at once: four bytes each.
template <u32 COUNT> struct alignas(4 * COUNT) Words {
    u32 words[COUNT];
};

// Integers to bytes `[modulus][Layout]`, zero beyond the rows and the inputs. A thread makes the words of
// one lane of one tile; the layout says which integers they hold and where they lie.
template <class Layout, class Source>
DEVICE void split(Words<Layout::COUNT> *out, const Source &source, const Small *small, u32 count) {
    constexpr u32 BYTES = 4 * Layout::COUNT;
    u32 depth = (source.inputs + DEPTH - 1) / DEPTH;
    u32 height = (source.rows + Layout::HEIGHT - 1) / Layout::HEIGHT;
    for (u32 i = thread_in_grid(); i < height * depth * 32; i += threads_in_grid()) {
        u32 lane = i % 32, k = i / 32 % depth, tile = i / 32 / depth;
        typename Source::Size sizes[BYTES];
        u32 negative = 0;
#pragma unroll
        for (u32 e = 0; e < BYTES; e++) {
            u32 row = tile * Layout::HEIGHT + Layout::row(lane, e);
            u32 input = k * DEPTH + Layout::input(lane, e);
            bool there = row < source.rows && input < source.inputs;
            sizes[e] = 0;
            negative |= u32(there && source.get(sizes[e], row, input)) << e;
        }
        u64 at = Layout::offset(tile, k, depth, lane);
#pragma unroll 1
        for (u32 t = 0; t < count; t++) {
            Small s = small[t];
            Words<Layout::COUNT> made = {};
#pragma unroll
            for (u32 e = 0; e < BYTES; e++)
                made.words[e / 4] |= signed_byte(sizes[e], negative >> e & 1, s) << (8 * (e % 4));
            out[u64(t) * height * depth * 32 + at] = made;
        }
    }
}

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

// Subtracts k M.
template <class W> DEVICE W joined(const Gathered<W> &g, W whole, const Prime<W> &p) {
    W k = (g.fraction + (1u << (FRACTION - 1))) >> FRACTION;
    return sub_mod<W>(g.residue, mul_mod<W>(k, whole, p), p.q);
}
