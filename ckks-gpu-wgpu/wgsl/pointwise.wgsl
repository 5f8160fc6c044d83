// Element-wise arithmetic of blocks: `out` and x0 may meet a second operand of fewer rows or more limbs.

@compute @workgroup_size(THREADS)
fn add(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
       @builtin(local_invocation_index) thread: u32) {
    let index = thread_index(group, groups, thread);
    if index >= args.total {
        return;
    }
    let e = element(index);
    let q = primes[e.prime].q;
    let x = x0[line(1u, e.row, e.prime) + e.i];
    let y = x1[line(2u, e.row, e.prime) + e.i];
    out[line(0u, e.row, e.prime) + e.i] = add_mod(x, y, q);
}

@compute @workgroup_size(THREADS)
fn subtract(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
            @builtin(local_invocation_index) thread: u32) {
    let index = thread_index(group, groups, thread);
    if index >= args.total {
        return;
    }
    let e = element(index);
    let q = primes[e.prime].q;
    let x = x0[line(1u, e.row, e.prime) + e.i];
    let y = x1[line(2u, e.row, e.prime) + e.i];
    out[line(0u, e.row, e.prime) + e.i] = sub_mod(x, y, q);
}

@compute @workgroup_size(THREADS)
fn multiply(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
            @builtin(local_invocation_index) thread: u32) {
    let index = thread_index(group, groups, thread);
    if index >= args.total {
        return;
    }
    let e = element(index);
    let x = x0[line(1u, e.row, e.prime) + e.i];
    let y = x1[line(2u, e.row, e.prime) + e.i];
    out[line(0u, e.row, e.prime) + e.i] = mul_mod(x, y, primes[e.prime]);
}

@compute @workgroup_size(THREADS)
fn add_assign(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
              @builtin(local_invocation_index) thread: u32) {
    let index = thread_index(group, groups, thread);
    if index >= args.total {
        return;
    }
    let e = element(index);
    let q = primes[e.prime].q;
    let at = line(0u, e.row, e.prime) + e.i;
    let y = x0[line(1u, e.row, e.prime) + e.i];
    out[at] = add_mod(out[at], y, q);
}

@compute @workgroup_size(THREADS)
fn subtract_assign(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                   @builtin(local_invocation_index) thread: u32) {
    let index = thread_index(group, groups, thread);
    if index >= args.total {
        return;
    }
    let e = element(index);
    let q = primes[e.prime].q;
    let at = line(0u, e.row, e.prime) + e.i;
    let y = x0[line(1u, e.row, e.prime) + e.i];
    out[at] = sub_mod(out[at], y, q);
}

@compute @workgroup_size(THREADS)
fn multiply_assign(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                   @builtin(local_invocation_index) thread: u32) {
    let index = thread_index(group, groups, thread);
    if index >= args.total {
        return;
    }
    let e = element(index);
    let at = line(0u, e.row, e.prime) + e.i;
    let y = x0[line(1u, e.row, e.prime) + e.i];
    out[at] = mul_mod(out[at], y, primes[e.prime]);
}

@compute @workgroup_size(THREADS)
fn multiply_accumulate(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                       @builtin(local_invocation_index) thread: u32) {
    let index = thread_index(group, groups, thread);
    if index >= args.total {
        return;
    }
    let e = element(index);
    let p = primes[e.prime];
    let at = line(0u, e.row, e.prime) + e.i;
    let x = x0[line(1u, e.row, e.prime) + e.i];
    let y = x1[line(2u, e.row, e.prime) + e.i];
    out[at] = add_mod(out[at], mul_mod(x, y, p), p.q);
}

// X -> X^galois; extra[0].x is galois, flags the ring.
@compute @workgroup_size(THREADS)
fn automorphism(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) thread: u32) {
    let index = thread_index(group, groups, thread);
    if index >= args.total {
        return;
    }
    let e = element(index);
    let source = gather(e.i, args.extra[0].x, args.flags != 0u);
    out[line(0u, e.row, e.prime) + e.i] = x0[line(1u, e.row, e.prime) + source];
}

// Each coefficient and its neighbour (`RingKernels::add_neighbours`): the next one, 0 past the last, or, where
// flags is not 0, the one before, the first again before itself.
@compute @workgroup_size(THREADS)
fn add_neighbours(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                  @builtin(local_invocation_index) thread: u32) {
    let index = thread_index(group, groups, thread);
    if index >= args.total {
        return;
    }
    let e = element(index);
    let start = line(1u, e.row, e.prime);
    var neighbour = 0u;
    if args.flags != 0u {
        neighbour = x0[start + max(e.i, 1u) - 1u];
    } else if e.i + 1u < (1u << args.log_n) {
        neighbour = x0[start + e.i + 1u];
    }
    out[line(0u, e.row, e.prime) + e.i] = add_mod(x0[start + e.i], neighbour, primes[e.prime].q);
}
