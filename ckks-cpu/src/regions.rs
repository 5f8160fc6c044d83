//! Large buffers cut from larger allocations, so that any sizes follow each other in the same
//! memory.
//!
//! The blocks of a computation shrink level by level: kept apart by size, hardly one would be used
//! again, and the system would have to clear fresh pages for each.

use crate::aligned::AlignedBuf;
use std::collections::BTreeMap;

/// Words of an allocation, at least and at most, unless a buffer needs more.
const REGION: std::ops::RangeInclusive<usize> = (2 << 20)..=(64 << 20);
/// Buffers are multiples of this many words: a page.
const GRANULE: usize = 512;

/// Free parts of allocations. Those never used take no memory yet.
#[derive(Default)]
pub struct Regions {
    /// Used before, by address; neighbours are joined.
    free: BTreeMap<usize, AlignedBuf>,
    /// What is left of each allocation.
    fresh: Vec<AlignedBuf>,
}

impl Regions {
    /// Words that a buffer of `len` takes.
    pub fn rounded(len: usize) -> usize {
        len.checked_next_multiple_of(GRANULE).unwrap_or(len)
    }

    /// A buffer of `len` words, rounded, and how many of them were free before rather than fresh;
    /// an allocation is `wanted` words, within limits. `None` when memory is out.
    ///
    /// The lowest address that fits: high ones are left alone, so that they become free together.
    pub fn take(&mut self, len: usize, wanted: usize) -> Option<(AlignedBuf, usize)> {
        let len = Self::rounded(len);
        let found = self.free.iter().find(|(_, part)| part.len() >= len);
        if let Some(address) = found.map(|(&address, _)| address) {
            let (taken, rest) = self.free.remove(&address)?.split_at(len);
            self.put(rest);
            return Some((taken, len));
        }
        if let Some(at) = self.fresh.iter().position(|part| self.reach(part) >= len) {
            return self.extend(at, len);
        }
        let size = wanted.clamp(*REGION.start(), *REGION.end()).max(len);
        let region = AlignedBuf::zeroed(size).or_else(|| AlignedBuf::zeroed(len))?;
        self.fresh.push(region);
        self.extend(self.fresh.len() - 1, len)
    }

    /// Words of a fresh part and of the free part before it.
    fn reach(&self, fresh: &AlignedBuf) -> usize {
        fresh.len() + self.before(fresh).map_or(0, |(_, part)| part.len())
    }

    /// The free part that ends where `part` begins.
    fn before(&self, part: &AlignedBuf) -> Option<(usize, &AlignedBuf)> {
        let (&address, before) = self.free.range(..address(part)).next_back()?;
        before.precedes(part).then_some((address, before))
    }

    /// Takes `len` words that end in a fresh part; says how many come from before it.
    fn extend(&mut self, at: usize, len: usize) -> Option<(AlignedBuf, usize)> {
        let mut fresh = self.fresh.swap_remove(at);
        let mut reused = 0;
        if let Some(before) = self.before(&fresh).map(|(address, _)| address)
            && let Some(before) = self.free.remove(&before)
        {
            reused = before.len();
            fresh = before.join(fresh).0;
        }
        let (taken, rest) = fresh.split_at(len);
        if !rest.is_empty() {
            self.fresh.push(rest);
        }
        Some((taken, reused))
    }

    /// Takes a buffer back.
    pub fn give(&mut self, mut part: AlignedBuf) {
        if let Some(before) = self.before(&part).map(|(address, _)| address)
            && let Some(before) = self.free.remove(&before)
        {
            part = before.join(part).0;
        }
        let end = address(&part) + 8 * part.len();
        if let Some(after) = self.free.remove(&end) {
            let (joined, apart) = part.join(after);
            part = joined;
            apart.into_iter().for_each(|after| self.put(after));
        }
        self.put(part);
    }

    /// Frees one allocation of which no buffer is left, and says how many words it held.
    pub fn release(&mut self) -> Option<usize> {
        let mut all = self.free.iter();
        let address = all.find_map(|(&address, part)| {
            let fresh = self.fresh.iter().find(|fresh| part.precedes(fresh));
            let whole = part.len() + fresh.map_or(0, |fresh| fresh.len());
            (whole == part.memory_len()).then_some(address)
        })?;
        let part = self.free.remove(&address)?;
        self.fresh.retain(|fresh| !part.precedes(fresh));
        Some(part.len())
    }

    fn put(&mut self, part: AlignedBuf) {
        if !part.is_empty() {
            self.free.insert(address(&part), part);
        }
    }
}

fn address(part: &AlignedBuf) -> usize {
    part.as_ptr() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(regions: &mut Regions, len: usize) -> (AlignedBuf, usize) {
        regions.take(len, 0).expect("memory")
    }

    #[test]
    fn other_sizes_reuse_the_same_memory() {
        let mut regions = Regions::default();
        let (first, reused) = take(&mut regions, 3 * GRANULE);
        let (second, _) = take(&mut regions, 2 * GRANULE);
        assert_eq!((first.len(), reused), (3 * GRANULE, 0));
        let start = first.as_ptr();
        regions.give(second);
        regions.give(first);
        let (half, reused) = take(&mut regions, GRANULE + 1);
        assert_eq!((half.as_ptr(), reused), (start, 2 * GRANULE));
        // What is free before the fresh part joins it.
        let (long, reused) = take(&mut regions, 5 * GRANULE);
        assert_eq!(reused, 3 * GRANULE);
        assert!(half.precedes(&long));
        assert!(regions.release().is_none());
        regions.give(half);
        assert!(regions.release().is_none());
        regions.give(long);
        assert_eq!(regions.release(), Some(7 * GRANULE));
        assert!(regions.free.is_empty() && regions.fresh.is_empty());
    }

    #[test]
    fn random_sizes_never_overlap() {
        let mut regions = Regions::default();
        let mut held: Vec<AlignedBuf> = Vec::new();
        let mut state = 1_u64;
        for round in 0..2000_u64 {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(7);
            if state >> 63 == 0 || held.is_empty() {
                let (mut part, _) = take(&mut regions, 1 + (state >> 40) as usize % 20_000);
                part.fill(round);
                held.push(part);
            } else {
                let part = held.swap_remove((state >> 33) as usize % held.len());
                assert!(part.iter().all(|&word| word == part[0]));
                regions.give(part);
            }
        }
        held.into_iter().for_each(|part| regions.give(part));
        while regions.release().is_some() {}
        assert!(regions.free.is_empty() && regions.fresh.is_empty());
    }
}
