// Butterflies of lazy transforms [Harvey 2014] for three lengths of primes, and rounds of them on the
// 2^R residues that a thread holds.
#pragma once
#include "arith.cuh"

// Primes with 4q <= B: 32-bit words below 2^30 and all 64-bit ones.
template <class W_> struct Lazy {
    typedef W_ W;

    // (a + w b, a - w b), all in [0, 4q).
    DEVICE static void forward(W &a, W &b, Constant<W> w, W q) {
        W x = subtract_once<W>(a, 2 * q), y = mul_constant_lazy<W>(b, w, q);
        a = x + y;
        b = x - y + 2 * q;
    }

    // (a + b, (a - b) w), all in [0, 2q).
    DEVICE static void inverse(W &a, W &b, Constant<W> w, W q) {
        W sum = a + b, difference = a - b + 2 * q;
        a = subtract_once<W>(sum, 2 * q);
        b = mul_constant_lazy<W>(difference, w, q);
    }

    // The residue of what `forward` leaves.
    DEVICE static W canonical(W x, W q) {
        return subtract_once<W>(subtract_once<W>(x, 2 * q), q);
    }
};

// 32-bit words below 2^31: 4q would overflow.
struct Tight {
    typedef u32 W;

    // All in [0, 2q).
    DEVICE static void forward(u32 &a, u32 &b, Constant<u32> w, u32 q) {
        u32 x = subtract_once<u32>(a, q), y = mul_constant<u32>(b, w, q);
        a = x + y;
        b = x - y + q;
    }

    // All in [0, q).
    DEVICE static void inverse(u32 &a, u32 &b, Constant<u32> w, u32 q) {
        u32 sum = a + b, difference = a - b + q;
        a = subtract_once<u32>(sum, q);
        b = mul_constant<u32>(difference, w, q);
    }

    DEVICE static u32 canonical(u32 x, u32 q) { return subtract_once<u32>(x, q); }
};

// Where the residues of a thread lie in its tile: residue e at `first + (e << place)`.
template <u32 R> struct Place {
    u32 place;
    u32 first;

    DEVICE Place(u32 place, u32 thread)
        : place(place), first((thread >> place << (place + R)) | (thread & ((1u << place) - 1))) {}

    DEVICE u32 at(u32 e) const { return first + (e << place); }
};

// Position of a tile's residues among those that share the twiddle table: residue u of the tile has index
// `base + u` of 2^log_span, and a butterfly on bit b of it belongs to group `index >> (b + 1)` of level
// `2^(log_span - 1 - b)`.
template <class W> struct Level {
    const Constant<W> *twiddles;
    u32 base;
    u32 log_span;

    // The first twiddle factor of the groups of residues from `first` on.
    DEVICE const Constant<W> *of(u32 bit, u32 first) const {
        return twiddles + (1u << (log_span - 1 - bit)) + ((base + first) >> (bit + 1));
    }
};

// Butterflies on bit `place + r`. A template in r: indices of `x` must be constants, or it would lie in
// memory.
template <class F, bool FORWARD, u32 R, u32 r>
DEVICE void butterflies(typename F::W (&x)[1 << R], const Place<R> &at,
                        const Level<typename F::W> &level, typename F::W q) {
    const Constant<typename F::W> *twiddles = level.of(at.place + r, at.first);
#pragma unroll
    for (u32 pair = 0; pair < 1u << (R - 1); pair++) {
        u32 group = pair >> r, e = group << (r + 1) | (pair & ((1u << r) - 1));
        if (FORWARD)
            F::forward(x[e], x[e | 1u << r], twiddles[group], q);
        else
            F::inverse(x[e], x[e | 1u << r], twiddles[group], q);
    }
}

// Butterflies on bits `place + from` to `place + to - 1`: forward highest first, inverse lowest first.
template <class F, bool FORWARD, u32 R, u32 step = 0>
DEVICE void round(typename F::W (&x)[1 << R], const Place<R> &at, u32 from, u32 to,
                  const Level<typename F::W> &level, typename F::W q) {
    if constexpr (step < R) {
        constexpr u32 r = FORWARD ? R - 1 - step : step;
        if (from <= r && r < to)
            butterflies<F, FORWARD, R, r>(x, at, level, q);
        round<F, FORWARD, R, step + 1>(x, at, from, to, level, q);
    }
}
