// The gather of X -> X^galois in evaluation order: position j of the result is that position of the
// argument (`RingSpec::automorphism_gather`). `real`: the conjugate-invariant ring. Computed, not read:
// neighbouring positions come from one aligned group, so that the gather is as good as a copy.
fn gather(j: u32, galois: u32, real: bool) -> u32 {
    let log_n = args.log_n;
    let reversed = reverseBits(j) >> (32u - log_n);
    if !real {
        let exponent = ((2u * reversed + 1u) * galois) & ((2u << log_n) - 1u);
        return reverseBits((exponent - 1u) / 2u) >> (32u - log_n);
    }
    let order = 4u << log_n;
    let exponent = ((4u * reversed + 1u) * galois) & (order - 1u);
    let folded = select(order - exponent, exponent, exponent % 4u == 1u);
    return reverseBits((folded - 1u) / 4u) >> (32u - log_n);
}
