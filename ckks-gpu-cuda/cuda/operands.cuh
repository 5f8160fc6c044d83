// What products of matrices are made of: integers, each as its size and whether it is negative.
#pragma once
#include "arith.cuh"
#include "columns.cuh"

// Entries of a matrix as they came.
struct Entries {
    typedef u64 Size;
    const i64 *entries;
    u32 rows;
    u32 inputs;

    DEVICE bool get(u64 &size, u32 row, u32 input) const {
        i64 entry = entries[u64(row) * inputs + input];
        size = entry < 0 ? 0 - u64(entry) : u64(entry);
        return entry < 0;
    }
};

// Centred residues, each column of which is a row. In stored form: products are linear in them.
template <class W> struct Residues {
    typedef W Size;
    const W *x;
    Columns columns;
    u32 rows;
    u32 inputs;
    W q;

    DEVICE bool get(W &size, u32 row, u32 input) const {
        W residue = x[columns.offset(input, row)];
        bool above = residue > q / 2;
        size = above ? q - residue : residue;
        return above;
    }
};

template <class W>
DEVICE Residues<W> residues_of(const W *x, const Prime<W> *primes, const Columns &columns, u32 inputs) {
    return {x, columns, columns.count, inputs, primes[columns.prime()].q};
}
