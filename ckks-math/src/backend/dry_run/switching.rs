//! Key switching and matrix products of the dry run.

use super::check;
use super::counts::{Kernel, Operation, Tally};
use super::device::{Block, Domain, DryRun};
use super::recorder::{Held, Holder};
use crate::backend::checked::{KeyShape, MatrixShape};
use crate::backend::{
    Basis, GemmKernels, RingSpec, Shape, SwitchKernels, SwitchKeyData, checked, derived,
};
use crate::error::Result;

/// The layout of a switching key.
#[derive(Debug)]
pub struct SwitchKey {
    shape: KeyShape,
    _held: Held,
}

/// The size of a plaintext matrix.
#[derive(Debug)]
pub struct PlainMatrix {
    outputs: usize,
    inputs: usize,
    _held: Held,
}

impl DryRun {
    /// A key as if loaded, without residues: for plans larger than the host.
    ///
    /// # Errors
    /// As [`KeyShape::new`]; [`crate::Error::OutOfMemory`] beyond the capacity.
    pub fn switch_key_shape(
        &self,
        t: &RingSpec,
        basis: Basis,
        digit_size: usize,
    ) -> Result<SwitchKey> {
        let shape = KeyShape::new(t, basis, digit_size)?;
        let (digits, words) = (shape.digits(), 2 * shape.half_words());
        let limbs = 2 * digits * basis.limbs();
        let held = self.hold(Holder::Key, self.bytes(words))?;
        self.record(
            Kernel::LoadSwitchKey,
            Tally {
                calls: 1,
                polynomials: 2 * digits as u64,
                limbs: limbs as u64,
                steps: words as u64,
                bytes_read: 0,
                bytes_written: self.bytes(words),
            },
        );
        Ok(SwitchKey { shape, _held: held })
    }

    /// A matrix as if loaded, without entries: for plans larger than the host.
    ///
    /// # Errors
    /// [`crate::Error::InvalidParameters`] for an empty matrix; [`crate::Error::OutOfMemory`]
    /// beyond the capacity.
    pub fn matrix_shape(&self, outputs: usize, inputs: usize) -> Result<PlainMatrix> {
        if outputs == 0 || inputs == 0 {
            return check::invalid(
                "load_matrix",
                format!("an empty matrix {outputs} x {inputs}"),
            );
        }
        let entries = (outputs * inputs) as u64;
        let bytes = entries * size_of::<i64>() as u64;
        let held = self.hold(Holder::Matrix, bytes)?;
        self.record(
            Kernel::LoadMatrix,
            Tally {
                calls: 1,
                polynomials: 0,
                limbs: entries,
                steps: entries,
                bytes_read: 0,
                bytes_written: bytes,
            },
        );
        Ok(PlainMatrix {
            outputs,
            inputs,
            _held: held,
        })
    }
}

impl SwitchKernels for DryRun {
    type SwitchKey = SwitchKey;

    fn load_switch_key(&self, t: &RingSpec, key: &SwitchKeyData<'_>) -> Result<SwitchKey> {
        checked::switch_key(t, key)?;
        let shape = Shape {
            rows: key.digits(),
            basis: key.basis,
            degree: t.degree(),
        };
        check::residues("load_switch_key", t, shape, key.b)?;
        check::residues("load_switch_key", t, shape, key.a)?;
        self.switch_key_shape(t, key.basis, key.digit_size)
    }

    fn switch_key_layout(&self, key: &SwitchKey) -> (Basis, usize) {
        (key.shape.basis, key.shape.digit_size)
    }

    fn dot_key(&self, t: &RingSpec, digits: &Block, key: &SwitchKey) -> Result<Block> {
        let rows = checked::digits("dot_key", t, digits.shape, 1, key.shape)?;
        check::domain("dot_key", digits, Domain::Evaluations)?;
        let basis = digits.shape.basis;
        let out = self.block(t, 2 * rows, basis, Domain::Evaluations)?;
        let products = 2 * digits.shape.rows * basis.limbs();
        let count = digits.shape.rows.checked_div(rows).unwrap_or(0);
        let key_words = 2 * count * basis.limbs() * t.degree();
        self.record(
            Kernel::DotKey,
            Tally {
                calls: 1,
                polynomials: rows as u64,
                limbs: products as u64,
                steps: (products * t.degree()) as u64,
                bytes_read: self.bytes(digits.shape.words() + key_words),
                bytes_written: self.bytes(out.shape.words()),
            },
        );
        Ok(out)
    }

    fn decompose(
        &self,
        t: &RingSpec,
        x: &Block,
        digit_size: usize,
        special: usize,
    ) -> Result<Block> {
        checked::decompose(t, x.shape, digit_size, special)?;
        check::domain("decompose", x, Domain::Evaluations)?;
        self.record_operation(Operation::Decompose, x.shape.rows);
        derived::decompose(self, t, x, digit_size, special)
    }

    fn mod_down(&self, t: &RingSpec, x: &Block) -> Result<Block> {
        checked::mod_down(t, x.shape)?;
        check::domain("mod_down", x, Domain::Evaluations)?;
        self.record_operation(Operation::ModDown, x.shape.rows);
        derived::mod_down(self, t, x)
    }

    fn rescale(&self, t: &RingSpec, x: &Block, primes: usize) -> Result<Block> {
        checked::rescale(t, x.shape, primes)?;
        check::domain("rescale", x, Domain::Evaluations)?;
        self.record_operation(Operation::Rescale, x.shape.rows);
        derived::rescale(self, t, x, primes)
    }

    fn mod_down_and_rescale(&self, t: &RingSpec, x: &Block, primes: usize) -> Result<Block> {
        checked::mod_down_and_rescale(t, x.shape, primes)?;
        check::domain("mod_down_and_rescale", x, Domain::Evaluations)?;
        self.record_operation(Operation::ModDown, x.shape.rows);
        self.record_operation(Operation::Rescale, x.shape.rows);
        derived::mod_down_and_rescale(self, t, x, primes)
    }

    fn key_product(&self, t: &RingSpec, x: &Block, key: &SwitchKey) -> Result<Block> {
        checked::key_product("key_product", t, x.shape, key.shape)?;
        derived::key_product(self, t, x, key)
    }

    fn key_switch(&self, t: &RingSpec, x: &Block, key: &SwitchKey) -> Result<Block> {
        checked::key_product("key_switch", t, x.shape, key.shape)?;
        self.record_operation(Operation::KeySwitch, x.shape.rows);
        derived::key_switch(self, t, x, key)
    }

    fn dot_key_permuted(
        &self,
        t: &RingSpec,
        digits: &Block,
        galois: u64,
        key: &SwitchKey,
    ) -> Result<Block> {
        let rows = checked::digits("dot_key_permuted", t, digits.shape, galois, key.shape)?;
        check::domain("dot_key_permuted", digits, Domain::Evaluations)?;
        self.record_operation(Operation::DotKeyPermuted, rows);
        derived::dot_key_permuted(self, t, digits, galois, key)
    }
}

impl GemmKernels for DryRun {
    type PlainMatrix = PlainMatrix;

    fn load_matrix(
        &self,
        _: &RingSpec,
        outputs: usize,
        inputs: usize,
        entries: &[i64],
    ) -> Result<PlainMatrix> {
        checked::matrix(outputs, inputs, entries)?;
        self.matrix_shape(outputs, inputs)
    }

    fn gemm(&self, t: &RingSpec, w: &PlainMatrix, x: &Block) -> Result<Block> {
        checked::gemm(t, MatrixShape::new(t, w.outputs, w.inputs), x.shape)?;
        let out = self.block(t, w.outputs, x.shape.basis, x.domain)?;
        let products = w.outputs * w.inputs * x.shape.basis.limbs();
        self.record(
            Kernel::Gemm,
            Tally {
                calls: 1,
                polynomials: w.outputs as u64,
                limbs: products as u64,
                steps: (products * t.degree()) as u64,
                bytes_read: self.bytes(x.shape.words())
                    + (w.outputs * w.inputs * size_of::<i64>()) as u64,
                bytes_written: self.bytes(out.shape.words()),
            },
        );
        Ok(out)
    }
}
