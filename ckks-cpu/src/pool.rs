//! Recycling of buffers: a large fresh buffer costs as much in page faults as several kernels over
//! it.

use crate::aligned::AlignedBuf;
use crate::regions::Regions;
use ckks_math::backend::MemoryUse;
use ckks_math::{Error, Result};
use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Free memory kept at least, and at most, whatever is live.
const KEEP: std::ops::RangeInclusive<u64> = (256 << 20)..=(1 << 30);
/// Free buffers of the same sizes kept at most.
const KEEP_BUFFERS: usize = 256;
/// Words from which buffers come from [`Regions`].
const LARGE: usize = 1 << 17;
/// A value that no residue has, to fill buffers whose content must not matter.
const POISON: u64 = 0xa5a5_a5a5_a5a5_a5a5;

/// A pool of buffers; clones share it.
#[derive(Clone, Default)]
pub struct Pool(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    poison: AtomicBool,
}

#[derive(Default)]
struct State {
    /// Oldest first, so that sizes out of use leave first.
    free: VecDeque<AlignedBuf>,
    /// Bytes in `free`.
    listed: u64,
    regions: Regions,
    memory: MemoryUse,
}

/// Where a buffer comes from and returns to.
#[derive(Clone, Copy)]
enum Origin {
    /// The list of free buffers: small ones, which are still in cache when they are used again, and
    /// those that stay for long.
    List,
    /// [`Regions`]: blocks and large scratch.
    Regions,
}

/// A buffer of the pool, given back on drop. Its content is unspecified at first.
pub struct Buffer {
    /// `None` only while dropping.
    words: Option<AlignedBuf>,
    len: usize,
    origin: Origin,
    pool: Pool,
}

impl Pool {
    /// From now on, fills every buffer with a pattern before it is handed out.
    pub fn poison(&self) {
        self.0.poison.store(true, Ordering::Relaxed);
    }

    /// Memory in use.
    pub fn memory(&self) -> MemoryUse {
        self.state().memory
    }

    /// A buffer of `len` words with unspecified content.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] where the host has no memory of this size.
    pub fn take(&self, len: usize) -> Result<Buffer> {
        if len < LARGE {
            return self.take_lasting(len);
        }
        let words = self.state().take_part(len);
        self.buffer(len, Origin::Regions, words)
    }

    /// As [`Pool::take`], for buffers that stay: a key among blocks would keep their memory apart.
    ///
    /// # Errors
    /// As [`Pool::take`].
    pub fn take_lasting(&self, len: usize) -> Result<Buffer> {
        let class = size_class(len);
        let recycled = self.state().take(class);
        // Outside of the lock: small ones are cleared.
        let words = recycled.or_else(|| {
            let fresh = AlignedBuf::zeroed(class).or_else(|| {
                self.state().trim(0);
                AlignedBuf::zeroed(class)
            })?;
            self.state().account(bytes(&fresh), 0);
            Some(fresh)
        });
        self.buffer(len, Origin::List, words)
    }

    fn buffer(&self, len: usize, origin: Origin, words: Option<AlignedBuf>) -> Result<Buffer> {
        let words = words.ok_or_else(|| Error::OutOfMemory {
            backend: "cpu".into(),
            asked: (len as u64).saturating_mul(8),
            free: 0,
        })?;
        let mut buffer = Buffer {
            words: Some(words),
            len,
            origin,
            pool: self.clone(),
        };
        if self.0.poison.load(Ordering::Relaxed) {
            buffer.fill(POISON);
        }
        Ok(buffer)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is consistent between statements: a panic elsewhere cannot break it.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The tightest free buffer that holds `class` words and wastes at most an eighth.
    fn take(&mut self, class: usize) -> Option<AlignedBuf> {
        let fits = class..=class + class / 8;
        let (index, _) = (self.free.iter().enumerate().rev())
            .filter(|(_, words)| fits.contains(&words.len()))
            .min_by_key(|(_, words)| words.len())?;
        let words = self.free.remove(index)?;
        self.listed -= bytes(&words);
        self.memory.pooled -= bytes(&words);
        self.account(bytes(&words), 0);
        Some(words)
    }

    /// A buffer of `len` words of a region.
    fn take_part(&mut self, len: usize) -> Option<AlignedBuf> {
        // Allocations grow with what is in use.
        let wanted = usize::try_from(self.memory.live / 8).unwrap_or(usize::MAX);
        let (words, reused) = self.regions.take(len, wanted).or_else(|| {
            self.trim(0);
            self.regions.take(len, 0)
        })?;
        self.memory.pooled -= 8 * reused as u64;
        self.account(bytes(&words), 0);
        Some(words)
    }

    fn give(&mut self, words: AlignedBuf, origin: Origin) {
        self.memory.live -= bytes(&words);
        self.account(0, bytes(&words));
        match origin {
            Origin::List => {
                self.listed += bytes(&words);
                self.free.push_back(words);
            }
            Origin::Regions => self.regions.give(words),
        }
        self.trim(self.memory.live.clamp(*KEEP.start(), *KEEP.end()));
    }

    fn account(&mut self, live: u64, pooled: u64) {
        self.memory.live += live;
        self.memory.pooled += pooled;
        self.memory.peak = (self.memory.peak).max(self.memory.live + self.memory.pooled);
    }

    /// Frees the oldest buffers of the list until it holds at most `keep` bytes, then regions out
    /// of use until at most `keep` bytes are pooled.
    fn trim(&mut self, keep: u64) {
        while self.listed > keep || self.free.len() > KEEP_BUFFERS {
            let Some(words) = self.free.pop_front() else {
                break;
            };
            self.listed -= bytes(&words);
            self.memory.pooled -= bytes(&words);
        }
        while self.memory.pooled > keep
            && let Some(words) = self.regions.release()
        {
            self.memory.pooled -= 8 * words as u64;
        }
    }
}

fn bytes(words: &AlignedBuf) -> u64 {
    words.len() as u64 * 8
}

/// Rounds up to a multiple of an eighth of the next power of two, so that near sizes meet; above 32
/// MiB, the sizes of keys, which are many and rarely recycled, to 2 MiB only.
fn size_class(len: usize) -> usize {
    let eighth = (len.checked_next_power_of_two().unwrap_or(len) / 8).max(8);
    let step = if len < 1 << 22 { eighth } else { 1 << 18 };
    len.checked_next_multiple_of(step).unwrap_or(len)
}

impl Buffer {
    /// The bytes of the words.
    pub fn bytes(&self) -> &[u8] {
        self.words.as_ref().map_or(&[], AlignedBuf::bytes)
    }

    /// The bytes of the words.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.words.as_mut().map_or(&mut [], AlignedBuf::bytes_mut)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(words) = self.words.take() {
            self.pool.state().give(words, self.origin);
        }
    }
}

impl Deref for Buffer {
    type Target = [u64];

    fn deref(&self) -> &[u64] {
        match &self.words {
            Some(words) => &words[..self.len],
            None => &[],
        }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u64] {
        match &mut self.words {
            Some(words) => &mut words[..self.len],
            None => &mut [],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_recycled_and_counted() {
        let pool = Pool::default();
        let first = pool.take(1000).expect("memory");
        let address = first.as_ptr();
        let size = pool.memory().live;
        assert!((8000..=9000).contains(&size));
        drop(first);
        assert_eq!((pool.memory().live, pool.memory().pooled), (0, size));
        let again = pool.take(1000).expect("memory");
        assert_eq!(again.as_ptr(), address);
        let other = pool.take(1000).expect("memory");
        assert_ne!(other.as_ptr(), address);
        assert_eq!(pool.memory().peak, 2 * size);
    }

    #[test]
    fn the_pool_is_bounded() {
        let pool = Pool::default();
        let buffers: Vec<_> = (0..2 * KEEP_BUFFERS)
            .map(|_| pool.take(100).expect("memory"))
            .collect();
        drop(buffers);
        assert!(pool.state().free.len() <= KEEP_BUFFERS);
        let beyond = *KEEP.start() as usize / 8 + 1;
        for big in [pool.take(beyond), pool.take_lasting(beyond)] {
            drop(big.expect("memory"));
        }
        assert_eq!(pool.memory().pooled, 0);
    }

    #[test]
    fn large_buffers_of_other_sizes_are_recycled() {
        let pool = Pool::default();
        let three = [2, 3, 4].map(|n| pool.take(n * LARGE).expect("memory"));
        let first = three[0].as_ptr();
        drop(three);
        let held = 9 * 8 * LARGE as u64;
        let again = pool.take(8 * LARGE).expect("memory");
        assert_eq!(again.as_ptr(), first);
        drop(again);
        let memory = pool.memory();
        assert_eq!((memory.live, memory.pooled, memory.peak), (0, held, held));
    }

    #[test]
    fn poison_fills_recycled_buffers() {
        let pool = Pool::default();
        pool.poison();
        pool.take(64).expect("memory").fill(1);
        assert!(pool.take(64).expect("memory").iter().all(|&w| w == POISON));
    }
}
