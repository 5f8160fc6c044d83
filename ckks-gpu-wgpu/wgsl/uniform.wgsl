// Uniform residues from seeds, as `ckks_math::sampling::uniform` defines them to the byte.
//
// Coefficient i is word i of 64 bits of a ChaCha20 key stream modulo q, and where that word is beyond the last
// multiple of q, word t 2^32 + i for the smallest t where it is not. A thread makes the eight coefficients of
// one block, and a block of its own for each of the few words refused. `words`: the key, then for each limb the
// largest word that is accepted, low half first.

fn rotate_left(x: u32, by: u32) -> u32 {
    return (x << by) | (x >> (32u - by));
}

fn quarter(x: ptr<function, array<u32, 16>>, a: u32, b: u32, c: u32, d: u32) {
    (*x)[a] += (*x)[b];
    (*x)[d] = rotate_left((*x)[d] ^ (*x)[a], 16u);
    (*x)[c] += (*x)[d];
    (*x)[b] = rotate_left((*x)[b] ^ (*x)[c], 12u);
    (*x)[a] += (*x)[b];
    (*x)[d] = rotate_left((*x)[d] ^ (*x)[a], 8u);
    (*x)[c] += (*x)[d];
    (*x)[b] = rotate_left((*x)[b] ^ (*x)[c], 7u);
}

// Block `counter` of the key stream of a nonce below 2^32 [Bernstein 2008].
fn key_stream(nonce: u32, counter: vec2<u32>) -> array<u32, 16> {
    var start = array<u32, 16>();
    start[0] = 0x61707865u;
    start[1] = 0x3320646eu;
    start[2] = 0x79622d32u;
    start[3] = 0x6b206574u;
    for (var i = 0u; i < 8u; i++) {
        start[4u + i] = args.words[i];
    }
    start[12] = counter.x;
    start[13] = counter.y;
    start[14] = nonce;
    var x = start;
    for (var i = 0u; i < 10u; i++) {
        quarter(&x, 0u, 4u, 8u, 12u);
        quarter(&x, 1u, 5u, 9u, 13u);
        quarter(&x, 2u, 6u, 10u, 14u);
        quarter(&x, 3u, 7u, 11u, 15u);
        quarter(&x, 0u, 5u, 10u, 15u);
        quarter(&x, 1u, 6u, 11u, 12u);
        quarter(&x, 2u, 7u, 8u, 13u);
        quarter(&x, 3u, 4u, 9u, 14u);
    }
    for (var i = 0u; i < 16u; i++) {
        x[i] += start[i];
    }
    return x;
}

fn refused(word: vec2<u32>, last: vec2<u32>) -> bool {
    return word.y > last.y || (word.y == last.y && word.x > last.x);
}

// The first word accepted of those of coefficient i, t from 1 on: it lies in block (t 2^32 + i) / 8.
fn drawn_again(nonce: u32, i: u32, last: vec2<u32>) -> vec2<u32> {
    var counter = vec2<u32>(i >> 3u, 0u);
    var word = vec2<u32>(0xffffffffu, 0xffffffffu);
    while refused(word, last) {
        let next = counter.x + (1u << 29u);
        counter = vec2<u32>(next, counter.y + select(0u, 1u, next < counter.x));
        var block = key_stream(nonce, counter);
        let at = 2u * (i & 7u);
        word = vec2<u32>(block[at], block[at + 1u]);
    }
    return word;
}

// Elements are counted over runs of eight coefficients, or of all N where those are fewer.
@compute @workgroup_size(THREADS)
fn uniform_residues(@builtin(workgroup_id) group: vec3<u32>,
                    @builtin(num_workgroups) groups: vec3<u32>,
                    @builtin(local_invocation_index) thread: u32) {
    let index = thread_index(group, groups, thread);
    if index >= args.total {
        return;
    }
    let log_run = min(args.log_n, 3u);
    let e = element(index << log_run);
    let limit = 8u + 2u * e.limb;
    let last = vec2<u32>(args.words[limit], args.words[limit + 1u]);
    let at = line(0u, e.row, e.prime) + e.i;
    var block = key_stream(e.prime, vec2<u32>(e.i >> 3u, 0u));
    for (var k = 0u; k < (1u << log_run); k++) {
        var word = vec2<u32>(block[2u * k], block[2u * k + 1u]);
        if refused(word, last) {
            word = drawn_again(e.prime, e.i + k, last);
        }
        out[at + k] = store_form(word, primes[e.prime]);
    }
}
