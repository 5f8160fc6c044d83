//! Automorphisms in evaluation order.
//!
//! An automorphism moves aligned runs: the positions `8k..8k + 8` are the evaluation points whose
//! exponents differ in their three highest bits only (the order is bit-reversed), an odd factor
//! keeps exponents equal in their low bits, so each run comes from one run, permuted inside.

use super::LANES;
use ckks_math::backend::RingSpec;
use std::sync::Arc;

/// Bits of one entry below the index of the run: a position in the run for each of 8 lanes.
pub const PATTERN_BITS: u32 = 24;

/// A gather as runs of [`LANES`] words (of `N` words on smaller rings); clones share it.
#[derive(Clone)]
pub struct Permutation {
    width: usize,
    /// For each run of the whole result, the run it comes from, and 3 bits for each lane.
    entries: Arc<[u64]>,
    /// The first run of this part of the result.
    first: usize,
}

impl Permutation {
    pub fn new(ring: &RingSpec, galois: u64) -> Self {
        let gather = ring.automorphism_gather(galois);
        let width = gather.len().min(LANES);
        let entry = |run: &[u32]| {
            let source = u64::from(run[0]) / width as u64;
            let lanes = run.iter().enumerate().map(|(lane, &from)| {
                debug_assert_eq!(u64::from(from) / width as u64, source);
                u64::from(from) % width as u64 * (1 << (3 * lane))
            });
            source << PATTERN_BITS | lanes.sum::<u64>()
        };
        let entries: Arc<[u64]> = gather.chunks(width).map(entry).collect();
        Self {
            width,
            first: 0,
            entries,
        }
    }

    /// The part of the result from some run on.
    pub fn part(&self, first: usize) -> Self {
        Self {
            first: self.first + first,
            ..self.clone()
        }
    }

    /// One entry for each run of the result; behind those of a part come the next ones, to be
    /// fetched ahead.
    pub fn entries(&self) -> &[u64] {
        &self.entries[self.first..]
    }

    /// Where word `j` of the result comes from.
    pub fn source(&self, j: usize) -> usize {
        let (entry, lane) = (self.entries()[j / self.width], j % self.width);
        (entry >> PATTERN_BITS) as usize * self.width + (entry >> (3 * lane) & 7) as usize
    }

    /// `out[j] <- x[source(j)]`.
    pub fn apply(&self, out: &mut [u64], x: &[u64]) {
        for (run, &entry) in out.chunks_mut(self.width).zip(self.entries()) {
            let from = &x[(entry >> PATTERN_BITS) as usize * self.width..][..self.width];
            for (lane, out) in run.iter_mut().enumerate() {
                *out = from[(entry >> (3 * lane) & 7) as usize];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ckks_math::backend::RingKind;

    /// The packed form is the gather of the ring, on both rings, below and above one run.
    #[test]
    fn runs_reproduce_the_gather() {
        for kind in [RingKind::Standard, RingKind::ConjugateInvariant] {
            for log_n in [1, 2, 3, 4, 8] {
                let ring = RingSpec::new(kind, log_n, &[12289], &[]).expect("a ring");
                for galois in [
                    1,
                    3,
                    5,
                    25,
                    ring.root_order() - 1,
                    ring.root_order() / 2 + 1,
                ] {
                    let permutation = Permutation::new(&ring, galois);
                    let gather = ring.automorphism_gather(galois);
                    if ring.degree() > 2 * LANES {
                        let part = permutation.part(1);
                        assert_eq!(part.source(3), gather[LANES + 3] as usize);
                    }
                    let x: Vec<u64> = (100..).take(ring.degree()).collect();
                    let mut out = vec![0; x.len()];
                    permutation.apply(&mut out, &x);
                    for (j, &from) in gather.iter().enumerate() {
                        assert_eq!(permutation.source(j), from as usize);
                        assert_eq!(out[j], x[from as usize]);
                    }
                }
            }
        }
    }
}
