//! The constants of one ring on the device: what depends on a prime, and on a pair of bases.

use crate::backend::CudaBackend;
use crate::driver::{Address, Function};
use crate::kernels::{Kernel, Signature};
use crate::launch::Limbs;
use crate::pool::{Buffer, Pool};
use ckks_math::Result;
use ckks_math::arith::Modulus;
use ckks_math::backend::gpu::Memo;
use ckks_math::backend::gpu::constants::RowLayout;
use ckks_math::backend::montgomery::{Radix, inverse_of_product};
use ckks_math::backend::{Basis, Identity, RingSpec};
use std::sync::Arc;

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
    /// In the order of [`Kernel::ALL`].
    kernels: Vec<(Function, &'static Signature)>,
    primes: Buffer,
    forward: Buffer,
    inverse: Buffer,
    conversions: Memo<Route, Conversion>,
    divisions: Memo<(Basis, Basis), Buffer>,
    packings: Memo<Basis, Packing>,
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
        let kernels = Kernel::ALL.iter().map(|kernel| {
            let symbol = kernel.symbol(word);
            let function = backend.queue.pool().function(&symbol)?;
            Ok((function, Signature::of(&symbol)?))
        });
        let tables = Self {
            kernels: kernels.collect::<Result<_>>()?,
            identity: Arc::default(),
            ring: ring.clone(),
            word,
            primes: backend.stage_words(word, &primes)?,
            forward: backend.stage_words(word, &forward)?,
            inverse: backend.stage_words(word, &inverse)?,
            conversions: Memo::default(),
            divisions: Memo::default(),
            packings: Memo::default(),
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

    /// The pool of their device.
    pub(crate) const fn pool(&self) -> &Pool {
        self.primes.pool()
    }

    /// Its words.
    pub(crate) const fn word(&self) -> Word {
        self.word
    }

    /// A kernel for its words, looked up when the tables were made, and what it takes.
    ///
    /// # Errors
    /// [`ckks_math::Error::Device`] where the tables are those of another device than the pool.
    pub(crate) fn kernel(
        &self,
        pool: &Pool,
        kernel: Kernel,
    ) -> Result<(Function, &'static Signature)> {
        self.primes.check_device(pool)?;
        Ok(self.kernels[kernel as usize])
    }

    /// Bytes of a row over a basis.
    pub(crate) fn row_bytes(&self, basis: Basis) -> usize {
        basis.limbs() * self.ring.degree() * self.word.bytes()
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
        self.conversions.get((from, to, digit_size), || {
            let radix = self.word.radix();
            let words = radix.conversion(&self.ring, from, to, digit_size);
            arrived(
                backend,
                Conversion {
                    sources: backend.stage_words(self.word, &words.sources)?,
                    weights: backend.stage_words(self.word, &words.weights)?,
                },
            )
        })
    }

    /// The inverse of the product of `dropped` modulo each prime of `kept`.
    pub(crate) fn division(
        &self,
        backend: &CudaBackend,
        dropped: Basis,
        kept: Basis,
    ) -> Result<Arc<Buffer>> {
        self.divisions.get((dropped, kept), || {
            let inverses = inverse_of_product(&self.ring, dropped, kept);
            let pairs = self.ring.moduli(kept).zip(inverses);
            let constants = pairs.flat_map(|(m, w)| self.word.radix().constant(m, w));
            let words: Vec<_> = constants.collect();
            arrived(backend, backend.stage_words(self.word, &words)?)
        })
    }

    /// How rows over a basis are packed.
    pub(crate) fn packing(&self, backend: &CudaBackend, basis: Basis) -> Result<Arc<Packing>> {
        self.packings.get(basis, || {
            let layout = RowLayout::of(&self.ring, basis);
            arrived(
                backend,
                Packing {
                    starts: backend.stage(&layout.starts)?,
                    bits: backend.stage(&layout.bits)?,
                    lasts: backend.stage(&layout.lasts)?,
                    row_bytes: layout.row_bytes,
                },
            )
        })
    }
}

/// Constants whose words have arrived: any queue may read them.
fn arrived<V>(backend: &CudaBackend, constants: V) -> Result<V> {
    backend.queue.raw().synchronize()?;
    Ok(constants)
}
