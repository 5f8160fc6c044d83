// The high word of a product of two words, where the adapter has 64-bit integers: an extension of
// naga's, in no portable WGSL.
fn mul_high(x: u32, y: u32) -> u32 {
    return u32((u64(x) * u64(y)) >> 32u);
}
