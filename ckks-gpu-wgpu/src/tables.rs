//! The constants of one ring on the device: what depends on a prime, and on a pair of bases.

use crate::backend::WgpuBackend;
use crate::block::{Limbs, limbs};
use crate::pool::Buffer;
use ckks_math::backend::gpu::Memo;
use ckks_math::backend::gpu::constants::{narrow, stored};
use ckks_math::backend::montgomery::{Radix, inverse_of_product};
use ckks_math::backend::{Basis, Device, RingSpec};
use ckks_math::{Error, Result};
use std::ops::Range;
use std::sync::Arc;

/// The words of this backend.
pub(crate) const RADIX: Radix = Radix::SHORT;

/// Twiddle factors of neighbouring primes, as many as one buffer holds.
pub(crate) struct Twiddles {
    /// Primes, counted `q` first.
    pub primes: Range<usize>,
    pub forward: Buffer,
    pub inverse: Buffer,
}

/// Constants of base conversions on the device: four words a source, then the weights.
pub(crate) struct Conversion {
    pub words: Buffer,
    /// Where the weights begin.
    pub weights: u32,
}

/// Source basis, target basis and digit size of a conversion.
type Route = (Basis, Basis, usize);
/// What a division drops, what it keeps.
type Division = (Basis, Basis);

/// The constants of one ring, with those of base conversions made on first use.
pub struct Tables {
    ring: RingSpec,
    primes: Buffer,
    twiddles: Vec<Twiddles>,
    conversions: Memo<Route, Conversion>,
    divisions: Memo<Division, Vec<u32>>,
}

impl Tables {
    pub(crate) fn new(backend: &WgpuBackend, ring: &RingSpec) -> Result<Self> {
        let count = ring.q().len() + ring.p().len();
        let longest = (0..count).max_by_key(|&i| ring.prime(i).value());
        let longest = longest.map_or(0, |i| ring.prime(i).value());
        if longest >> backend.limits().max_modulus_bits != 0 {
            return Err(Error::Unsupported {
                backend: backend.name(),
                what: format!("the modulus {longest}, of more than 31 bits"),
                way_out: "use a preset of 31-bit primes such as n16-boot-w31, or the cpu backend"
                    .into(),
            });
        }
        let primes: Vec<u32> = (0..count)
            .flat_map(|i| narrow(&RADIX.prime(ring, i)))
            .collect();
        // A pair of words for each point.
        let fitting = backend.pool.piece() as usize / (8 * ring.degree());
        let mut twiddles = Vec::new();
        for first in (0..count).step_by(fitting.max(1)) {
            let primes = first..count.min(first + fitting.max(1));
            let stage = |inverse| {
                let of = |i| narrow(&RADIX.twiddles(ring, i, inverse));
                let words: Vec<u32> = primes.clone().flat_map(of).collect();
                backend.stage(&words)
            };
            twiddles.push(Twiddles {
                forward: stage(false)?,
                inverse: stage(true)?,
                primes,
            });
        }
        Ok(Self {
            ring: ring.clone(),
            primes: backend.stage(&primes)?,
            twiddles,
            conversions: Memo::default(),
            divisions: Memo::default(),
        })
    }

    /// The ring.
    pub(crate) const fn ring(&self) -> &RingSpec {
        &self.ring
    }

    /// A basis as kernels read it.
    pub(crate) fn limbs(&self, basis: Basis) -> Limbs {
        limbs(basis, self.ring.q().len())
    }

    /// `log2 N`.
    pub(crate) const fn log_n(&self) -> u32 {
        self.ring.log_degree()
    }

    /// The constants of all primes.
    pub(crate) const fn primes(&self) -> &wgpu::Buffer {
        self.primes.raw()
    }

    /// Twiddle factors of all primes.
    pub(crate) fn twiddles(&self) -> &[Twiddles] {
        &self.twiddles
    }

    /// The stored forms of one constant for each limb of a basis.
    pub(crate) fn stored(&self, basis: Basis, constants: &[u64]) -> Vec<u32> {
        narrow(&stored(RADIX, &self.ring, basis, [constants]))
    }

    /// The constants that lift each digit of `digit_size` limbs of `from` to `to`.
    pub(crate) fn conversion(
        &self,
        backend: &WgpuBackend,
        from: Basis,
        to: Basis,
        digit_size: usize,
    ) -> Result<Arc<Conversion>> {
        self.conversions.get((from, to, digit_size), || {
            let made = RADIX.conversion(&self.ring, from, to, digit_size);
            let mut words = narrow(&made.sources);
            let weights = words.len() as u32;
            words.extend(narrow(&made.weights));
            Ok(Conversion {
                words: backend.stage(&words)?,
                weights,
            })
        })
    }

    /// The inverse of the product of `dropped` modulo each prime of `kept`, stored.
    pub(crate) fn division(&self, dropped: Basis, kept: Basis) -> Result<Arc<Vec<u32>>> {
        self.divisions.get((dropped, kept), || {
            let inverses = inverse_of_product(&self.ring, dropped, kept);
            Ok(self.stored(kept, &inverses))
        })
    }
}
