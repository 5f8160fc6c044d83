//! The dry run as a device.

use super::check;
use super::counts::{Counts, Kernel, Operation, Tally};
use super::recorder::{Held, Holder, LiveBytes, PhaseCounts, PhaseGuard, Recorder};
use crate::backend::{Basis, Device, Limits, MemoryUse, RingSpec, Shape, checked};
use crate::error::{Error, Result};
use std::fmt;

/// The device that a dry run stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DryRunOptions {
    /// Bytes in which the device keeps a residue: 8, or 4 for primes of up to 32 bits.
    pub word_bytes: u64,
    /// What the device admits.
    pub limits: Limits,
    /// Bytes of device memory, if allocations beyond it are to fail.
    pub capacity: Option<u64>,
}

impl Default for DryRunOptions {
    fn default() -> Self {
        Self {
            word_bytes: 8,
            limits: Limits {
                max_modulus_bits: 61,
                max_degree: 1 << 17,
            },
            capacity: None,
        }
    }
}

/// A backend whose blocks are shapes; clones and forks share counters and memory.
#[derive(Clone, Debug, Default)]
pub struct DryRun {
    options: DryRunOptions,
    recorder: Recorder,
}

/// What the residues of a block are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// Zeros, or just uploaded: whichever the first kernel takes them for.
    Either,
    /// Coefficients.
    Coefficients,
    /// Evaluations.
    Evaluations,
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Either => "either domain",
            Self::Coefficients => "coefficients",
            Self::Evaluations => "evaluations",
        })
    }
}

/// The shape and domain of residues that do not exist.
#[derive(Debug)]
pub struct Block {
    pub(super) shape: Shape,
    pub(super) domain: Domain,
    pub(super) _held: Held,
}

impl Block {
    /// What the residues would be.
    pub const fn domain(&self) -> Domain {
        self.domain
    }
}

impl DryRun {
    /// A dry run of a device.
    pub fn new(options: DryRunOptions) -> Self {
        Self {
            options,
            recorder: Recorder::default(),
        }
    }

    /// Work so far.
    pub fn counts(&self) -> Counts {
        self.recorder.counts()
    }

    /// Opens a phase: work until the guard drops is also counted under its label.
    ///
    /// Phases nest; a label entered again adds to its earlier counts. All clones share the open
    /// phases, so phases follow one thread of control.
    pub fn phase(&self, label: &str) -> PhaseGuard {
        self.recorder.enter(label)
    }

    /// All phases so far, in the order they were first entered.
    pub fn phases(&self) -> Vec<PhaseCounts> {
        self.recorder.phases()
    }

    /// Bytes alive by holder.
    pub fn live(&self) -> LiveBytes {
        self.recorder.live()
    }

    /// Bytes by holder at the moment when most were alive.
    pub fn peak(&self) -> LiveBytes {
        self.recorder.peak()
    }

    /// A block `[rows, limbs, N]` as if uploaded, without residues to copy: for plans larger than
    /// the host.
    ///
    /// # Errors
    /// As [`checked::shape`]; [`Error::OutOfMemory`] beyond the capacity.
    pub fn upload_shape(&self, t: &RingSpec, rows: usize, basis: Basis) -> Result<Block> {
        checked::shape("upload", t, rows, basis)?;
        let block = self.block(t, rows, basis, Domain::Either)?;
        self.record_limbs(Kernel::Upload, block.shape, 1, 0, 1);
        Ok(block)
    }

    pub(super) fn bytes(&self, words: usize) -> u64 {
        self.options.word_bytes * words as u64
    }

    pub(super) fn hold(&self, holder: Holder, bytes: u64) -> Result<Held> {
        let held = self.recorder.hold(holder, bytes, self.options.capacity);
        held.map_err(|free| Error::OutOfMemory {
            backend: self.name(),
            asked: bytes,
            free,
        })
    }

    /// A block that counts as live.
    pub(super) fn block(
        &self,
        ring: &RingSpec,
        rows: usize,
        basis: Basis,
        domain: Domain,
    ) -> Result<Block> {
        let shape = Shape {
            rows,
            basis,
            degree: ring.degree(),
        };
        Ok(Block {
            shape,
            domain,
            _held: self.hold(Holder::Block, self.bytes(shape.words()))?,
        })
    }

    pub(super) fn record(&self, kernel: Kernel, work: Tally) {
        self.recorder.work(kernel, work);
    }

    pub(super) fn record_operation(&self, operation: Operation, polynomials: usize) {
        self.recorder.operation(operation, polynomials);
    }

    /// Work of a kernel that does `steps` on each residue of a shape, reads that many residues
    /// `reads` times and writes them `writes` times.
    pub(super) fn record_limbs(
        &self,
        kernel: Kernel,
        shape: Shape,
        steps: u64,
        reads: u64,
        writes: u64,
    ) {
        let words = shape.words() as u64;
        let bytes = self.bytes(shape.words());
        self.record(
            kernel,
            Tally {
                calls: 1,
                polynomials: shape.rows as u64,
                limbs: (shape.rows * shape.basis.limbs()) as u64,
                steps: steps * words,
                bytes_read: reads * bytes,
                bytes_written: writes * bytes,
            },
        );
    }
}

impl Device for DryRun {
    type Block = Block;
    type Tables = RingSpec;

    fn name(&self) -> String {
        format!("dry run ({}-byte words)", self.options.word_bytes)
    }

    fn limits(&self) -> Limits {
        self.options.limits
    }

    fn memory(&self) -> MemoryUse {
        MemoryUse {
            live: self.live().total(),
            pooled: 0,
            peak: self.peak().total(),
        }
    }

    fn tables(&self, ring: &RingSpec) -> Result<RingSpec> {
        let limits = self.limits();
        let bits = ring.q().iter().chain(ring.p()).map(|m| m.bits()).max();
        if ring.degree() > limits.max_degree || bits > Some(limits.max_modulus_bits) {
            return Err(Error::Unsupported {
                backend: self.name(),
                what: format!(
                    "a ring of degree {} with moduli of up to {} bits",
                    ring.degree(),
                    bits.unwrap_or(0)
                ),
                way_out: format!(
                    "stay within degree {} and {} bits",
                    limits.max_degree, limits.max_modulus_bits
                ),
            });
        }
        Ok(ring.clone())
    }

    fn ring<'t>(&self, t: &'t RingSpec) -> &'t RingSpec {
        t
    }

    fn holds_residues(&self) -> bool {
        false
    }

    fn shape(&self, x: &Block) -> Shape {
        x.shape
    }

    fn alloc(&self, t: &RingSpec, rows: usize, basis: Basis) -> Result<Block> {
        checked::shape("alloc", t, rows, basis)?;
        let block = self.block(t, rows, basis, Domain::Either)?;
        self.record_limbs(Kernel::Alloc, block.shape, 1, 0, 1);
        Ok(block)
    }

    fn upload(&self, t: &RingSpec, rows: usize, basis: Basis, residues: &[u64]) -> Result<Block> {
        let shape = checked::upload(t, rows, basis, residues)?;
        check::residues("upload", t, shape, residues)?;
        self.upload_shape(t, rows, basis)
    }

    fn download(&self, t: &RingSpec, x: &Block) -> Result<Vec<u64>> {
        checked::block("download", t, x.shape)?;
        self.record_limbs(Kernel::Download, x.shape, 1, 1, 0);
        Ok(vec![0; x.shape.words()])
    }

    fn duplicate(&self, t: &RingSpec, x: &Block) -> Result<Block> {
        checked::block("duplicate", t, x.shape)?;
        let copy = self.block(t, x.shape.rows, x.shape.basis, x.domain)?;
        self.record_limbs(Kernel::Duplicate, x.shape, 1, 1, 1);
        Ok(copy)
    }

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
