//! Words of the host as bytes for the bus.

/// Integers without padding or invalid patterns.
pub trait Plain: Copy {}

impl Plain for u8 {}
impl Plain for u32 {}
impl Plain for u64 {}
impl Plain for i64 {}

/// The bytes of words.
pub fn bytes<T: Plain>(words: &[T]) -> &[u8] {
    // SAFETY: `Plain` types have no padding, a byte needs no alignment, and the length is theirs.
    unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), size_of_val(words)) }
}

/// The bytes of words, to be written.
pub fn bytes_mut<T: Plain>(words: &mut [T]) -> &mut [u8] {
    // SAFETY: as in `bytes`; any bytes make valid words.
    unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), size_of_val(words)) }
}
