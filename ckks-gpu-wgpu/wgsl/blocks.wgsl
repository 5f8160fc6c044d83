// What a launch works on, and where residues lie. Bindings are the same in all kernels; the host binds
// those that a kernel reads.
//
// A kernel runs over elements [rows, limbs, N] of one run of rows: rows of a block that lie in one
// buffer, as do the rows of each other operand that meet them (see src/block.rs).

// One operand: the primes of its rows, and which of them meets row r of the run.
struct Operand {
    // A basis q[lo..lo+q_len] p[0..special] of a ring with q_total moduli q: lo, q_len, special, q_total.
    limbs: vec4<u32>,
    // first, period, base, start: row first + (start + r) mod period of the block; the buffer begins at
    // row base.
    rows: vec4<u32>,
}

struct Args {
    each: vec4<u32>,               // the basis over which elements are counted
    operands: array<Operand, 5>,   // out, then x0 to x3
    log_n: u32,
    total: u32,                    // elements, threads or tiles of the launch
    flags: u32,
    spare: u32,
    extra: array<vec4<u32>, 4>,
    words: array<u32>,             // the launch's constants
}

// In storage, not a uniform: Mesa's software driver compiles a kernel anew for each value of a uniform
// that a branch depends on.
@group(0) @binding(0) var<storage, read> args: Args;
@group(0) @binding(1) var<storage, read> primes: array<Prime>;
@group(0) @binding(2) var<storage, read_write> out: array<u32>;
@group(0) @binding(3) var<storage, read> x0: array<u32>;
@group(0) @binding(4) var<storage, read> x1: array<u32>;
@group(0) @binding(5) var<storage, read> x2: array<u32>;
@group(0) @binding(6) var<storage, read> x3: array<u32>;

fn limb_count(limbs: vec4<u32>) -> u32 {
    return limbs.y + limbs.z;
}

// Primes are counted q first.
fn prime_of(limbs: vec4<u32>, limb: u32) -> u32 {
    return select(limbs.w + limb - limbs.y, limbs.x + limb, limb < limbs.y);
}

fn contains(limbs: vec4<u32>, prime: u32) -> bool {
    return select(prime - limbs.w < limbs.z, prime - limbs.x < limbs.y, prime < limbs.w);
}

// The limb of a prime that the basis contains.
fn position(limbs: vec4<u32>, prime: u32) -> u32 {
    return select(limbs.y + prime - limbs.w, prime - limbs.x, prime < limbs.w);
}

// The row of an operand, counted in its block, that meets row r of the run.
fn row_of(k: u32, r: u32) -> u32 {
    let rows = args.operands[k].rows;
    return rows.x + (rows.w + r) % rows.y;
}

// Where the residues of a prime begin in the bound buffer of an operand.
fn line(k: u32, r: u32, prime: u32) -> u32 {
    let limbs = args.operands[k].limbs;
    let row = row_of(k, r) - args.operands[k].rows.z;
    return (row * limb_count(limbs) + position(limbs, prime)) << args.log_n;
}

// One element of the run.
struct Element {
    row: u32,
    limb: u32,
    prime: u32,
    i: u32,
}

fn element(index: u32) -> Element {
    let each = limb_count(args.each);
    let counted = index >> args.log_n;
    let limb = counted % each;
    return Element(counted / each, limb, prime_of(args.each, limb), index & ((1u << args.log_n) - 1u));
}

// Launches of more workgroups than one axis admits go on along the second.
fn group_index(group: vec3<u32>, groups: vec3<u32>) -> u32 {
    return group.y * groups.x + group.x;
}

fn thread_index(group: vec3<u32>, groups: vec3<u32>, thread: u32) -> u32 {
    return group_index(group, groups) * THREADS + thread;
}
