// Number-theoretic transforms of both rings: grid (tiles * rows * parts, limbs), one tile a block.
//
// Twiddle factors are those of [Longa-Naehrig 2016] in the order of the levels: `RingSpec` says which
// position holds which evaluation. A polynomial of at most one tile is transformed in one pass (`whole`).
// A longer one takes two: the first levels on columns, the last ones on rows. Residues stay in registers
// for four levels at a time and pass through shared memory between. The conjugate-invariant ring folds
// b_k = a_k + psi^-N a_(N-k) when a tile is read, and unfolds a_k = (b_k - psi^-N b_(N-k)) / 2 when it is
// written. Between the passes residues are lazy. The twiddle factors of a subring are the first of the
// ring's.
#include "basis.cuh"
#include "butterfly.cuh"
#include "tile.cuh"

// Limbs of decomposed digits that are not transformed since they are copied evaluations: with
// `digit_size` > 0, those of digit `row / rows`.
struct Skip {
    u32 rows;
    u32 digit_size;

    DEVICE bool omits(u32 row, u32 limb, const Limbs &limbs) const {
        return digit_size > 0 && limb < limbs.q_len && row / rows == limb / digit_size;
    }
};

// What a forward transform writes in place of y: (minuend - y) factor.
template <class W> struct Division {
    const W *minuend;            // null: y itself
    const Constant<W> *factors;  // one a limb
    Limbs limbs;                 // of the minuend
};

template <class W> struct Transform {
    W *x;
    const Prime<W> *primes;
    const Constant<W> *twiddles;
    Limbs limbs;
    u32 log_n;
    u32 log_parts;  // of a row of N: polynomials of a subring, of 2^log_n coefficients, side by side
    u32 log_tile;
    u32 log_height;  // levels on columns
    u32 rows;
    u32 fold;
    Skip skip;
    Division<W> division;
};

// One block's share: a tile of one limb of one row, or of one part of it.
template <class W> struct Work {
    W *line;
    Prime<W> p;
    u32 index;
    u32 row;
    u32 tile;
    bool omitted;

    DEVICE Work(const Transform<W> &t)
        : index(t.limbs.prime(blockIdx.y)), row((blockIdx.x >> t.log_parts) % t.rows),
          tile((blockIdx.x >> t.log_parts) / t.rows) {
        u32 part = blockIdx.x & ((1u << t.log_parts) - 1);
        p = t.primes[index];
        line = t.x + t.limbs.offset(row, index, t.log_n + t.log_parts) + (part << t.log_n);
        omitted = t.skip.omits(row, blockIdx.y, t.limbs);
    }

    DEVICE Level<W> level(const Transform<W> &t, u32 base, u32 log_span) const {
        return {t.twiddles + (u64(index) << (t.log_n + t.log_parts)), base, log_span};
    }

    DEVICE Constant<W> fold() const { return {p.fold, p.fold_quotient}; }
    DEVICE Constant<W> scale() const { return {p.scale, p.scale_quotient}; }
};

// Reads the residues of a thread, folded if asked.
template <class W, u32 R, class Tile>
DEVICE void read(W (&x)[1 << R], const Place<R> &at, const Tile &tile, const Work<W> &work,
                 bool fold, u32 log_n) {
#pragma unroll
    for (u32 e = 0; e < 1u << R; e++) {
        u32 index = tile.index(at.at(e));
        x[e] = work.line[index];
        if (fold && index != 0) {
            W partner = work.line[(1u << log_n) - index];
            x[e] = add_mod<W>(x[e], mul_constant<W>(partner, work.fold(), work.p.q), work.p.q);
        }
    }
}

// Moves residues from one place of the tile to another. Every thread writes words that it was the last
// to read.
template <class W, u32 R>
DEVICE void exchange(W (&x)[1 << R], const SharedTile<W> &shared, const Place<R> &from,
                     const Place<R> &to) {
#pragma unroll
    for (u32 e = 0; e < 1u << R; e++)
        shared.set(from.at(e), x[e]);
    barrier();
#pragma unroll
    for (u32 e = 0; e < 1u << R; e++)
        x[e] = shared.get(to.at(e));
}

// Levels on bits `low` to `high - 1` of the tile, highest first; returns where the residues then lie.
template <class F, u32 R>
DEVICE Place<R> forward_levels(typename F::W (&x)[1 << R], const SharedTile<typename F::W> &shared,
                               u32 high, u32 low, const Level<typename F::W> &level,
                               typename F::W q) {
    Place<R> at(high - least(R, high - low), thread_in_block());
    for (;;) {
        u32 count = high - at.place;
        round<F, true, R>(x, at, 0, count, level, q);
        high = at.place;
        if (high == low)
            return at;
        Place<R> next(high - least(R, high - low), thread_in_block());
        exchange<typename F::W, R>(x, shared, at, next);
        at = next;
    }
}

// Levels on bits `low` to `high - 1` of the tile, lowest first, from residues at place `low`.
template <class F, u32 R>
DEVICE Place<R> inverse_levels(typename F::W (&x)[1 << R], const SharedTile<typename F::W> &shared,
                               u32 low, u32 high, u32 log_tile,
                               const Level<typename F::W> &level, typename F::W q) {
    Place<R> at(least(low, log_tile - R), thread_in_block());
    for (u32 bit = low;;) {
        u32 count = least(R, high - bit), from = bit - at.place;
        round<F, false, R>(x, at, from, from + count, level, q);
        bit += count;
        if (bit == high)
            return at;
        Place<R> next(least(bit, log_tile - R), thread_in_block());
        exchange<typename F::W, R>(x, shared, at, next);
        at = next;
    }
}

// The first levels, on columns; residues are left lazy.
template <class F, u32 R> DEVICE void forward_columns(const Transform<typename F::W> &t) {
    typedef typename F::W W;
    Work<W> work(t);
    if (work.omitted)
        return;
    ColumnTile tile{t.log_n, t.log_tile, t.log_height, work.tile, t.fold != 0};
    SharedTile<W> shared{shared_words<W>()};
    W x[1 << R];
    u32 low = tile.log_width();
    Place<R> at(t.log_tile - least(R, t.log_height), thread_in_block());
    read<W, R>(x, at, tile, work, t.fold, t.log_n);
    at = forward_levels<F, R>(x, shared, t.log_tile, low, work.level(t, 0, t.log_tile), work.p.q);
#pragma unroll
    for (u32 e = 0; e < 1u << R; e++)
        work.line[tile.index(at.at(e))] = x[e];
}

// The last levels, or all of a polynomial of one tile; residues are written in order.
template <class F, u32 R, bool WHOLE> DEVICE void forward_rows(const Transform<typename F::W> &t) {
    typedef typename F::W W;
    Work<W> work(t);
    if (work.omitted)
        return;
    RowTile tile{t.log_n, t.log_tile, work.tile};
    SharedTile<W> shared{shared_words<W>()};
    W x[1 << R];
    u32 high = WHOLE ? t.log_n : t.log_n - t.log_height;
    Place<R> at(high - least(R, high), thread_in_block());
    read<W, R>(x, at, tile, work, WHOLE && t.fold, t.log_n);
    at = forward_levels<F, R>(x, shared, high, 0, work.level(t, tile.index(0), t.log_n), work.p.q);
#pragma unroll
    for (u32 e = 0; e < 1u << R; e++)
        shared.set(at.at(e), F::canonical(x[e], work.p.q));
    barrier();
    const W *minuend = t.division.minuend;
    Constant<W> factor = {};
    if (minuend) {
        minuend += t.division.limbs.offset(work.row, work.index, t.log_n);
        factor = t.division.factors[blockIdx.y];
    }
#pragma unroll
    for (u32 e = 0; e < 1u << R; e++) {
        u32 u = e * blockDim.x + thread_in_block();
        W y = shared.get(u);
        if (minuend)
            y = mul_constant<W>(minuend[tile.index(u)] + work.p.q - y, factor, work.p.q);
        work.line[tile.index(u)] = y;
    }
}

// Reads a tile of neighbours in order and hands each thread its residues at `at`.
template <class W, u32 R>
DEVICE void read_in_order(W (&x)[1 << R], const SharedTile<W> &shared, const RowTile &tile,
                          const Work<W> &work, const Place<R> &at) {
#pragma unroll
    for (u32 e = 0; e < 1u << R; e++) {
        u32 u = e * blockDim.x + thread_in_block();
        shared.set(u, work.line[tile.index(u)]);
    }
    barrier();
#pragma unroll
    for (u32 e = 0; e < 1u << R; e++)
        x[e] = shared.get(at.at(e));
}

// Writes residues that all levels are done with: scaled, and unfolded if asked.
template <class W, u32 R, class Tile>
DEVICE void write_coefficients(W (&x)[1 << R], const SharedTile<W> &shared, const Tile &tile,
                               const Work<W> &work, const Place<R> &at, bool fold) {
    W q = work.p.q;
#pragma unroll
    for (u32 e = 0; e < 1u << R; e++)
        x[e] = mul_constant<W>(x[e], work.scale(), q);
    if (fold) {
#pragma unroll
        for (u32 e = 0; e < 1u << R; e++)
            shared.set(at.at(e), x[e]);
        barrier();
#pragma unroll
        for (u32 e = 0; e < 1u << R; e++) {
            u32 u = at.at(e);
            if (tile.index(u) == 0) {
                x[e] = add_mod<W>(x[e], x[e], q);
            } else {
                W partner = mul_constant<W>(shared.get(tile.partner(u)), work.fold(), q);
                x[e] = sub_mod<W>(x[e], partner, q);
            }
        }
    }
#pragma unroll
    for (u32 e = 0; e < 1u << R; e++)
        work.line[tile.index(at.at(e))] = x[e];
}

// The last levels, undone first; with WHOLE, all of a polynomial of one tile.
template <class F, u32 R, bool WHOLE> DEVICE void inverse_rows(const Transform<typename F::W> &t) {
    typedef typename F::W W;
    Work<W> work(t);
    RowTile tile{t.log_n, t.log_tile, work.tile};
    SharedTile<W> shared{shared_words<W>()};
    W x[1 << R];
    u32 high = WHOLE ? t.log_n : t.log_n - t.log_height;
    Place<R> at(0, thread_in_block());
    read_in_order<W, R>(x, shared, tile, work, at);
    at = inverse_levels<F, R>(x, shared, 0, high, t.log_tile,
                              work.level(t, tile.index(0), t.log_n), work.p.q);
    if (WHOLE) {
        write_coefficients<W, R>(x, shared, tile, work, at, t.fold);
    } else {
#pragma unroll
        for (u32 e = 0; e < 1u << R; e++)
            work.line[tile.index(at.at(e))] = x[e];
    }
}

// The first levels, undone last, on columns.
template <class F, u32 R> DEVICE void inverse_columns(const Transform<typename F::W> &t) {
    typedef typename F::W W;
    Work<W> work(t);
    ColumnTile tile{t.log_n, t.log_tile, t.log_height, work.tile, t.fold != 0};
    SharedTile<W> shared{shared_words<W>()};
    W x[1 << R];
    u32 low = tile.log_width();
    Place<R> at(least(low, t.log_tile - R), thread_in_block());
    read<W, R>(x, at, tile, work, false, t.log_n);
    at = inverse_levels<F, R>(x, shared, low, t.log_tile, t.log_tile,
                              work.level(t, 0, t.log_tile), work.p.q);
    write_coefficients<W, R>(x, shared, tile, work, at, t.fold);
}

#define TRANSFORM(name, W, call)                                                                   \
    KERNEL(name, 256,                                                                              \
           (W * x, const Prime<W> *primes, const Constant<W> *twiddles, Limbs limbs, u32 log_n,    \
            u32 log_parts, u32 log_tile, u32 log_height, u32 rows, u32 fold, Skip skip,            \
            const W *minuend, const Constant<W> *factors, Limbs minuend_limbs),                    \
           (call({x, primes, twiddles, limbs, log_n, log_parts, log_tile, log_height, rows, fold,  \
                  skip, {minuend, factors, minuend_limbs}})))

// `short`: two residues a thread, for N below 16.
#define TRANSFORMS(W, suffix, ...)                                                                 \
    TRANSFORM(ntt_columns_##suffix, W, (forward_columns<__VA_ARGS__, 4>))                          \
    TRANSFORM(ntt_rows_##suffix, W, (forward_rows<__VA_ARGS__, 4, false>))                         \
    TRANSFORM(ntt_whole_##suffix, W, (forward_rows<__VA_ARGS__, 4, true>))                         \
    TRANSFORM(ntt_short_##suffix, W, (forward_rows<__VA_ARGS__, 1, true>))                         \
    TRANSFORM(intt_rows_##suffix, W, (inverse_rows<__VA_ARGS__, 4, false>))                        \
    TRANSFORM(intt_columns_##suffix, W, (inverse_columns<__VA_ARGS__, 4>))                         \
    TRANSFORM(intt_whole_##suffix, W, (inverse_rows<__VA_ARGS__, 4, true>))                        \
    TRANSFORM(intt_short_##suffix, W, (inverse_rows<__VA_ARGS__, 1, true>))

// The suffix is the length of the longest primes.
TRANSFORMS(u32, 30, Lazy<u32>)
TRANSFORMS(u32, 31, Tight)
TRANSFORMS(u64, 61, Lazy<u64>)
