// Sums of products: digits with a switching key, blocks with packed polynomials, rows with matrices.

// out rows r and R + r: sum_d x0[d R + r] b_d and a_d; rows 2 d and 2 d + 1 of the key x1 are b_d and a_d.
// The digits may be turned by an automorphism on their way (galois 1: none). Elements are counted over R rows;
// extra[0]: digits, R, galois, 0.
@compute @workgroup_size(THREADS)
fn key_product(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
               @builtin(local_invocation_index) thread: u32) {
    let index = thread_index(group, groups, thread);
    if index >= args.total {
        return;
    }
    let e = element(index);
    let p = primes[e.prime];
    let digits = args.extra[0].x;
    let rows = args.extra[0].y;
    let galois = args.extra[0].z;
    var source = e.i;
    if galois != 1u {
        source = gather(e.i, galois, args.flags != 0u);
    }
    var b = vec2<u32>(0u, 0u);
    var a = vec2<u32>(0u, 0u);
    for (var d = 0u; d < digits; d++) {
        let x = x0[line(1u, d * rows + e.row, e.prime) + source];
        b = add_product(b, x, x1[line(2u, 2u * d, e.prime) + e.i], p.q);
        a = add_product(a, x, x1[line(2u, 2u * d + 1u, e.prime) + e.i], p.q);
    }
    out[line(0u, e.row, e.prime) + e.i] = reduce(b, p);
    out[line(0u, rows + e.row, e.prime) + e.i] = reduce(a, p);
}

// The packed polynomials of `sum_products`.
@group(0) @binding(7) var<storage, read> packed: array<u32>;

fn packed_value(term: vec4<u32>, e: Element) -> u32 {
    let limbs = args.extra[1];
    let at = term.x * limb_count(limbs) + position(limbs, e.prime);
    return packed[(at << args.log_n) + term.y + (e.i >> args.extra[0].y)];
}

// out += sum_k x_k y_k for up to four blocks, each with a packed polynomial (`RingKernels::sum_products`);
// what `out` holds counts where flags is not 0. extra[0]: count and log2 of the run that a value of a packed
// polynomial fills; extra[1]: the basis of the packed; extra[2] and extra[3]: for each of the four the row
// of its polynomial in the bound buffer and the word where it begins there.
@compute @workgroup_size(THREADS)
fn sum_products(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) thread: u32) {
    let index = thread_index(group, groups, thread);
    if index >= args.total {
        return;
    }
    let e = element(index);
    let p = primes[e.prime];
    let at = line(0u, e.row, e.prime) + e.i;
    let count = args.extra[0].x;
    let first = args.extra[2];
    let second = args.extra[3];
    var sum = vec2<u32>(0u, 0u);
    sum = add_product(sum, x0[line(1u, e.row, e.prime) + e.i], packed_value(first.xyxy, e), p.q);
    if count > 1u {
        sum = add_product(sum, x1[line(2u, e.row, e.prime) + e.i], packed_value(first.zwzw, e), p.q);
    }
    if count > 2u {
        sum = add_product(sum, x2[line(3u, e.row, e.prime) + e.i], packed_value(second.xyxy, e), p.q);
    }
    if count > 3u {
        sum = add_product(sum, x3[line(4u, e.row, e.prime) + e.i], packed_value(second.zwzw, e), p.q);
    }
    let value = reduce(sum, p);
    if args.flags == 0u {
        out[at] = value;
    } else {
        out[at] = add_mod(out[at], value, p.q);
    }
}
