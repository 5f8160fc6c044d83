// Number-theoretic transforms of both rings.
//
// Twiddle factors are those of [Longa-Naehrig 2016] in the order of the levels: `RingSpec` says which
// position holds which evaluation. Levels are done on tiles of 2^LOG_TILE residues in workgroup memory, two
// at a time. A polynomial of at most one tile is transformed by `rows` alone; of a longer one the first
// levels are done on columns, the last ones on rows. The conjugate-invariant ring folds
// b_k = a_k + psi^-N a_(N-k) before the levels and unfolds a_k = (b_k - psi^-N b_(N-k)) / 2 behind them.
// Packed polynomials of a subring lie side by side in a line; their twiddle factors are the first of the
// ring's.
//
// Operand 0 is `out`, in place; x0 are twiddle factors (w, quotient) from prime extra[1].z on.
// extra[0]: log2 of a polynomial, of a tile, of the height of columns, and of the polynomials in a line.
// extra[1]: levels end at this bit of a tile, last pass, first prime of x0, levels begin at this bit.

var<workgroup> tile: array<u32, TILE>;

// The workgroup's part of one line.
struct Work {
    base: u32,      // where the line begins
    q: u32,
    prime: u32,
    twiddles: u32,  // pairs before those of the prime
    tile: u32,      // of the line
}

fn work_of(index: u32) -> Work {
    let log_tiles = args.log_n - args.extra[0].y;
    let e = element((index >> log_tiles) << args.log_n);
    let twiddles = (e.prime - args.extra[1].z) << args.log_n;
    let in_line = index & ((1u << log_tiles) - 1u);
    return Work(line(0u, e.row, e.prime), primes[e.prime].q, e.prime, twiddles, in_line);
}

fn twiddle(work: Work, entry: u32) -> vec2<u32> {
    let at = 2u * (work.twiddles + entry);
    return vec2<u32>(x0[at], x0[at + 1u]);
}

// All in [0, 2q).
fn forward(a: u32, b: u32, w: vec2<u32>, q: u32) -> vec2<u32> {
    let x = subtract_once(a, q);
    let y = mul_constant(b, w, q);
    return vec2<u32>(x + y, x - y + q);
}

// All in [0, q).
fn inverse(a: u32, b: u32, w: vec2<u32>, q: u32) -> vec2<u32> {
    return vec2<u32>(subtract_once(a + b, q), mul_constant(a - b + q, w, q));
}

// The place of number `t` among those whose bits from `bit` on, `count` of them, are zero.
fn spread(t: u32, bit: u32, count: u32) -> u32 {
    return ((t >> bit) << (bit + count)) | (t & ((1u << bit) - 1u));
}

// The twiddle factor of level `bit` of a residue that has index `at` of 2^log_span.
fn entry(log_span: u32, bit: u32, at: u32) -> u32 {
    return (1u << (log_span - 1u - bit)) + (at >> (bit + 1u));
}

// Position of a tile's residues among those that share the levels: residue u has index (base + u) masked,
// of 2^log_span.
struct Span {
    base: u32,
    mask: u32,
    log_span: u32,
}

// Levels on bits low to high - 1 of the tile, highest first.
fn forward_levels(work: Work, span: Span, low: u32, high: u32, thread: u32) {
    var bit = high;
    let size = 1u << args.extra[0].y;
    if ((high - low) & 1u) != 0u {
        bit -= 1u;
        for (var t = thread; t < size / 2u; t += THREADS) {
            let u = spread(t, bit, 1u);
            let v = u | (1u << bit);
            let w = twiddle(work, entry(span.log_span, bit, (span.base + u) & span.mask));
            let pair = forward(tile[u], tile[v], w, work.q);
            tile[u] = pair.x;
            tile[v] = pair.y;
        }
        workgroupBarrier();
    }
    while bit > low {
        bit -= 2u;
        for (var t = thread; t < size / 4u; t += THREADS) {
            let u = spread(t, bit, 2u);
            let at = (span.base + u) & span.mask;
            let w = twiddle(work, entry(span.log_span, bit + 1u, at));
            let next = entry(span.log_span, bit, at);
            let one = 1u << bit;
            let even = forward(tile[u], tile[u + 2u * one], w, work.q);
            let odd = forward(tile[u + one], tile[u + 3u * one], w, work.q);
            let low_pair = forward(even.x, odd.x, twiddle(work, next), work.q);
            let high_pair = forward(even.y, odd.y, twiddle(work, next + 1u), work.q);
            tile[u] = low_pair.x;
            tile[u + one] = low_pair.y;
            tile[u + 2u * one] = high_pair.x;
            tile[u + 3u * one] = high_pair.y;
        }
        workgroupBarrier();
    }
}

// Levels on bits low to high - 1 of the tile, lowest first.
fn inverse_levels(work: Work, span: Span, low: u32, high: u32, thread: u32) {
    var bit = low;
    let size = 1u << args.extra[0].y;
    while bit + 1u < high {
        for (var t = thread; t < size / 4u; t += THREADS) {
            let u = spread(t, bit, 2u);
            let at = (span.base + u) & span.mask;
            let w = twiddle(work, entry(span.log_span, bit + 1u, at));
            let next = entry(span.log_span, bit, at);
            let one = 1u << bit;
            let low_pair = inverse(tile[u], tile[u + one], twiddle(work, next), work.q);
            let high_pair = inverse(tile[u + 2u * one], tile[u + 3u * one],
                                    twiddle(work, next + 1u), work.q);
            let even = inverse(low_pair.x, high_pair.x, w, work.q);
            let odd = inverse(low_pair.y, high_pair.y, w, work.q);
            tile[u] = even.x;
            tile[u + one] = odd.x;
            tile[u + 2u * one] = even.y;
            tile[u + 3u * one] = odd.y;
        }
        workgroupBarrier();
        bit += 2u;
    }
    if bit < high {
        for (var t = thread; t < size / 2u; t += THREADS) {
            let u = spread(t, bit, 1u);
            let v = u | (1u << bit);
            let w = twiddle(work, entry(span.log_span, bit, (span.base + u) & span.mask));
            let pair = inverse(tile[u], tile[v], w, work.q);
            tile[u] = pair.x;
            tile[v] = pair.y;
        }
        workgroupBarrier();
    }
}

// Where residue u of a tile of columns lies in its line: the polynomial is a matrix of 2^log_height rows.
fn column(work: Work, u: u32) -> u32 {
    let log_poly = args.extra[0].x;
    let log_tiles = log_poly - args.extra[0].y;
    let log_width = args.extra[0].y - args.extra[0].z;
    let poly = work.tile >> log_tiles;
    let in_poly = work.tile & ((1u << log_tiles) - 1u);
    let row = u >> log_width;
    let across = (in_poly << log_width) + (u & ((1u << log_width) - 1u));
    return (poly << log_poly) + (row << (log_poly - args.extra[0].z)) + across;
}

fn row_span(work: Work) -> Span {
    let log_poly = args.extra[0].x;
    return Span(work.tile << args.extra[0].y, (1u << log_poly) - 1u, log_poly);
}

fn column_span() -> Span {
    let log_tile = args.extra[0].y;
    return Span(0u, (1u << log_tile) - 1u, log_tile);
}

fn read_rows(work: Work, thread: u32) {
    let first = work.base + (work.tile << args.extra[0].y);
    for (var u = thread; u < (1u << args.extra[0].y); u += THREADS) {
        tile[u] = out[first + u];
    }
    workgroupBarrier();
}

fn read_columns(work: Work, thread: u32) {
    for (var u = thread; u < (1u << args.extra[0].y); u += THREADS) {
        tile[u] = out[work.base + column(work, u)];
    }
    workgroupBarrier();
}

// The last levels, or all; residues end below q.
@compute @workgroup_size(THREADS)
fn ntt_rows(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
            @builtin(local_invocation_index) thread: u32) {
    let index = group_index(group, groups);
    if index >= args.total {
        return;
    }
    let work = work_of(index);
    read_rows(work, thread);
    forward_levels(work, row_span(work), args.extra[1].w, args.extra[1].x, thread);
    let to = work.base + (work.tile << args.extra[0].y);
    for (var u = thread; u < (1u << args.extra[0].y); u += THREADS) {
        out[to + u] = subtract_once(tile[u], work.q);
    }
}

// The first levels, on columns; residues are left below 2q.
@compute @workgroup_size(THREADS)
fn ntt_columns(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
               @builtin(local_invocation_index) thread: u32) {
    let index = group_index(group, groups);
    if index >= args.total {
        return;
    }
    let work = work_of(index);
    read_columns(work, thread);
    forward_levels(work, column_span(), args.extra[1].w, args.extra[1].x, thread);
    for (var u = thread; u < (1u << args.extra[0].y); u += THREADS) {
        out[work.base + column(work, u)] = tile[u];
    }
}

// What ends an inverse transform: 1/N, or 1/2N where there is a fold.
fn scaled(work: Work, x: u32) -> u32 {
    if args.extra[1].y == 0u {
        return x;
    }
    let p = primes[work.prime];
    return mul_constant(x, vec2<u32>(p.scale, p.scale_quotient), p.q);
}

// The last levels, undone first.
@compute @workgroup_size(THREADS)
fn intt_rows(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
             @builtin(local_invocation_index) thread: u32) {
    let index = group_index(group, groups);
    if index >= args.total {
        return;
    }
    let work = work_of(index);
    read_rows(work, thread);
    inverse_levels(work, row_span(work), args.extra[1].w, args.extra[1].x, thread);
    let to = work.base + (work.tile << args.extra[0].y);
    for (var u = thread; u < (1u << args.extra[0].y); u += THREADS) {
        out[to + u] = scaled(work, tile[u]);
    }
}

// The first levels, undone last, on columns.
@compute @workgroup_size(THREADS)
fn intt_columns(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) thread: u32) {
    let index = group_index(group, groups);
    if index >= args.total {
        return;
    }
    let work = work_of(index);
    read_columns(work, thread);
    inverse_levels(work, column_span(), args.extra[1].w, args.extra[1].x, thread);
    for (var u = thread; u < (1u << args.extra[0].y); u += THREADS) {
        out[work.base + column(work, u)] = scaled(work, tile[u]);
    }
}

// Index k and its partner N - k of the polynomials of a line; 0 and the middle are their own, and one thread
// has both. `total` counts pairs.
struct Pair {
    p: Prime,
    first: u32,
    second: u32,
    alone: bool,
}

fn pair_of(index: u32) -> Pair {
    let log_poly = args.extra[0].x;
    let half = args.log_n - 1u;
    let e = element((index >> half) << args.log_n);
    let in_line = index & ((1u << half) - 1u);
    let k = in_line & ((1u << (log_poly - 1u)) - 1u);
    let base = line(0u, e.row, e.prime) + ((in_line >> (log_poly - 1u)) << log_poly);
    let partner = select((1u << log_poly) - k, 1u << (log_poly - 1u), k == 0u);
    return Pair(primes[e.prime], base + k, base + partner, k == 0u);
}

@compute @workgroup_size(THREADS)
fn fold(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) thread: u32) {
    let index = thread_index(group, groups, thread);
    if index >= args.total {
        return;
    }
    let pair = pair_of(index);
    let q = pair.p.q;
    let factor = vec2<u32>(pair.p.fold, pair.p.fold_quotient);
    let a = out[pair.first];
    let b = out[pair.second];
    // Coefficient 0 is its own image under X -> X^-1 and stays; the middle one meets itself.
    out[pair.first] = select(add_mod(a, mul_constant(b, factor, q), q), a, pair.alone);
    let image = select(a, b, pair.alone);
    out[pair.second] = add_mod(b, mul_constant(image, factor, q), q);
}

@compute @workgroup_size(THREADS)
fn unfold(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
          @builtin(local_invocation_index) thread: u32) {
    let index = thread_index(group, groups, thread);
    if index >= args.total {
        return;
    }
    let pair = pair_of(index);
    let q = pair.p.q;
    let factor = vec2<u32>(pair.p.fold, pair.p.fold_quotient);
    let a = out[pair.first];
    let b = out[pair.second];
    out[pair.first] = select(sub_mod(a, mul_constant(b, factor, q), q), add_mod(a, a, q), pair.alone);
    let image = select(a, b, pair.alone);
    out[pair.second] = sub_mod(b, mul_constant(image, factor, q), q);
}
