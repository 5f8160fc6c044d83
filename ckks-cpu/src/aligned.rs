//! Cache-line aligned buffers of 64-bit words.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::Arc;

/// Alignment of small buffers: one cache line, one AVX-512 register.
const LINE: usize = 64;
/// Alignment of large buffers: one huge page.
const HUGE_PAGE: usize = 2 << 20;

/// One allocation, freed with the last of its buffers.
struct Memory {
    start: NonNull<u8>,
    layout: Layout,
    /// Words that buffers share.
    len: usize,
}

// SAFETY: owned memory; only buffers touch its content, each its own part.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: allocated in `AlignedBuf::zeroed` with this very layout.
        unsafe { dealloc(self.start.as_ptr(), self.layout) };
    }
}

/// An owned, initialised, aligned buffer: an allocation, or one of the parts it was split into.
pub struct AlignedBuf {
    words: NonNull<u64>,
    len: usize,
    /// `None` for empty buffers without an allocation.
    memory: Option<Arc<Memory>>,
}

// SAFETY: the buffer is owned memory of plain words without interior mutability.
unsafe impl Send for AlignedBuf {}
// SAFETY: as above; shared references only read.
unsafe impl Sync for AlignedBuf {}

impl AlignedBuf {
    /// A buffer of `len` zeros, or `None` when memory is out.
    ///
    /// The pages of a large buffer are not touched: the kernels that write them first do that, each
    /// thread for its share.
    pub fn zeroed(len: usize) -> Option<Self> {
        if len == 0 {
            return Some(Self {
                words: NonNull::dangling(),
                len,
                memory: None,
            });
        }
        let (layout, align) = Self::layout(len)?;
        // SAFETY: the layout has a non-zero size.
        let start = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        let memory = Arc::new(Memory { start, layout, len });
        let skipped = start.as_ptr().align_offset(align);
        // SAFETY: `layout` has room for `len` words behind the next multiple of `align`.
        let words = unsafe { start.add(skipped) }.cast::<u64>();
        if align == HUGE_PAGE {
            advise_huge_pages(words.cast(), 8 * len);
        }
        Some(Self {
            words,
            len,
            memory: Some(memory),
        })
    }

    /// The first `at` words (at most all), and the others.
    pub fn split_at(self, at: usize) -> (Self, Self) {
        let at = at.min(self.len);
        let rest = Self {
            // SAFETY: `at` words from the start of this buffer are within its memory.
            words: unsafe { self.words.add(at) },
            len: self.len - at,
            memory: self.memory.clone(),
        };
        (Self { len: at, ..self }, rest)
    }

    /// Whether `next` begins where this buffer ends, in the same memory.
    pub fn precedes(&self, next: &Self) -> bool {
        match (&self.memory, &next.memory) {
            (Some(own), Some(other)) => {
                Arc::ptr_eq(own, other)
                    && self.words.as_ptr().wrapping_add(self.len) == next.words.as_ptr()
            }
            _ => false,
        }
    }

    /// Undoes [`AlignedBuf::split_at`]: this buffer and, if it [precedes](Self::precedes) it,
    /// `next`.
    pub fn join(self, next: Self) -> (Self, Option<Self>) {
        if self.precedes(&next) {
            let len = self.len + next.len;
            return (Self { len, ..self }, None);
        }
        (self, Some(next))
    }

    /// Words of the whole allocation.
    pub fn memory_len(&self) -> usize {
        self.memory.as_ref().map_or(0, |memory| memory.len)
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

    /// How to allocate `len` words, and how to align them inside.
    fn layout(len: usize) -> Option<(Layout, usize)> {
        let bytes = len.checked_mul(size_of::<u64>())?;
        if bytes < HUGE_PAGE {
            return Some((Layout::from_size_align(bytes, LINE).ok()?, LINE));
        }
        // Aligned by hand: the system's zeroed memory is free of charge at its own alignment only.
        let room = bytes.checked_add(HUGE_PAGE)?;
        Some((
            Layout::from_size_align(room, align_of::<u64>()).ok()?,
            HUGE_PAGE,
        ))
    }
}

impl Deref for AlignedBuf {
    type Target = [u64];

    fn deref(&self) -> &[u64] {
        // SAFETY: `len` initialised words (or a dangling pointer with `len` 0) that no other buffer
        // has a part in.
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

/// Asks for huge pages: strided passes over a polynomial then stay inside the TLB. Miri has no such
/// advice.
#[cfg(all(target_os = "linux", not(miri)))]
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

#[cfg(any(not(target_os = "linux"), miri))]
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

    #[test]
    fn parts_keep_their_words_and_join_again() {
        let mut whole = AlignedBuf::zeroed(HUGE_PAGE / 8 + 24).expect("memory");
        for (i, word) in whole.iter_mut().enumerate() {
            *word = i as u64;
        }
        let len = whole.len();
        let (head, rest) = whole.split_at(8);
        let (middle, tail) = rest.split_at(len - 16);
        assert_eq!((head[7], middle[0], tail[0]), (7, 8, len as u64 - 8));
        assert!(head.precedes(&middle) && !head.precedes(&tail) && !middle.precedes(&head));
        let (head, apart) = head.join(tail);
        let tail = apart.expect("they do not touch");
        let (whole, none) = head.join(middle);
        assert!(none.is_none());
        let (whole, none) = whole.join(tail);
        assert!(none.is_none() && whole.len() == whole.memory_len());
        assert!(whole.iter().enumerate().all(|(i, &word)| word == i as u64));
        let other = AlignedBuf::zeroed(8).expect("memory");
        assert!(!whole.precedes(&other) && !other.precedes(&whole));
    }
}
