// Residues between their plain and their stored form, copies, and what arrives in other forms.

// Plain residues to stored ones, in place.
@compute @workgroup_size(THREADS)
fn import_plain(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) thread: u32) {
    let index = thread_index(group, groups, thread);
    if index >= args.total {
        return;
    }
    let e = element(index);
    let p = primes[e.prime];
    let at = line(0u, e.row, e.prime) + e.i;
    out[at] = mul_mod(out[at], p.square, p);
}

@compute @workgroup_size(THREADS)
fn export_plain(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) thread: u32) {
    let index = thread_index(group, groups, thread);
    if index >= args.total {
        return;
    }
    let e = element(index);
    let stored = x0[line(1u, e.row, e.prime) + e.i];
    out[line(0u, e.row, e.prime) + e.i] = reduce(vec2<u32>(stored, 0u), primes[e.prime]);
}

// The rows and limbs of `out`, of those that x0 has.
@compute @workgroup_size(THREADS)
fn copy_limbs(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
            @builtin(local_invocation_index) thread: u32) {
    let index = thread_index(group, groups, thread);
    if index >= args.total {
        return;
    }
    let e = element(index);
    out[line(0u, e.row, e.prime) + e.i] = x0[line(1u, e.row, e.prime) + e.i];
}

// `count` signed integers of two words each, in rows of m = 2^log_m, as coefficients of X^(N/m); zeros
// past the last. x0 holds those from row `args.extra[0].z` on.
@compute @workgroup_size(THREADS)
fn embed(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
         @builtin(local_invocation_index) thread: u32) {
    let index = thread_index(group, groups, thread);
    if index >= args.total {
        return;
    }
    let e = element(index);
    let log_m = args.extra[0].x;
    let count = args.extra[0].y;
    let log_gap = args.log_n - log_m;
    let source = ((row_of(0u, e.row) - args.extra[0].z) << log_m) + (e.i >> log_gap);
    var value = 0u;
    if (e.i & ((1u << log_gap) - 1u)) == 0u && source < count {
        value = store_form_signed(vec2<u32>(x0[2u * source], x0[2u * source + 1u]), primes[e.prime]);
    }
    out[line(0u, e.row, e.prime) + e.i] = value;
}

// Packed residues to stored ones. For each line of the launch `words` has the byte of x0 where it begins;
// then for each limb the length of a residue. One word may be read behind the last.
@compute @workgroup_size(THREADS)
fn unpack(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
          @builtin(local_invocation_index) thread: u32) {
    let index = thread_index(group, groups, thread);
    if index >= args.total {
        return;
    }
    let e = element(index);
    let p = primes[e.prime];
    let limbs = limb_count(args.each);
    let start = args.words[e.row * limbs + e.limb];
    let width = args.words[args.extra[0].x + e.limb];
    let bit = 8u * (start & 3u) + e.i * width;
    let word = (start >> 2u) + (bit >> 5u);
    let shift = bit & 31u;
    var value = x0[word] >> shift;
    if shift + width > 32u {
        value |= x0[word + 1u] << (32u - shift);
    }
    out[line(0u, e.row, e.prime) + e.i] = mul_mod(value & ((1u << width) - 1u), p.square, p);
}

// Every word the same.
@compute @workgroup_size(THREADS)
fn fill(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) thread: u32) {
    let index = thread_index(group, groups, thread);
    if index >= args.total {
        return;
    }
    out[index] = args.extra[0].x;
}

// Sets the first word where one of x0 is not zero.
@compute @workgroup_size(THREADS)
fn find_nonzero(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) thread: u32) {
    let index = thread_index(group, groups, thread);
    if index >= args.total {
        return;
    }
    if x0[index] != 0u {
        out[0] = 1u;
    }
}
