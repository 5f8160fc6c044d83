// Arithmetic modulo a prime q < 2^31 in words of 32 bits.
//
// With B = 2^32, a residue x is stored as x B mod q [Montgomery 1985]: a product of two stored residues
// takes one reduction, and products by constants of any form keep the form of the other.

// The constants of one prime; `Radix::prime` of ckks-math has their order.
struct Prime {
    q: u32,
    inverse: u32,         // q^-1 mod B
    square: u32,          // B^2 mod q
    cube: u32,            // B^3 mod q
    scale: u32,           // what an inverse transform multiplies by: 1/N, or 1/2N where there is a fold
    scale_quotient: u32,  // floor(scale B / q)
    fold: u32,            // psi^-N of the conjugate-invariant ring
    fold_quotient: u32,
}

// x - bound where x >= bound, else x: the difference wraps to a huge word otherwise.
fn subtract_once(x: u32, bound: u32) -> u32 {
    return min(x, x - bound);
}

fn add_mod(x: u32, y: u32, q: u32) -> u32 {
    return subtract_once(x + y, q);
}

// x - y mod q: a negative difference is huge, and the smaller of the two after adding q.
fn sub_mod(x: u32, y: u32, q: u32) -> u32 {
    return min(x - y, x - y + q);
}

fn negate_mod(x: u32, q: u32) -> u32 {
    return select(q - x, 0u, x == 0u);
}

// x w mod q for any word x and a constant (w, floor(w B / q)) [Shoup; Harvey 2014].
fn mul_constant(x: u32, w: vec2<u32>, q: u32) -> u32 {
    return subtract_once(x * w.x - mul_high(x, w.y) * q, q);
}

// Adds x y to a sum (low, high) below q B, for any word x and y < q: the sum stays below 2 q B, and one
// subtraction of q B brings it back.
fn add_product(sum: vec2<u32>, x: u32, y: u32, q: u32) -> vec2<u32> {
    let low = x * y;
    let total = sum.x + low;
    let carry = select(0u, 1u, total < low);
    return vec2<u32>(total, subtract_once(sum.y + mul_high(x, y) + carry, q));
}

// sum / B mod q for a sum below q B: subtract the multiple of q with the same low word.
fn reduce(sum: vec2<u32>, p: Prime) -> u32 {
    let multiple = mul_high(sum.x * p.inverse, p.q);
    return min(sum.y - multiple, sum.y - multiple + p.q);
}

// x y / B mod q, for any word x and y < q.
fn mul_mod(x: u32, y: u32, p: Prime) -> u32 {
    return reduce(vec2<u32>(x * y, mul_high(x, y)), p);
}

// The stored form of an integer of two words.
fn store_form(x: vec2<u32>, p: Prime) -> u32 {
    let low = add_product(vec2<u32>(0u, 0u), x.x, p.square, p.q);
    return reduce(add_product(low, x.y, p.cube, p.q), p);
}

// The stored form of a signed integer of two words.
fn store_form_signed(x: vec2<u32>, p: Prime) -> u32 {
    if (x.y >> 31u) == 0u {
        return store_form(x, p);
    }
    let low = ~x.x + 1u;
    let carry = select(0u, 1u, low == 0u);
    return negate_mod(store_form(vec2<u32>(low, ~x.y + carry), p), p.q);
}
