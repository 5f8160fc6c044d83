//! The adapter as a device: memory, transfers, order.

use crate::backend::WgpuBackend;
use crate::block::Block;
use crate::driver::RINGS;
use crate::launch::Elements;
use crate::tables::Tables;
use ckks_math::Result;
use ckks_math::backend::gpu::constants::narrow_pieces;
use ckks_math::backend::{Basis, Device, Limits, MemoryUse, RingSpec, Shape, checked};

impl WgpuBackend {
    /// A block with unspecified content.
    pub(crate) fn block(&self, t: &Tables, rows: usize, basis: Basis) -> Result<Block> {
        let shape = Shape {
            rows,
            basis,
            degree: t.ring().degree(),
        };
        Ok(Block {
            shape,
            rows: self.rows(rows, t.limbs(basis), shape.degree)?,
        })
    }

    /// Plain residues to stored ones, in place.
    pub(crate) fn import(&self, t: &Tables, x: &Block) -> Result<()> {
        let views = [x.rows.view()];
        self.launch(t, &Elements::over("import_plain", x.shape.rows, &views))
    }

    /// Writes the residues of row `row` of a block, as they are.
    pub(crate) fn send(&self, x: &Block, row: usize, residues: &[u64]) -> Result<()> {
        let (buffer, in_buffer) = (row / x.rows.each, row % x.rows.each);
        let to = x.rows.buffers[buffer].raw();
        let first = in_buffer * x.rows.words;
        for (at, piece) in narrow_pieces(residues) {
            let bytes = 4 * (first + at) as u64;
            self.pool.queue().upload(to, bytes, &piece)?;
        }
        Ok(())
    }
}

impl Device for WgpuBackend {
    type Block = Block;
    type Tables = Tables;

    fn name(&self) -> String {
        format!("wgpu ({})", self.pool.queue().card().name)
    }

    fn limits(&self) -> Limits {
        RINGS
    }

    fn memory(&self) -> MemoryUse {
        self.pool.memory()
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
        for buffer in &out.rows.buffers {
            self.pool.queue().clear(buffer.raw())?;
        }
        Ok(out)
    }

    fn upload(&self, t: &Tables, rows: usize, basis: Basis, residues: &[u64]) -> Result<Block> {
        checked::upload(t.ring(), rows, basis, residues)?;
        let out = self.block(t, rows, basis)?;
        let held = (out.rows.each * out.rows.words).max(1);
        for (buffer, residues) in residues.chunks(held).enumerate() {
            self.send(&out, buffer * out.rows.each, residues)?;
        }
        self.import(t, &out)?;
        Ok(out)
    }

    fn download(&self, t: &Tables, x: &Block) -> Result<Vec<u64>> {
        checked::block("download", t.ring(), x.shape)?;
        let plain = self.block(t, x.shape.rows, x.shape.basis)?;
        let views = [plain.rows.view(), x.rows.view()];
        self.launch(t, &Elements::over("export_plain", x.shape.rows, &views))?;
        let mut residues = Vec::with_capacity(x.shape.words());
        for (i, buffer) in plain.rows.buffers.iter().enumerate() {
            let words = plain.rows.held(i) * plain.rows.words;
            self.pool.queue().download(buffer.raw(), words, |piece| {
                residues.extend(piece.iter().map(|&w| u64::from(w)));
            })?;
        }
        Ok(residues)
    }

    fn duplicate(&self, t: &Tables, x: &Block) -> Result<Block> {
        checked::block("duplicate", t.ring(), x.shape)?;
        let out = self.block(t, x.shape.rows, x.shape.basis)?;
        let pairs = x.rows.buffers.iter().zip(&out.rows.buffers);
        for (i, (from, to)) in pairs.enumerate() {
            let bytes = 4 * (x.rows.held(i) * x.rows.words) as u64;
            self.pool
                .queue()
                .copy((from.raw(), 0), (to.raw(), 0), bytes)?;
        }
        Ok(out)
    }

    fn synchronize(&self) -> Result<()> {
        self.pool.queue().flush()?;
        self.pool.queue().wait()
    }

    /// All work of a device is in one order already: the second queue is the first.
    fn fork(&self) -> Result<Self> {
        self.pool.queue().card().failure.check()?;
        Ok(self.clone())
    }

    fn join(&self, _other: &Self) -> Result<()> {
        self.pool.queue().card().failure.check()
    }
}
