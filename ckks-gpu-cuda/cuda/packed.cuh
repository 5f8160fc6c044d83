// Residues packed as bit strings, shortest first: `ckks_math::backend::packed`.
#pragma once
#include "platform.cuh"

// Where the limbs of packed rows lie: limb l begins at byte `starts[l]` of a row of `row_bytes`, its
// residues take `bits[l]` bits. Two words may be read behind the last byte.
struct Packed {
    const u32 *words;
    const u64 *starts;
    const u32 *bits;
    u64 row_bytes;
};

// Residues of one limb of a packed row.
struct PackedLine {
    const u32 *words;
    u64 start;
    u32 width;

    DEVICE PackedLine(const Packed &p, u32 row, u32 limb)
        : words(p.words), start(8 * (row * p.row_bytes + p.starts[limb])), width(p.bits[limb]) {}

    DEVICE u64 get(u32 i) const {
        u64 bit = start + u64(i) * width;
        const u32 *at = words + bit / 32;
        u32 shift = bit % 32;
        u64 low = (u64(at[1]) << 32 | at[0]) >> shift;
        u64 high = shift == 0 ? 0 : u64(at[2]) << (64 - shift);
        return (low | high) & ((u64(1) << width) - 1);
    }
};
