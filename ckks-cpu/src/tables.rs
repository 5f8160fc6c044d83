//! The constants of one ring: what depends on a prime, on a pair of bases, on an automorphism.

use crate::kernels::{Conversion, Kernels, Permutation, Prime};
use crate::threads::Threads;
use ckks_math::backend::{Basis, RingSpec};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

/// Automorphisms remembered: 64 KiB each at `N = 2^16`.
const PERMUTATIONS: usize = 512;

/// The constants of one ring, with those of base conversions and automorphisms made on first use.
pub struct Tables {
    pub(crate) ring: RingSpec,
    primes: Vec<Prime>,
    conversions: Mutex<HashMap<(Basis, Basis), Arc<Conversion>>>,
    /// Oldest first.
    permutations: Mutex<VecDeque<(u64, Arc<Permutation>)>>,
}

impl Tables {
    /// The constants of a ring of `count` primes.
    pub(crate) fn new(ring: RingSpec, kernels: Kernels, count: usize, threads: &Threads) -> Self {
        let mut primes: Vec<_> = (0..count).map(|_| None).collect();
        threads.for_each(primes.iter_mut().enumerate().collect(), |(i, prime)| {
            *prime = Some(Prime::new(&ring, i, kernels));
        });
        let primes = primes.into_iter().flatten().collect();
        Self {
            ring,
            primes,
            conversions: Mutex::default(),
            permutations: Mutex::default(),
        }
    }

    /// The constants of each limb of a basis, in limb order.
    pub(crate) fn primes(&self, basis: Basis) -> Vec<&Prime> {
        let indices = basis.prime_indices(self.ring.q().len());
        indices.map(|i| &self.primes[i]).collect()
    }

    /// The constants of the conversion of one basis to another.
    pub(crate) fn conversion(&self, from: Basis, to: Basis) -> Arc<Conversion> {
        let mut known = (self.conversions.lock()).unwrap_or_else(PoisonError::into_inner);
        let make = || {
            Arc::new(Conversion::new(
                from,
                &self.primes(from),
                to,
                &self.primes(to),
            ))
        };
        known.entry((from, to)).or_insert_with(make).clone()
    }

    /// The gather of an automorphism in evaluation order.
    pub(crate) fn permutation(&self, galois: u64) -> Arc<Permutation> {
        let lock = || (self.permutations.lock()).unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = lock().iter().find(|(g, _)| *g == galois) {
            return known.clone();
        }
        let made = Arc::new(Permutation::new(&self.ring, galois));
        let mut known = lock();
        if known.len() == PERMUTATIONS {
            known.pop_front();
        }
        known.push_back((galois, made.clone()));
        made
    }
}
