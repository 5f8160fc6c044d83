//! The backend as a device: opening, memory, transfers.

use crate::failure::Failure;
use crate::kernels::Kernels;
use crate::options::{CpuOptions, KernelChoice, available_kernels};
use crate::pool::{Buffer, Pool};
use crate::simd::Vector;
use crate::tables::Tables;
use crate::threads::Threads;
use ckks_math::arith::Modulus;
use ckks_math::backend::{Basis, Device, Limits, MemoryUse, RingSpec, Shape, checked};
use ckks_math::{Error, Result};

/// Words below which a transform or a sum of products runs on the calling thread: at a nanosecond
/// and more for a word it takes several times the 20 microseconds of waking others.
const PARALLEL_WORDS: usize = 1 << 16;

/// The same work in words of transforms, for element-wise kernels and moves, at about a tenth of a
/// nanosecond for a word.
pub(crate) const fn light(words: usize) -> usize {
    words / 8
}

/// The CPU as a [`Device`]; clones share threads and memory.
#[derive(Clone)]
pub struct CpuBackend {
    pub(crate) kernels: Kernels,
    pub(crate) pool: Pool,
    threads: Threads,
}

/// Residues `[rows, limbs, N]` in memory, each below its modulus.
pub struct Block {
    pub(crate) shape: Shape,
    pub(crate) words: Buffer,
}

impl CpuBackend {
    /// Opens the CPU.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for kernels that this CPU lacks, [`Error::InvalidParameters`] for 0
    /// threads, [`Error::Device`] where threads cannot be started.
    pub fn open(options: CpuOptions) -> Result<Self> {
        let kernels = match (options.kernels, Vector::detect(options.kernels)) {
            (_, Some(vector)) => Kernels::Vector(vector),
            (KernelChoice::Auto | KernelChoice::Reference, None) => Kernels::Reference,
            (asked, None) => {
                let have = available_kernels().into_iter().map(KernelChoice::name);
                return Err(Error::Unsupported {
                    backend: "cpu".into(),
                    what: format!("{} kernels on this machine", asked.name()),
                    way_out: format!(
                        "choose `auto` or one of those it has: {}",
                        have.collect::<Vec<_>>().join(", ")
                    ),
                });
            }
        };
        Ok(Self {
            kernels,
            pool: Pool::default(),
            threads: Threads::start(options.threads)?,
        })
    }

    /// Fills every buffer with a pattern before a kernel writes it, from now on and for all
    /// clones: a kernel that leaves words unwritten then shows. For tests.
    #[must_use]
    pub fn poisoned(self) -> Self {
        self.pool.poison();
        self
    }

    /// The kernels in use.
    pub const fn kernels(&self) -> KernelChoice {
        match self.kernels {
            Kernels::Reference => KernelChoice::Reference,
            Kernels::Vector(vector) => vector.choice(),
        }
    }

    /// Number of threads.
    pub fn threads(&self) -> usize {
        self.threads.count()
    }

    /// Runs `task` on each item, in parallel when the items hold enough words to pay for it.
    pub(crate) fn for_each<T: Send>(
        &self,
        words: usize,
        items: Vec<T>,
        task: impl Fn(T) + Send + Sync,
    ) {
        if words < PARALLEL_WORDS {
            items.into_iter().for_each(task);
        } else {
            self.threads.for_each(items, task);
        }
    }

    /// [`CpuBackend::for_each`] of tasks that may fail, with the first failure if there are some.
    pub(crate) fn try_for_each<T: Send>(
        &self,
        words: usize,
        items: Vec<T>,
        task: impl Fn(T) -> Result<()> + Send + Sync,
    ) -> Result<()> {
        let failure = Failure::default();
        self.for_each(words, items, |item| failure.watch(|| task(item)));
        failure.into_result()
    }

    /// A block with unspecified content.
    pub(crate) fn block(&self, t: &Tables, rows: usize, basis: Basis) -> Result<Block> {
        let shape = Shape {
            rows,
            basis,
            degree: t.ring.degree(),
        };
        Ok(Block {
            shape,
            words: self.pool.take(shape.words())?,
        })
    }

    /// Copies words, in parallel pieces of `piece` words.
    pub(crate) fn copy(&self, piece: usize, from: &[u64], to: &mut [u64]) {
        let items = to.chunks_mut(piece).zip(from.chunks(piece)).collect();
        self.for_each(
            light(from.len()),
            items,
            |(to, from): (&mut [u64], &[u64])| {
                to.copy_from_slice(from);
            },
        );
    }
}

impl Block {
    /// Words of one row.
    pub(crate) const fn row_words(&self) -> usize {
        self.shape.basis.limbs() * self.shape.degree
    }

    /// The limb at position `limb` of a row.
    pub(crate) fn limb(&self, row: usize, limb: usize) -> &[u64] {
        let n = self.shape.degree;
        &self.words[row * self.row_words() + limb * n..][..n]
    }
}

impl Device for CpuBackend {
    type Block = Block;
    type Tables = Tables;

    fn name(&self) -> String {
        let threads = self.threads();
        let plural = if threads == 1 { "" } else { "s" };
        format!("cpu ({}, {threads} thread{plural})", self.kernels().name())
    }

    fn limits(&self) -> Limits {
        Limits {
            max_modulus_bits: Modulus::MAX_BITS,
            max_degree: 1 << 17,
        }
    }

    fn memory(&self) -> MemoryUse {
        self.pool.memory()
    }

    fn tables(&self, ring: &RingSpec) -> Result<Tables> {
        let count = ring.q().len() + ring.p().len();
        Ok(Tables::new(
            ring.clone(),
            self.kernels,
            count,
            &self.threads,
        ))
    }

    fn ring<'t>(&self, t: &'t Tables) -> &'t RingSpec {
        &t.ring
    }

    fn shape(&self, x: &Block) -> Shape {
        x.shape
    }

    fn alloc(&self, t: &Tables, rows: usize, basis: Basis) -> Result<Block> {
        checked::shape("alloc", &t.ring, rows, basis)?;
        let mut out = self.block(t, rows, basis)?;
        let words = light(out.words.len());
        let limbs = out.words.chunks_exact_mut(t.ring.degree()).collect();
        self.for_each(words, limbs, |limb: &mut [u64]| limb.fill(0));
        Ok(out)
    }

    fn upload(&self, t: &Tables, rows: usize, basis: Basis, residues: &[u64]) -> Result<Block> {
        checked::upload(&t.ring, rows, basis, residues)?;
        let mut out = self.block(t, rows, basis)?;
        self.copy(t.ring.degree(), residues, &mut out.words);
        Ok(out)
    }

    fn download(&self, t: &Tables, x: &Block) -> Result<Vec<u64>> {
        checked::block("download", &t.ring, x.shape)?;
        Ok(x.words.to_vec())
    }

    fn duplicate(&self, t: &Tables, x: &Block) -> Result<Block> {
        checked::block("duplicate", &t.ring, x.shape)?;
        let mut out = self.block(t, x.shape.rows, x.shape.basis)?;
        self.copy(t.ring.degree(), &x.words, &mut out.words);
        Ok(out)
    }

    /// Kernels return when they are done: there is nothing to wait for.
    fn synchronize(&self) -> Result<()> {
        Ok(())
    }

    fn fork(&self) -> Result<Self> {
        Ok(self.clone())
    }

    fn join(&self, _: &Self) -> Result<()> {
        Ok(())
    }
}
