//! The constants of one ring on the device: what depends on a prime, and on a pair of bases.

use crate::backend::CudaBackend;
use crate::driver::Address;
use crate::launch::Limbs;
use crate::pool::Buffer;
use ckks_math::Result;
use ckks_math::arith::Modulus;
use ckks_math::backend::montgomery::{Radix, inverse_of_product};
use ckks_math::backend::packed::packed_len;
use ckks_math::backend::{Basis, Identity, RingSpec};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The words in which the residues of a ring are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Word {
    /// 32 bits, for primes below `2^31`.
    Short {
        /// Whether all primes are below `2^30`, which lets transforms reduce later.
        lazy: bool,
    },
    /// 64 bits.
    Long,
}

impl Word {
    fn of(ring: &RingSpec) -> Self {
        let all = ring.q().iter().chain(ring.p());
        match all.map(|m| m.bits()).max() {
            Some(..=30) => Self::Short { lazy: true },
            Some(31) => Self::Short { lazy: false },
            _ => Self::Long,
        }
    }

    /// Their radix.
    pub const fn radix(self) -> Radix {
        match self {
            Self::Short { .. } => Radix::SHORT,
            Self::Long => Radix::LONG,
        }
    }

    /// `x B mod m`: the stored form of a residue.
    pub fn stored(self, m: Modulus, x: u64) -> u64 {
        self.radix().stored(m, x)
    }

    /// Bytes of a word.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Short { .. } => 4,
            Self::Long => 8,
        }
    }

    /// How the names of kernels for these words end.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Short { .. } => "u32",
            Self::Long => "u64",
        }
    }

    /// How the names of transforms end: with the length of the longest primes.
    pub const fn transform_suffix(self) -> &'static str {
        match self {
            Self::Short { lazy: true } => "30",
            Self::Short { lazy: false } => "31",
            Self::Long => "61",
        }
    }
}

/// Constants of base conversions on the device.
pub struct Conversion {
    pub sources: Buffer,
    pub weights: Buffer,
}

/// How the limbs of a basis are packed, and what their uniform residues are drawn from.
pub struct Packing {
    /// First byte of each limb in a row.
    pub starts: Buffer,
    /// Bits of a residue of each limb.
    pub bits: Buffer,
    /// Largest word of a stream that is accepted for each limb.
    pub lasts: Buffer,
    pub row_bytes: u64,
}

/// Source basis, target basis and digit size of a conversion.
type Route = (Basis, Basis, usize);

/// The constants of one ring, with those of base conversions made on first use.
pub struct Tables {
    /// What captured sequences name these tables by.
    identity: Arc<()>,
    ring: RingSpec,
    word: Word,
    primes: Buffer,
    forward: Buffer,
    inverse: Buffer,
    conversions: Mutex<HashMap<Route, Arc<Conversion>>>,
    divisions: Mutex<HashMap<(Basis, Basis), Arc<Buffer>>>,
    packings: Mutex<HashMap<Basis, Arc<Packing>>>,
}

impl Tables {
    pub(crate) fn new(backend: &CudaBackend, ring: &RingSpec) -> Result<Self> {
        let word = Word::of(ring);
        let count = ring.q().len() + ring.p().len();
        let (mut primes, mut forward, mut inverse) = (Vec::new(), Vec::new(), Vec::new());
        let radix = word.radix();
        for i in 0..count {
            primes.extend(radix.prime(ring, i));
            forward.extend(radix.twiddles(ring, i, false));
            inverse.extend(radix.twiddles(ring, i, true));
        }
        let tables = Self {
            identity: Arc::default(),
            ring: ring.clone(),
            word,
            primes: backend.stage_words(word, &primes)?,
            forward: backend.stage_words(word, &forward)?,
            inverse: backend.stage_words(word, &inverse)?,
            conversions: Mutex::default(),
            divisions: Mutex::default(),
            packings: Mutex::default(),
        };
        // Tables serve every queue.
        backend.queue.raw().synchronize()?;
        Ok(tables)
    }

    /// The identity of these tables, which tables made later in the same memory do not share.
    pub(crate) fn identity(&self) -> Identity {
        Identity::of(&self.identity)
    }

    /// The ring.
    pub(crate) const fn ring(&self) -> &RingSpec {
        &self.ring
    }

    /// Its words.
    pub(crate) const fn word(&self) -> Word {
        self.word
    }

    /// A basis as kernels read it.
    pub(crate) fn limbs(&self, basis: Basis) -> Limbs {
        Limbs::new(basis, self.ring.q().len())
    }

    /// The constants of all primes.
    pub(crate) const fn primes(&self) -> Address {
        self.primes.address()
    }

    /// Twiddle factors of all primes.
    pub(crate) const fn twiddles(&self, inverse: bool) -> Address {
        if inverse {
            self.inverse.address()
        } else {
            self.forward.address()
        }
    }

    /// The constants that lift each digit of `digit_size` limbs of `from` to `to`.
    pub(crate) fn conversion(
        &self,
        backend: &CudaBackend,
        from: Basis,
        to: Basis,
        digit_size: usize,
    ) -> Result<Arc<Conversion>> {
        remember(backend, &self.conversions, (from, to, digit_size), || {
            let radix = self.word.radix();
            let words = radix.conversion(&self.ring, from, to, digit_size);
            Ok(Conversion {
                sources: backend.stage_words(self.word, &words.sources)?,
                weights: backend.stage_words(self.word, &words.weights)?,
            })
        })
    }

    /// The inverse of the product of `dropped` modulo each prime of `kept`.
    pub(crate) fn division(
        &self,
        backend: &CudaBackend,
        dropped: Basis,
        kept: Basis,
    ) -> Result<Arc<Buffer>> {
        remember(backend, &self.divisions, (dropped, kept), || {
            let inverses = inverse_of_product(&self.ring, dropped, kept);
            let pairs = self.ring.moduli(kept).zip(inverses);
            let constants = pairs.flat_map(|(m, w)| self.word.radix().constant(m, w));
            backend.stage_words(self.word, &constants.collect::<Vec<_>>())
        })
    }

    /// How rows over a basis are packed.
    pub(crate) fn packing(&self, backend: &CudaBackend, basis: Basis) -> Result<Arc<Packing>> {
        remember(backend, &self.packings, basis, || {
            let (mut starts, mut bits, mut lasts) = (Vec::new(), Vec::new(), Vec::new());
            let mut row_bytes = 0;
            for m in self.ring.moduli(basis) {
                starts.push(row_bytes);
                bits.push(m.bits());
                row_bytes += packed_len(self.ring.degree(), m.bits()) as u64;
                // 2^64 - (2^64 mod m) - 1: the word below the last multiple of m.
                lasts.push(u64::MAX - m.reduce_u128(1 << 64));
            }
            Ok(Packing {
                starts: backend.stage(&starts)?,
                bits: backend.stage(&bits)?,
                lasts: backend.stage(&lasts)?,
                row_bytes,
            })
        })
    }
}

/// The value of a key, made on first use; its words have arrived when any queue reads them.
fn remember<K: std::hash::Hash + Eq, V>(
    backend: &CudaBackend,
    known: &Mutex<HashMap<K, Arc<V>>>,
    key: K,
    make: impl FnOnce() -> Result<V>,
) -> Result<Arc<V>> {
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = known.get(&key) {
        return Ok(found.clone());
    }
    let made = Arc::new(make()?);
    backend.queue.raw().synchronize()?;
    known.insert(key, made.clone());
    Ok(made)
}
