// Arithmetic modulo a prime q in words of 32 bits (q < 2^31) or 64 bits (q < 2^61).
//
// With B = 2^32 or 2^64, a residue x is stored as x B mod q [Montgomery 1985]: a product of two stored
// residues takes one reduction, and products by constants of any form keep the form of the other.
#pragma once
#include "platform.cuh"

// The constants of one prime; written by src/tables.rs in this order.
template <class W> struct Prime {
    W q;
    W inverse;         // q^-1 mod B
    W square;          // B^2 mod q
    W cube;            // B^3 mod q
    W scale;           // what an inverse transform multiplies by: 1/N, or 1/2N where there is a fold
    W scale_quotient;  // floor(scale B / q)
    W fold;            // psi^-N of the conjugate-invariant ring
    W fold_quotient;
};

// A constant w with floor(w B / q) [Shoup; Harvey 2014].
template <class W> struct alignas(2 * sizeof(W)) Constant {
    W value;
    W quotient;
};

DEVICE u32 mul_high(u32 x, u32 y) { return __umulhi(x, y); }
DEVICE u64 mul_high(u64 x, u64 y) { return __umul64hi(x, y); }

template <class W> DEVICE W least(W x, W y) { return x < y ? x : y; }

// x - bound where x >= bound, else x: the difference wraps to a huge word otherwise.
template <class W> DEVICE W subtract_once(W x, W bound) { return least<W>(x, x - bound); }

template <class W> DEVICE W add_mod(W x, W y, W q) { return subtract_once<W>(x + y, q); }

// x - y mod q: a negative difference is huge, and the smaller of the two after adding q.
template <class W> DEVICE W sub_mod(W x, W y, W q) { return least<W>(x - y, x - y + q); }

template <class W> DEVICE W negate_mod(W x, W q) { return x == 0 ? 0 : q - x; }

// x w mod q for any word x, in [0, 2q).
template <class W> DEVICE W mul_constant_lazy(W x, Constant<W> w, W q) {
    return x * w.value - mul_high(x, w.quotient) * q;
}

template <class W> DEVICE W mul_constant(W x, Constant<W> w, W q) {
    return subtract_once<W>(mul_constant_lazy<W>(x, w, q), q);
}

// A sum of products below q B.
template <class W> struct Sum {
    W low = 0;
    W high = 0;
};

// Adds x y for any word x and y < q: the sum stays below 2 q B, one subtraction of q B brings it back.
DEVICE void add_product(Sum<u32> &sum, u32 x, u32 y, u32 q) {
    u64 wide = (u64(sum.high) << 32 | sum.low) + u64(x) * y;
    sum.low = u32(wide);
    sum.high = subtract_once<u32>(u32(wide >> 32), q);
}

DEVICE void add_product(Sum<u64> &sum, u64 x, u64 y, u64 q) {
    u64 low = x * y;
    sum.low += low;
    u64 high = sum.high + mul_high(x, y) + (sum.low < low ? 1 : 0);
    sum.high = subtract_once<u64>(high, q);
}

// sum / B mod q for a sum below q B: subtract the multiple of q with the same low word.
template <class W> DEVICE W reduce(Sum<W> sum, const Prime<W> &p) {
    W multiple = mul_high(sum.low * p.inverse, p.q);
    return least<W>(sum.high - multiple, sum.high - multiple + p.q);
}

// x y / B mod q, for any word x and y < q.
template <class W> DEVICE W mul_mod(W x, W y, const Prime<W> &p) {
    Sum<W> product;
    product.low = x * y;
    product.high = mul_high(x, y);
    return reduce<W>(product, p);
}

// The stored form of an integer.
DEVICE u32 store_form(u64 x, const Prime<u32> &p) {
    Sum<u32> sum;
    add_product(sum, u32(x), p.square, p.q);
    add_product(sum, u32(x >> 32), p.cube, p.q);
    return reduce<u32>(sum, p);
}

DEVICE u64 store_form(u64 x, const Prime<u64> &p) { return mul_mod<u64>(x, p.square, p); }

template <class W> DEVICE W store_form_signed(i64 x, const Prime<W> &p) {
    W magnitude = store_form(x < 0 ? 0 - u64(x) : u64(x), p);
    return x < 0 ? negate_mod<W>(magnitude, p.q) : magnitude;
}

// The residue that is stored.
template <class W> DEVICE W plain_form(W x, const Prime<W> &p) {
    Sum<W> sum;
    sum.low = x;
    return reduce<W>(sum, p);
}
