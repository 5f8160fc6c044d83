// The high word of a product of two words, by halves of 16 bits: WGSL has neither 64-bit integers nor
// a product of twice the length.
fn mul_high(x: u32, y: u32) -> u32 {
    let x0 = x & 0xffffu;
    let x1 = x >> 16u;
    let y0 = y & 0xffffu;
    let y1 = y >> 16u;
    // No sum wraps: (2^16 - 1)^2 + 2^16 - 1 < 2^32.
    let middle = x1 * y0 + ((x0 * y0) >> 16u);
    let other = x0 * y1 + (middle & 0xffffu);
    return x1 * y1 + (middle >> 16u) + (other >> 16u);
}
