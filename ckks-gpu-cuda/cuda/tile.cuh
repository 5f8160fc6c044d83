// Tiles of a transform: the part of one polynomial that one block of threads works on.
#pragma once
#include "arith.cuh"

// 2^log_tile neighbouring residues. A tile that is a whole polynomial can fold.
struct RowTile {
    u32 log_n;
    u32 log_tile;
    u32 tile;

    DEVICE u32 index(u32 u) const { return (tile << log_tile) + u; }

    // Where the partner N - index of a fold lies in the tile.
    DEVICE u32 partner(u32 u) const { return (1u << log_tile) - u; }
};

// Columns of the polynomial as a matrix of 2^log_height rows, the residues of a row of the tile next to
// each other. With `mirrored`, the second half of the columns are the mirror images of the first, so that
// index k and its partner N - k of a fold are in one tile. Column 0 and the middle one are their own
// mirror images and take each other's place.
struct ColumnTile {
    u32 log_n;
    u32 log_tile;
    u32 log_height;
    u32 tile;
    bool mirrored;

    DEVICE u32 log_width() const { return log_tile - log_height; }
    DEVICE u32 stride() const { return 1u << (log_n - log_height); }

    DEVICE u32 column(u32 c) const {
        if (!mirrored)
            return (tile << log_width()) + c;
        u32 half = 1u << (log_width() - 1), j = (tile << (log_width() - 1)) + (c & (half - 1));
        if (c < half)
            return j;
        return j == 0 ? stride() / 2 : stride() - j;
    }

    DEVICE u32 index(u32 u) const {
        u32 c = u & ((1u << log_width()) - 1), k = u >> log_width();
        return k * stride() + column(c);
    }

    DEVICE u32 partner(u32 u) const {
        u32 c = u & ((1u << log_width()) - 1), k = u >> log_width(), height = 1u << log_height;
        u32 here = column(c);
        if (here == 0)
            return (height - k) << log_width() | c;
        u32 there = here == stride() / 2 ? c : c ^ (1u << (log_width() - 1));
        return (height - 1 - k) << log_width() | there;
    }
};

// Shared memory of a tile, spread so that neither neighbours nor residues 2^R apart fall into one bank.
template <class W> struct SharedTile {
    Shared<W> words;

    DEVICE static u32 spread(u32 u) { return u + (u >> (sizeof(W) == 4 ? 5 : 4)); }
    DEVICE W get(u32 u) const { return words.get(spread(u)); }
    DEVICE void set(u32 u, W value) const { words.set(spread(u), value); }
};
