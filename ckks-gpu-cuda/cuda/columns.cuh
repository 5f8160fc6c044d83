// What one product of a matrix works on: some columns of one limb of a block.
#pragma once
#include "basis.cuh"

// Written by src/launch.rs.
struct Columns {
    Limbs limbs;
    u32 limb;
    u32 first;  // of the columns, in the limb
    u32 count;
    u32 log_n;

    DEVICE u32 prime() const { return limbs.prime(limb); }

    // Offset of a residue in a block, for a column from `first` on.
    DEVICE u64 offset(u32 row, u32 column) const {
        return ((u64(row) * limbs.count() + limb) << log_n) + first + column;
    }
};
