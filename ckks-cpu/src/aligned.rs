//! Cache-line aligned buffers of 64-bit words.

use std::alloc::{Layout, alloc, dealloc};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// Alignment of small buffers: one cache line, one AVX-512 register.
const LINE: usize = 64;
/// Alignment of large buffers: one huge page.
const HUGE_PAGE: usize = 2 << 20;

/// An owned, initialised, aligned buffer.
pub struct AlignedBuf {
    words: NonNull<u64>,
    len: usize,
}

// SAFETY: the buffer is owned memory of plain words without interior mutability.
unsafe impl Send for AlignedBuf {}
// SAFETY: as above; shared references only read.
unsafe impl Sync for AlignedBuf {}

impl AlignedBuf {
    /// A buffer of `len` zeros, or `None` when memory is out.
    pub fn zeroed(len: usize) -> Option<Self> {
        if len == 0 {
            return Some(Self {
                words: NonNull::dangling(),
                len,
            });
        }
        let layout = Self::layout(len)?;
        // SAFETY: the layout has a non-zero size.
        let words = NonNull::new(unsafe { alloc(layout) })?.cast::<u64>();
        if layout.align() == HUGE_PAGE {
            advise_huge_pages(words.cast(), layout.size());
        }
        // SAFETY: the allocation holds `len` words; zero is a valid word.
        unsafe { words.as_ptr().write_bytes(0, len) };
        Some(Self { words, len })
    }

    /// The bytes of the words.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `len` initialised words owned by `self`; any byte is valid.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr().cast(), 8 * self.len) }
    }

    /// The bytes of the words.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`, `self` is borrowed mutably, and any bytes make valid words.
        unsafe { std::slice::from_raw_parts_mut(self.words.as_ptr().cast(), 8 * self.len) }
    }

    fn layout(len: usize) -> Option<Layout> {
        let bytes = len.checked_mul(size_of::<u64>())?;
        let align = if bytes >= HUGE_PAGE { HUGE_PAGE } else { LINE };
        Layout::from_size_align(bytes, align).ok()
    }
}

impl Drop for AlignedBuf {
    fn drop(&mut self) {
        if let (Some(layout), 1..) = (Self::layout(self.len), self.len) {
            // SAFETY: allocated in `zeroed` with this very layout.
            unsafe { dealloc(self.words.as_ptr().cast(), layout) };
        }
    }
}

impl Deref for AlignedBuf {
    type Target = [u64];

    fn deref(&self) -> &[u64] {
        // SAFETY: `len` initialised words (or a dangling pointer with `len` 0) owned by `self`.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr(), self.len) }
    }
}

impl DerefMut for AlignedBuf {
    fn deref_mut(&mut self) -> &mut [u64] {
        // SAFETY: as in `deref`, and `self` is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.words.as_ptr(), self.len) }
    }
}

/// Zeroed bytes, in huge pages where there are many: fresh memory is then backed by far fewer page
/// faults.
pub fn zeroed_bytes(len: usize) -> Vec<u8> {
    let mut bytes = vec![0_u8; len];
    let aligned = bytes.as_mut_ptr().align_offset(HUGE_PAGE);
    if let Some(inside) = len.checked_sub(aligned)
        && inside >= HUGE_PAGE
        && let Some(pages) = bytes.get_mut(aligned..)
    {
        advise_huge_pages(NonNull::from(pages).cast(), inside - inside % HUGE_PAGE);
    }
    bytes
}

/// Asks for huge pages: strided passes over a polynomial then stay inside the TLB.
#[cfg(target_os = "linux")]
fn advise_huge_pages(memory: NonNull<u8>, bytes: usize) {
    use std::ffi::{c_int, c_void};
    const MADV_HUGEPAGE: c_int = 14;
    unsafe extern "C" {
        fn madvise(address: *mut c_void, length: usize, advice: c_int) -> c_int;
    }
    // SAFETY: the range is the caller's own allocation and the advice does not change contents; a
    // refusal is harmless.
    unsafe { madvise(memory.as_ptr().cast(), bytes, MADV_HUGEPAGE) };
}

#[cfg(not(target_os = "linux"))]
fn advise_huge_pages(_: NonNull<u8>, _: usize) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned_and_zero() {
        for len in [0, 1, 7, 4096, (HUGE_PAGE / 8) + 5] {
            let mut buf = AlignedBuf::zeroed(len).expect("memory");
            assert_eq!(buf.len(), len);
            assert!(buf.iter().all(|&w| w == 0));
            if len > 0 {
                assert_eq!(buf.as_ptr() as usize % LINE, 0);
                buf[len - 1] = 9;
                assert_eq!(buf[len - 1], 9);
            }
        }
        assert!(AlignedBuf::zeroed(usize::MAX / 8).is_none());
    }
}
