// Products of integer matrices with rows of residues.

// Adds w x for a signed word w: the magnitude times x or -x.
fn add_signed(sum: vec2<u32>, w: u32, x: u32, q: u32) -> vec2<u32> {
    let negative = (w >> 31u) != 0u;
    return add_product(sum, select(w, ~w + 1u, negative), select(x, negate_mod(x, q), negative), q);
}

// The sum of products with plain words has lost a factor B: the factor of the prime holds it.
fn write_output(e: Element, row: u32, sum: vec2<u32>, factor: u32, p: Prime) {
    let at = line(0u, row, e.prime) + e.i;
    var value = mul_mod(reduce(sum, p), factor, p);
    if args.flags != 0u {
        value = add_mod(value, out[at], p.q);
    }
    out[at] = value;
}

// out row i = sum_j w[i, j] x0 row j for four outputs a thread: each residue is read once for four. The matrix
// x1 holds signed words [outputs, inputs]. Elements are counted over groups of four rows of `out`; extra[0]:
// rows of x0 in the bound buffer, row of the matrix that makes the first row of the run, inputs, column of the
// matrix that meets the first row of the buffer; extra[1]: outputs of the run, the word of `words` with the
// factor of each prime. flags: added to what `out` holds.
@compute @workgroup_size(THREADS)
fn gemm(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) thread: u32) {
    let index = thread_index(group, groups, thread);
    if index >= args.total {
        return;
    }
    let e = element(index);
    let p = primes[e.prime];
    let rows = args.extra[0].x;
    let inputs = args.extra[0].z;
    let first = 4u * e.row;
    let last = args.extra[1].x - 1u;
    let matrix = args.extra[0].w + (args.extra[0].y + first) * inputs;
    let ahead = vec4<u32>(0u, min(first + 1u, last) - first, min(first + 2u, last) - first,
                          min(first + 3u, last) - first) * inputs + matrix;
    let x_limbs = limb_count(args.operands[1].limbs);
    let step = x_limbs << args.log_n;
    var at = (position(args.operands[1].limbs, e.prime) << args.log_n) + e.i;
    var a = vec2<u32>(0u, 0u);
    var b = vec2<u32>(0u, 0u);
    var c = vec2<u32>(0u, 0u);
    var d = vec2<u32>(0u, 0u);
    for (var j = 0u; j < rows; j++) {
        let x = x0[at];
        at += step;
        a = add_signed(a, x1[ahead.x + j], x, p.q);
        b = add_signed(b, x1[ahead.y + j], x, p.q);
        c = add_signed(c, x1[ahead.z + j], x, p.q);
        d = add_signed(d, x1[ahead.w + j], x, p.q);
    }
    let factor = args.words[e.prime];
    write_output(e, first, a, factor, p);
    if first + 1u <= last {
        write_output(e, first + 1u, b, factor, p);
    }
    if first + 2u <= last {
        write_output(e, first + 2u, c, factor, p);
    }
    if first + 3u <= last {
        write_output(e, first + 3u, d, factor, p);
    }
}
