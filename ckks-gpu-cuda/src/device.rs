//! The card as a device: memory, transfers, order.

use crate::backend::CudaBackend;
use crate::driver::Address;
use crate::graph::Graph;
use crate::launch::{Argument, Grid, Limbs, arguments};
use crate::memory::{bytes, bytes_mut};
use crate::pool::Buffer;
use crate::tables::{Tables, Word};
use ckks_math::arith::Modulus;
use ckks_math::backend::{Basis, Captured, Device, Limits, MemoryUse, RingSpec, Shape};
use ckks_math::{Error, Result};

/// What rings the kernels serve, on any card.
pub(crate) const RINGS: Limits = Limits {
    max_modulus_bits: Modulus::MAX_BITS,
    max_degree: 1 << 17,
};

/// Words converted at a time on their way over the bus.
const BUS_WORDS: usize = 1 << 20;

/// Residues `[rows, limbs, N]` in device memory, each below its modulus and in Montgomery form.
pub struct Block {
    pub(crate) shape: Shape,
    pub(crate) words: Buffer,
}

impl Block {
    pub(crate) const fn address(&self) -> Address {
        self.words.address()
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
            words: self.buffer(shape.words() * t.word().bytes())?,
        })
    }

    /// A buffer with words of a ring.
    pub(crate) fn stage_words(&self, word: Word, words: &[u64]) -> Result<Buffer> {
        let buffer = self.buffer(words.len() * word.bytes())?;
        self.send(word, buffer.address(), words)?;
        Ok(buffer)
    }

    /// Copies words to the device in the width of the ring.
    pub(crate) fn send(&self, word: Word, to: Address, words: &[u64]) -> Result<()> {
        match word {
            Word::Long if words.is_empty() => Ok(()),
            Word::Long => self.queue.raw().upload(to, bytes(words)),
            Word::Short { .. } => {
                for (i, chunk) in words.chunks(BUS_WORDS).enumerate() {
                    let narrow: Vec<u32> = chunk.iter().map(|&w| w as u32).collect();
                    let to = to.offset(i * BUS_WORDS * 4);
                    self.queue.raw().upload(to, bytes(&narrow))?;
                }
                Ok(())
            }
        }
    }

    /// Copies words from the device in the width of the ring; waits.
    fn receive(&self, word: Word, from: Address, words: &mut [u64]) -> Result<()> {
        match word {
            Word::Long if words.is_empty() => Ok(()),
            Word::Long => self.queue.raw().download(from, bytes_mut(words)),
            Word::Short { .. } => {
                let mut narrow = vec![0_u32; words.len().min(BUS_WORDS)];
                for (i, chunk) in words.chunks_mut(BUS_WORDS).enumerate() {
                    let narrow = &mut narrow[..chunk.len()];
                    let from = from.offset(i * BUS_WORDS * 4);
                    self.queue.raw().download(from, bytes_mut(narrow))?;
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
        to: Address,
        rows: usize,
        basis: Basis,
        residues: &[u64],
    ) -> Result<()> {
        self.send(t.word(), to, residues)?;
        let log_n = t.ring().log_degree();
        let grid = Grid::elements("import", log_n, basis.limbs(), rows)?;
        let arguments = arguments![to, t.primes(), t.limbs(basis), log_n];
        self.launch_for(t, "import", grid, &arguments)
    }

    /// Launches the kernel `name` for the words of a ring.
    pub(crate) fn launch_for(
        &self,
        t: &Tables,
        name: &str,
        grid: Grid,
        arguments: &[Argument],
    ) -> Result<()> {
        self.launch(&format!("{name}_{}", t.word().suffix()), grid, arguments)
    }

    /// Launches an element-wise kernel on `[rows, limbs, N]`.
    pub(crate) fn launch_elements(
        &self,
        t: &Tables,
        name: &str,
        (rows, limbs): (usize, usize),
        arguments: &[Argument],
    ) -> Result<()> {
        let grid = Grid::elements(name, t.ring().log_degree(), limbs, rows)?;
        self.launch_for(t, name, grid, arguments)
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
        let out = self.block(t, rows, basis)?;
        if out.words.len() > 0 {
            let queue = self.queue.raw();
            queue.fill(out.address(), out.words.len(), 0)?;
        }
        Ok(out)
    }

    fn upload(&self, t: &Tables, rows: usize, basis: Basis, residues: &[u64]) -> Result<Block> {
        let out = self.block(t, rows, basis)?;
        if residues.len() != out.shape.words() {
            return Err(Error::InvalidParameters(format!(
                "upload: {} residues for the shape {}",
                residues.len(),
                out.shape
            )));
        }
        self.import(t, out.address(), rows, basis, residues)?;
        Ok(out)
    }

    fn download(&self, t: &Tables, x: &Block) -> Result<Vec<u64>> {
        let plain = self.block(t, x.shape.rows, x.shape.basis)?;
        let arguments = arguments![
            plain.address(),
            x.address(),
            t.primes(),
            x.limbs(t),
            x.log_n()
        ];
        let extent = (x.shape.rows, x.shape.basis.limbs());
        self.launch_elements(t, "export", extent, &arguments)?;
        let mut residues = vec![0; x.shape.words()];
        self.receive(t.word(), plain.address(), &mut residues)?;
        Ok(residues)
    }

    fn duplicate(&self, t: &Tables, x: &Block) -> Result<Block> {
        let out = self.block(t, x.shape.rows, x.shape.basis)?;
        self.copy(x.address(), out.address(), x.words.len())?;
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
