// Arithmetic with one constant a limb, in stored form.

@compute @workgroup_size(THREADS)
fn scale_limbs(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
               @builtin(local_invocation_index) thread: u32) {
    let index = thread_index(group, groups, thread);
    if index >= args.total {
        return;
    }
    let e = element(index);
    let at = line(0u, e.row, e.prime) + e.i;
    out[at] = mul_mod(out[at], args.words[e.limb], primes[e.prime]);
}

@compute @workgroup_size(THREADS)
fn offset_limbs(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) thread: u32) {
    let index = thread_index(group, groups, thread);
    if index >= args.total {
        return;
    }
    let e = element(index);
    let at = line(0u, e.row, e.prime) + e.i;
    out[at] = add_mod(out[at], args.words[e.limb], primes[e.prime].q);
}

// On the limbs of x0 only: elements are counted over those.
@compute @workgroup_size(THREADS)
fn add_scaled(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
              @builtin(local_invocation_index) thread: u32) {
    let index = thread_index(group, groups, thread);
    if index >= args.total {
        return;
    }
    let e = element(index);
    let p = primes[e.prime];
    let at = line(0u, e.row, e.prime) + e.i;
    let term = mul_mod(x0[line(1u, e.row, e.prime) + e.i], args.words[e.limb], p);
    out[at] = add_mod(out[at], term, p.q);
}

// out = (x0 - out) constant: the end of a division, where `out` is the remainder.
@compute @workgroup_size(THREADS)
fn divide(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
          @builtin(local_invocation_index) thread: u32) {
    let index = thread_index(group, groups, thread);
    if index >= args.total {
        return;
    }
    let e = element(index);
    let p = primes[e.prime];
    let at = line(0u, e.row, e.prime) + e.i;
    let difference = sub_mod(x0[line(1u, e.row, e.prime) + e.i], out[at], p.q);
    out[at] = mul_mod(difference, args.words[e.limb], p);
}

// out = sum_k constants[k] x_k for up to four operands, added to what `out` holds where flags is not 0.
@compute @workgroup_size(THREADS)
fn combine(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
           @builtin(local_invocation_index) thread: u32) {
    let index = thread_index(group, groups, thread);
    if index >= args.total {
        return;
    }
    let e = element(index);
    let p = primes[e.prime];
    let at = line(0u, e.row, e.prime) + e.i;
    let count = args.extra[0].x;
    let limbs = limb_count(args.each);
    let constant = e.limb;
    var sum = vec2<u32>(0u, 0u);
    sum = add_product(sum, x0[line(1u, e.row, e.prime) + e.i], args.words[constant], p.q);
    if count > 1u {
        sum = add_product(sum, x1[line(2u, e.row, e.prime) + e.i], args.words[constant + limbs], p.q);
    }
    if count > 2u {
        sum = add_product(sum, x2[line(3u, e.row, e.prime) + e.i], args.words[constant + 2u * limbs], p.q);
    }
    if count > 3u {
        sum = add_product(sum, x3[line(4u, e.row, e.prime) + e.i], args.words[constant + 3u * limbs], p.q);
    }
    let value = reduce(sum, p);
    if args.flags == 0u {
        out[at] = value;
    } else {
        out[at] = add_mod(out[at], value, p.q);
    }
}
