//! The card as a device: memory, transfers, order.

use crate::backend::CudaBackend;
use crate::driver::Address;
use crate::graph::Graph;
use crate::kernels::Kernel;
use crate::launch::{Limbs, arguments};
use crate::memory::{bytes, bytes_mut};
use crate::pool::Buffer;
use crate::tables::{Tables, Word};
use ckks_math::arith::Modulus;
use ckks_math::backend::gpu::constants::{BUS_WORDS, narrow_pieces};
use ckks_math::backend::{Basis, Captured, Device, Limits, MemoryUse, RingSpec, Shape, checked};
use ckks_math::{Error, Result};
use std::sync::Arc;

/// What rings the kernels serve, on any card.
pub(crate) const RINGS: Limits = Limits {
    max_modulus_bits: Modulus::MAX_BITS,
    max_degree: 1 << 17,
};

/// Residues `[rows, limbs, N]` in device memory, each below its modulus and in Montgomery form.
pub struct Block {
    pub(crate) shape: Shape,
    /// Shared with captured sequences that read it.
    pub(crate) words: Arc<Buffer>,
}

impl Block {
    /// Where its words lie, for kernels of a ring.
    ///
    /// # Errors
    /// [`Error::InvalidParameters`] unless its words have the width of those of the ring,
    /// [`Error::Device`] for memory of another device than that of the tables.
    pub(crate) fn at(&self, t: &Tables) -> Result<Address> {
        let (held, needed) = (self.words.len(), self.shape.words() * t.word().bytes());
        if held != needed {
            return Err(Error::InvalidParameters(format!(
                "a block {} of {held} bytes on a ring whose words make {needed}",
                self.shape
            )));
        }
        self.words.range(t.pool(), 0, needed)
    }

    /// The rows as kernels count them.
    pub(crate) const fn rows(&self) -> u32 {
        self.shape.rows as u32
    }

    /// `log2 N`.
    pub(crate) const fn log_n(&self) -> u32 {
        self.shape.degree.trailing_zeros()
    }

    /// Its basis as kernels read it.
    pub(crate) fn limbs(&self, t: &Tables) -> Limbs {
        t.limbs(self.shape.basis)
    }
}

impl CudaBackend {
    /// A block with unspecified content.
    pub(crate) fn block(&self, t: &Tables, rows: usize, basis: Basis) -> Result<Block> {
        let shape = Shape {
            rows,
            basis,
            degree: t.ring().degree(),
        };
        Ok(Block {
            shape,
            words: Arc::new(self.buffer(shape.words() * t.word().bytes())?),
        })
    }

    /// A buffer with words of a ring.
    pub(crate) fn stage_words(&self, word: Word, words: &[u64]) -> Result<Buffer> {
        let buffer = self.buffer(words.len() * word.bytes())?;
        self.send(word, &buffer, words)?;
        Ok(buffer)
    }

    /// Copies words to a buffer in the width of the ring.
    pub(crate) fn send(&self, word: Word, to: &Buffer, words: &[u64]) -> Result<()> {
        match word {
            Word::Long => self.queue.send(to, 0, bytes(words)),
            Word::Short { .. } => {
                for (at, piece) in narrow_pieces(words) {
                    self.queue.send(to, 4 * at, bytes(&piece))?;
                }
                Ok(())
            }
        }
    }

    /// Copies words of a buffer in the width of the ring; waits.
    fn receive(&self, word: Word, from: &Buffer, words: &mut [u64]) -> Result<()> {
        match word {
            Word::Long => self.queue.receive(from, 0, bytes_mut(words)),
            Word::Short { .. } => {
                let mut narrow = vec![0_u32; words.len().min(BUS_WORDS)];
                for (i, chunk) in words.chunks_mut(BUS_WORDS).enumerate() {
                    let narrow = &mut narrow[..chunk.len()];
                    let at = i * BUS_WORDS * 4;
                    self.queue.receive(from, at, bytes_mut(narrow))?;
                    for (wide, &word) in chunk.iter_mut().zip(&*narrow) {
                        *wide = u64::from(word);
                    }
                }
                Ok(())
            }
        }
    }

    /// Brings plain residues over a basis to the device, in stored form.
    pub(crate) fn import(
        &self,
        t: &Tables,
        to: &Buffer,
        rows: usize,
        basis: Basis,
        residues: &[u64],
    ) -> Result<()> {
        let words = to.range(self.queue.pool(), 0, rows * t.row_bytes(basis))?;
        self.send(t.word(), to, residues)?;
        let log_n = t.ring().log_degree();
        let arguments = arguments![words, t.primes(), t.limbs(basis), log_n];
        // SAFETY: the kernel reads and writes the words of these rows, which `to` has.
        unsafe { self.launch_elements(t, Kernel::Import, (rows, basis.limbs()), &arguments) }
    }
}

impl Device for CudaBackend {
    type Block = Block;
    type Tables = Tables;

    fn name(&self) -> String {
        let (device, options) = (self.queue.pool().device_name(), self.options.to_string());
        if options.is_empty() {
            return format!("cuda ({device})");
        }
        format!("cuda ({device}; {options})")
    }

    fn limits(&self) -> Limits {
        RINGS
    }

    fn memory(&self) -> MemoryUse {
        self.queue.pool().memory()
    }

    fn tables(&self, ring: &RingSpec) -> Result<Tables> {
        Tables::new(self, ring)
    }

    fn ring<'t>(&self, t: &'t Tables) -> &'t RingSpec {
        t.ring()
    }

    fn shape(&self, x: &Block) -> Shape {
        x.shape
    }

    fn alloc(&self, t: &Tables, rows: usize, basis: Basis) -> Result<Block> {
        checked::shape("alloc", t.ring(), rows, basis)?;
        let out = self.block(t, rows, basis)?;
        self.queue.fill_whole(&out.words, 0)?;
        Ok(out)
    }

    fn upload(&self, t: &Tables, rows: usize, basis: Basis, residues: &[u64]) -> Result<Block> {
        checked::upload(t.ring(), rows, basis, residues)?;
        let out = self.block(t, rows, basis)?;
        self.import(t, &out.words, rows, basis, residues)?;
        Ok(out)
    }

    fn download(&self, t: &Tables, x: &Block) -> Result<Vec<u64>> {
        checked::block("download", t.ring(), x.shape)?;
        let plain = self.block(t, x.shape.rows, x.shape.basis)?;
        let arguments = arguments![plain.at(t)?, x.at(t)?, t.primes(), x.limbs(t), x.log_n()];
        let extent = (x.shape.rows, x.shape.basis.limbs());
        // SAFETY: the kernel reads and writes one word for each of `x`, and `plain` has its shape.
        unsafe { self.launch_elements(t, Kernel::Export, extent, &arguments)? };
        let mut residues = vec![0; x.shape.words()];
        self.receive(t.word(), &plain.words, &mut residues)?;
        Ok(residues)
    }

    fn duplicate(&self, t: &Tables, x: &Block) -> Result<Block> {
        checked::block("duplicate", t.ring(), x.shape)?;
        let out = self.block(t, x.shape.rows, x.shape.basis)?;
        x.at(t)?;
        self.queue.copy_whole(&x.words, &out.words, 0)?;
        Ok(out)
    }

    fn synchronize(&self) -> Result<()> {
        self.queue.raw().synchronize()
    }

    fn fork(&self) -> Result<Self> {
        let queue = self.queue.pool().open_queue()?;
        queue.wait_for(&self.queue)?;
        Ok(Self {
            queue,
            ..self.clone()
        })
    }

    fn join(&self, other: &Self) -> Result<()> {
        self.queue.wait_for(&other.queue)
    }

    fn capture(
        &self,
        t: &Tables,
        operands: &[&Block],
        work: &mut dyn FnMut(Vec<Block>) -> Result<()>,
    ) -> Result<Option<Captured>> {
        let graph = self.capture_sequence(t, operands, work)?;
        Ok(graph.map(Captured::new))
    }

    fn replay(&self, captured: &Captured, operands: &[&Block]) -> Result<bool> {
        match captured.get::<Graph>() {
            Some(graph) => self.replay_sequence(graph, operands),
            None => Ok(false),
        }
    }
}
