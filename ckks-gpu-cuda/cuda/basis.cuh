// Which prime a limb of a block stands for, and where residues lie.
#pragma once
#include "platform.cuh"

// A basis q[lo..lo+q_len] p[0..special] of a ring with q_total moduli q. Primes are counted q first.
struct Limbs {
    u32 lo;
    u32 q_len;
    u32 special;
    u32 q_total;

    DEVICE u32 count() const { return q_len + special; }

    DEVICE u32 prime(u32 limb) const { return limb < q_len ? lo + limb : q_total + limb - q_len; }

    DEVICE bool contains(u32 prime) const {
        return prime < q_total ? prime - lo < q_len : prime - q_total < special;
    }

    // The limb of a prime that the basis contains.
    DEVICE u32 position(u32 prime) const {
        return prime < q_total ? prime - lo : q_len + prime - q_total;
    }

    // Offset of the residues of a prime in a row of a block over this basis.
    DEVICE u64 offset(u32 row, u32 prime, u32 log_n) const {
        return (u64(row) * count() + position(prime)) << log_n;
    }
};

// One of several blocks that a kernel reads.
struct Operand {
    u64 address;
    Limbs limbs;

    // The residues of a prime in a row.
    template <class W> DEVICE const W *line(u32 row, u32 prime, u32 log_n) const {
        return reinterpret_cast<const W *>(address) + limbs.offset(row, prime, log_n);
    }
};

// The gather of X -> X^galois in evaluation order: position j of the result is that position of the
// argument (`RingSpec::automorphism_gather`). `real`: the conjugate-invariant ring.
struct Turn {
    u32 galois;
    u32 real;

    DEVICE u32 source(u32 j, u32 log_n) const {
        u32 reversed = __brev(j) >> (32 - log_n);
        if (!real) {
            u32 mask = (2u << log_n) - 1;
            u32 exponent = ((2 * reversed + 1) * galois) & mask;
            return __brev((exponent - 1) / 2) >> (32 - log_n);
        }
        u32 order = 4u << log_n;
        u32 exponent = ((4 * reversed + 1) * galois) & (order - 1);
        exponent = exponent % 4 == 1 ? exponent : order - exponent;
        return __brev((exponent - 1) / 4) >> (32 - log_n);
    }
};
