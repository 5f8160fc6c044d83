//! A slow backend without tricks, with faults that can be planted to see the suite catch them.

mod convert;
mod ring;
mod switching;

pub(super) use super::fault::Fault;
use crate::arith::Modulus;
use crate::backend::checked::KeyShape;
use crate::backend::{Basis, Device, Limits, MemoryUse, RingSpec, Shape, checked};
use crate::error::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The naive backend.
#[derive(Clone, Debug)]
pub(super) struct Naive {
    pub fault: Option<Fault>,
    pub poisoned: bool,
    pub max_modulus_bits: u32,
    live: Arc<AtomicU64>,
    peak: Arc<AtomicU64>,
}

/// Bytes that count as live until dropped.
struct Held {
    bytes: u64,
    leaks: bool,
    live: Arc<AtomicU64>,
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.leaks {
            self.live.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

pub(super) struct Block {
    shape: Shape,
    data: Vec<u64>,
    _held: Held,
}

pub(super) struct Key {
    shape: KeyShape,
    b: Vec<u64>,
    a: Vec<u64>,
    _held: Held,
}

pub(super) struct Matrix {
    outputs: usize,
    inputs: usize,
    entries: Vec<i64>,
    _held: Held,
}

impl Naive {
    pub fn new(fault: Option<Fault>, poisoned: bool) -> Self {
        Self {
            fault,
            poisoned,
            max_modulus_bits: 61,
            live: Arc::default(),
            peak: Arc::default(),
        }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn hold(&self, words: usize) -> Held {
        let bytes = 8 * words as u64;
        let live = self.live.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.peak.fetch_max(live, Ordering::Relaxed);
        Held {
            bytes,
            leaks: self.has(Fault::MemoryLeaks),
            live: self.live.clone(),
        }
    }

    /// A block whose memory was not cleared.
    fn fresh(&self, ring: &RingSpec, rows: usize, basis: Basis) -> Block {
        let degree = ring.degree();
        let shape = Shape {
            rows,
            basis,
            degree,
        };
        Block {
            shape,
            data: vec![if self.poisoned { 3 } else { 0 }; shape.words()],
            _held: self.hold(shape.words()),
        }
    }

    /// A block by a function of row, limb, modulus and position.
    fn fill(
        &self,
        ring: &RingSpec,
        rows: usize,
        basis: Basis,
        f: impl Fn(usize, usize, Modulus, usize) -> u64,
    ) -> Block {
        let mut out = self.fresh(ring, rows, basis);
        let n = ring.degree();
        let moduli: Vec<Modulus> = ring.moduli(basis).collect();
        for row in 0..rows {
            for (limb, &m) in moduli.iter().enumerate() {
                for j in 0..n {
                    out.data[(row * moduli.len() + limb) * n + j] = f(row, limb, m, j);
                }
            }
        }
        out
    }

    /// Where the limbs of `of` stand in blocks over `from`.
    fn positions(ring: &RingSpec, of: Basis, from: Basis) -> Vec<usize> {
        let held: Vec<usize> = from.prime_indices(ring.q().len()).collect();
        of.prime_indices(ring.q().len())
            .map(|prime| held.iter().position(|&h| h == prime).expect("contained"))
            .collect()
    }

    /// Transforms each limb by `f(limb, prime)`.
    fn each_limb(ring: &RingSpec, x: &mut Block, f: impl Fn(&mut Vec<u64>, usize)) {
        let primes: Vec<usize> = x.shape.basis.prime_indices(ring.q().len()).collect();
        for (i, limb) in x.data.chunks_mut(ring.degree()).enumerate() {
            let mut values = limb.to_vec();
            f(&mut values, primes[i % primes.len()]);
            limb.copy_from_slice(&values);
        }
    }
}

impl Block {
    fn at(&self, row: usize, limb: usize, j: usize) -> u64 {
        self.data[(row * self.shape.basis.limbs() + limb) * self.shape.degree + j]
    }
}

impl Device for Naive {
    type Block = Block;
    type Tables = RingSpec;

    fn name(&self) -> String {
        format!("naive ({:?}, poisoned: {})", self.fault, self.poisoned)
    }

    fn limits(&self) -> Limits {
        Limits {
            max_modulus_bits: self.max_modulus_bits,
            max_degree: 1 << 12,
        }
    }

    fn memory(&self) -> MemoryUse {
        MemoryUse {
            live: self.live.load(Ordering::Relaxed),
            pooled: 0,
            peak: self.peak.load(Ordering::Relaxed),
        }
    }

    fn tables(&self, ring: &RingSpec) -> Result<RingSpec> {
        let limits = self.limits();
        let long = |m: &Modulus| m.bits() > limits.max_modulus_bits;
        let outside =
            ring.degree() > limits.max_degree || ring.q().iter().chain(ring.p()).any(long);
        if outside && !self.has(Fault::LimitsIgnored) {
            return Err(Error::Unsupported {
                backend: self.name(),
                what: format!("a ring outside {limits:?}"),
                way_out: "choose a smaller one".into(),
            });
        }
        Ok(ring.clone())
    }

    fn ring<'t>(&self, t: &'t RingSpec) -> &'t RingSpec {
        t
    }

    fn shape(&self, x: &Block) -> Shape {
        x.shape
    }

    fn alloc(&self, t: &RingSpec, rows: usize, basis: Basis) -> Result<Block> {
        checked::shape("alloc", t, rows, basis)?;
        Ok(self.fill(t, rows, basis, |_, _, _, _| 0))
    }

    fn upload(&self, t: &RingSpec, rows: usize, basis: Basis, residues: &[u64]) -> Result<Block> {
        checked::upload(t, rows, basis, residues)?;
        let per_row = basis.limbs() * t.degree();
        Ok(self.fill(t, rows, basis, |row, limb, _, j| {
            let row = if self.has(Fault::UploadRepeatsFirstRow) {
                0
            } else {
                row
            };
            residues[row * per_row + limb * t.degree() + j]
        }))
    }

    fn download(&self, t: &RingSpec, x: &Block) -> Result<Vec<u64>> {
        checked::block("download", t, x.shape)?;
        Ok(x.data.clone())
    }

    fn duplicate(&self, t: &RingSpec, x: &Block) -> Result<Block> {
        checked::block("duplicate", t, x.shape)?;
        let lost = self.has(Fault::DuplicateLost);
        Ok(
            self.fill(t, x.shape.rows, x.shape.basis, |row, limb, _, j| {
                if lost { 0 } else { x.at(row, limb, j) }
            }),
        )
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
