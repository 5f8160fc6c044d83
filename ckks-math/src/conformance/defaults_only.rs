//! A backend stripped of its overrides.

use crate::backend::{
    Basis, Device, GemmKernels, Limits, MemoryUse, Pointwise, RingKernels, RingSpec, Shape,
    SwitchKernels, SwitchKeyData,
};
use crate::error::Result;
use std::ops::Range;

/// Forwards the required methods of a backend and no other: derived operations run their default
/// bodies on the backend's own blocks.
#[derive(Clone, Debug)]
pub struct DefaultsOnly<B>(pub B);

impl<B: Device> Device for DefaultsOnly<B> {
    type Block = B::Block;
    type Tables = B::Tables;

    fn name(&self) -> String {
        format!("{}, default bodies only", self.0.name())
    }

    fn limits(&self) -> Limits {
        self.0.limits()
    }

    fn memory(&self) -> MemoryUse {
        self.0.memory()
    }

    fn tables(&self, ring: &RingSpec) -> Result<B::Tables> {
        self.0.tables(ring)
    }

    fn ring<'t>(&self, t: &'t B::Tables) -> &'t RingSpec {
        self.0.ring(t)
    }

    fn shape(&self, x: &B::Block) -> Shape {
        self.0.shape(x)
    }

    fn alloc(&self, t: &B::Tables, rows: usize, basis: Basis) -> Result<B::Block> {
        self.0.alloc(t, rows, basis)
    }

    fn upload(
        &self,
        t: &B::Tables,
        rows: usize,
        basis: Basis,
        residues: &[u64],
    ) -> Result<B::Block> {
        self.0.upload(t, rows, basis, residues)
    }

    fn download(&self, t: &B::Tables, x: &B::Block) -> Result<Vec<u64>> {
        self.0.download(t, x)
    }

    fn duplicate(&self, t: &B::Tables, x: &B::Block) -> Result<B::Block> {
        self.0.duplicate(t, x)
    }

    fn synchronize(&self) -> Result<()> {
        self.0.synchronize()
    }

    fn fork(&self) -> Result<Self> {
        self.0.fork().map(Self)
    }

    fn join(&self, other: &Self) -> Result<()> {
        self.0.join(&other.0)
    }
}

impl<B: RingKernels> RingKernels for DefaultsOnly<B> {
    fn ntt(&self, t: &B::Tables, x: &mut B::Block) -> Result<()> {
        self.0.ntt(t, x)
    }

    fn intt(&self, t: &B::Tables, x: &mut B::Block) -> Result<()> {
        self.0.intt(t, x)
    }

    fn pointwise(
        &self,
        t: &B::Tables,
        op: Pointwise,
        x: &B::Block,
        y: &B::Block,
    ) -> Result<B::Block> {
        self.0.pointwise(t, op, x, y)
    }

    fn pointwise_assign(
        &self,
        t: &B::Tables,
        op: Pointwise,
        x: &mut B::Block,
        y: &B::Block,
    ) -> Result<()> {
        self.0.pointwise_assign(t, op, x, y)
    }

    fn multiply_accumulate(
        &self,
        t: &B::Tables,
        acc: &mut B::Block,
        x: &B::Block,
        y: &B::Block,
    ) -> Result<()> {
        self.0.multiply_accumulate(t, acc, x, y)
    }

    fn scale_limbs(&self, t: &B::Tables, x: &mut B::Block, constants: &[u64]) -> Result<()> {
        self.0.scale_limbs(t, x, constants)
    }

    fn offset_limbs(
        &self,
        t: &B::Tables,
        x: &mut B::Block,
        rows: Range<usize>,
        constants: &[u64],
    ) -> Result<()> {
        self.0.offset_limbs(t, x, rows, constants)
    }

    fn combine(
        &self,
        t: &B::Tables,
        basis: Basis,
        xs: &[&B::Block],
        constants: &[Vec<u64>],
    ) -> Result<B::Block> {
        self.0.combine(t, basis, xs, constants)
    }

    fn automorphism(&self, t: &B::Tables, x: &B::Block, galois: u64) -> Result<B::Block> {
        self.0.automorphism(t, x, galois)
    }

    fn restrict(
        &self,
        t: &B::Tables,
        x: &B::Block,
        rows: Range<usize>,
        basis: Basis,
    ) -> Result<B::Block> {
        self.0.restrict(t, x, rows, basis)
    }

    fn stack(&self, t: &B::Tables, xs: &[&B::Block]) -> Result<B::Block> {
        self.0.stack(t, xs)
    }

    fn base_convert(&self, t: &B::Tables, x: &B::Block, to: Basis) -> Result<B::Block> {
        self.0.base_convert(t, x, to)
    }
}

impl<B: SwitchKernels> SwitchKernels for DefaultsOnly<B> {
    type SwitchKey = B::SwitchKey;

    fn load_switch_key(&self, t: &B::Tables, key: &SwitchKeyData<'_>) -> Result<B::SwitchKey> {
        self.0.load_switch_key(t, key)
    }

    fn switch_key_layout(&self, key: &B::SwitchKey) -> (Basis, usize) {
        self.0.switch_key_layout(key)
    }

    fn dot_key(&self, t: &B::Tables, digits: &B::Block, key: &B::SwitchKey) -> Result<B::Block> {
        self.0.dot_key(t, digits, key)
    }
}

impl<B: GemmKernels> GemmKernels for DefaultsOnly<B> {
    type PlainMatrix = B::PlainMatrix;

    fn load_matrix(
        &self,
        t: &B::Tables,
        outputs: usize,
        inputs: usize,
        entries: &[i64],
    ) -> Result<B::PlainMatrix> {
        self.0.load_matrix(t, outputs, inputs, entries)
    }

    fn gemm(&self, t: &B::Tables, w: &B::PlainMatrix, x: &B::Block) -> Result<B::Block> {
        self.0.gemm(t, w, x)
    }
}
