// Exact base conversion (`RingKernels::base_convert`) and the lift of all digits of a decomposition, in two
// launches: the digits and quotients of each column, then the sums for the target primes.
//
// A digit is `digit_size` neighbouring limbs of x; a plain conversion has one digit of all limbs. Between the
// launches a row has a line for each source limb, y_i, then one for each digit, its quotient v.

// Elements are counted over digits: extra[0] is digit_size, sources, first source word, 0.
@compute @workgroup_size(THREADS)
fn digits(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
          @builtin(local_invocation_index) thread: u32) {
    let index = thread_index(group, groups, thread);
    if index >= args.total {
        return;
    }
    let e = element(index);
    let digit_size = args.extra[0].x;
    let sources = args.extra[0].y;
    let begin = e.limb * digit_size;
    let end = min(begin + digit_size, sources);
    // A row between the launches has no primes: its lines are counted.
    let lines = line(0u, e.row, 0u) + e.i;
    let basis = args.operands[1].limbs;
    // In units of 2^-28, of two words: each term is below 2^29, and more than 8 of them overflow one.
    var low = 1u << 27u;
    var high = 0u;
    for (var s = begin; s < end; s++) {
        let prime = prime_of(basis, s);
        let source = 4u * s;
        let y = mul_mod(x0[line(1u, e.row, prime) + e.i], x1[source], primes[prime]);
        out[lines + (s << args.log_n)] = y;
        let z = (y << x1[source + 2u]) >> x1[source + 3u];
        let fraction = mul_high(z, x1[source + 1u]);
        low += fraction;
        high += select(0u, 1u, low < fraction);
    }
    out[lines + ((sources + e.limb) << args.log_n)] = (high << 4u) | (low >> 28u);
}

// Limbs of the digit's own primes are copied: for a decomposition from the polynomial's evaluations, since
// the transform of a lift is there the polynomial's own.
fn write_target(e: Element, begin: u32, count: u32, prime: u32, sum: vec2<u32>) {
    let basis = args.extra[1];
    var value = 0u;
    if contains(basis, prime) && position(basis, prime) - begin < count {
        value = x1[line(2u, e.row, prime) + e.i];
    } else {
        value = reduce(sum, primes[prime]);
    }
    out[line(0u, e.row, prime) + e.i] = value;
}

// Elements are counted over groups of four target limbs. x0: what `digits` wrote; x1: what limbs of a digit's
// own primes are copied from; x2: the weights, from word extra[0].z on, [digits][targets][digit_size + 1].
// extra[0]: digit_size, sources, first weight, rows of one digit; extra[1]: the basis of the sources.
@compute @workgroup_size(THREADS)
fn convert(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
           @builtin(local_invocation_index) thread: u32) {
    let index = thread_index(group, groups, thread);
    if index >= args.total {
        return;
    }
    let e = element(index);
    let digit_size = args.extra[0].x;
    let sources = args.extra[0].y;
    let targets = limb_count(args.operands[0].limbs);
    let digit = row_of(0u, e.row) / args.extra[0].w;
    let begin = digit * digit_size;
    let end = min(begin + digit_size, sources);
    let lines = line(1u, e.row, 0u) + e.i;
    let first = 4u * e.limb;
    let last = targets - 1u;
    let limbs = args.operands[0].limbs;
    let t = vec4<u32>(prime_of(limbs, first), prime_of(limbs, min(first + 1u, last)),
                      prime_of(limbs, min(first + 2u, last)), prime_of(limbs, min(first + 3u, last)));
    let q = vec4<u32>(primes[t.x].q, primes[t.y].q, primes[t.z].q, primes[t.w].q);
    let step = digit_size + 1u;
    let weights = args.extra[0].z + (digit * targets + first) * step;
    let ahead = vec4<u32>(0u, min(first + 1u, last) - first, min(first + 2u, last) - first,
                          min(first + 3u, last) - first) * step + weights;
    var a = vec2<u32>(0u, 0u);
    var b = vec2<u32>(0u, 0u);
    var c = vec2<u32>(0u, 0u);
    var d = vec2<u32>(0u, 0u);
    for (var s = begin; s < end; s++) {
        let y = x0[lines + (s << args.log_n)];
        let k = s - begin;
        a = add_product(a, y, x2[ahead.x + k], q.x);
        b = add_product(b, y, x2[ahead.y + k], q.y);
        c = add_product(c, y, x2[ahead.z + k], q.z);
        d = add_product(d, y, x2[ahead.w + k], q.w);
    }
    let v = x0[lines + ((sources + digit) << args.log_n)];
    a = add_product(a, v, x2[ahead.x + digit_size], q.x);
    b = add_product(b, v, x2[ahead.y + digit_size], q.y);
    c = add_product(c, v, x2[ahead.z + digit_size], q.z);
    d = add_product(d, v, x2[ahead.w + digit_size], q.w);
    write_target(e, begin, end - begin, t.x, a);
    if first + 1u <= last {
        write_target(e, begin, end - begin, t.y, b);
    }
    if first + 2u <= last {
        write_target(e, begin, end - begin, t.z, c);
    }
    if first + 3u <= last {
        write_target(e, begin, end - begin, t.w, d);
    }
}
