//! Key switching and matrix products of the dry run.

use super::check;
use super::counts::{Kernel, Operation, Tally};
use super::device::{Block, Domain, DryRun};
use super::recorder::{Held, Holder};
use crate::backend::{
    Basis, GemmKernels, RingSpec, Shape, SwitchKernels, SwitchKeyData, derived, operands,
};
use crate::error::{Error, Result};

/// The layout of a switching key.
#[derive(Debug)]
pub struct SwitchKey {
    basis: Basis,
    digit_size: usize,
    degree: usize,
    _held: Held,
}

/// The size of a plaintext matrix.
#[derive(Debug)]
pub struct PlainMatrix {
    outputs: usize,
    inputs: usize,
    _held: Held,
}

/// The basis is `q[0..l] p[0..k]` with `l` and `k` at least 1, a digit at least one modulus.
fn check_key_layout(t: &RingSpec, basis: Basis, digit_size: usize) -> Result<()> {
    let op = "load_switch_key";
    check::basis_of_ring(op, t, basis)?;
    let expected = Basis::qp(
        usize::from(basis.hi).max(1),
        usize::from(basis.special).max(1),
    );
    check::same_basis(op, basis, expected)?;
    if digit_size == 0 {
        return check::invalid(op, "digits of 0 moduli: give at least 1");
    }
    Ok(())
}

impl DryRun {
    /// A key as if loaded, without residues: for plans larger than the host.
    pub fn switch_key_shape(
        &self,
        t: &RingSpec,
        basis: Basis,
        digit_size: usize,
    ) -> Result<SwitchKey> {
        check_key_layout(t, basis, digit_size)?;
        let digits = basis.q_len().div_ceil(digit_size);
        let limbs = 2 * digits * basis.limbs();
        let words = limbs * t.degree();
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
        Ok(SwitchKey {
            basis,
            digit_size,
            degree: t.degree(),
            _held: held,
        })
    }

    /// A matrix as if loaded, without entries: for plans larger than the host.
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

    /// Checks digits against a key; the number of polynomials they make up.
    fn digit_rows(
        &self,
        op: &'static str,
        t: &RingSpec,
        digits: &Block,
        key: &SwitchKey,
    ) -> Result<usize> {
        check::block_of_ring(op, t, digits)?;
        check::domain(op, digits, Domain::Evaluations)?;
        let basis = digits.shape.basis;
        let level = usize::from(basis.hi);
        check::same_basis(op, basis, Basis::qp(level, usize::from(key.basis.special)))?;
        self.key_covers(op, key, t, level)?;
        let count = level.div_ceil(key.digit_size);
        if !digits.shape.rows.is_multiple_of(count) {
            let rows = digits.shape.rows;
            return check::invalid(
                op,
                format!("{rows} rows do not make whole sets of {count} digits"),
            );
        }
        Ok(digits.shape.rows / count)
    }

    /// The key is of this ring and holds the moduli of a level, at least one.
    fn key_covers(
        &self,
        op: &'static str,
        key: &SwitchKey,
        t: &RingSpec,
        level: usize,
    ) -> Result<()> {
        if key.degree != t.degree() {
            return check::invalid(
                op,
                format!(
                    "a key of degree {} on a ring of degree {}",
                    key.degree,
                    t.degree()
                ),
            );
        }
        if level == 0 {
            return check::invalid(op, "no moduli left");
        }
        check::contains(op, key.basis, Basis::q(level))
    }
}

impl SwitchKernels for DryRun {
    type SwitchKey = SwitchKey;

    fn load_switch_key(&self, t: &RingSpec, key: &SwitchKeyData<'_>) -> Result<SwitchKey> {
        check_key_layout(t, key.basis, key.digit_size)?;
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
        (key.basis, key.digit_size)
    }

    fn dot_key(&self, t: &RingSpec, digits: &Block, key: &SwitchKey) -> Result<Block> {
        let rows = self.digit_rows("dot_key", t, digits, key)?;
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
        check::block_of_ring("decompose", t, x)?;
        check::ciphertext_basis("decompose", x.shape.basis)?;
        check::domain("decompose", x, Domain::Evaluations)?;
        if digit_size == 0 {
            return check::invalid("decompose", "digits of 0 moduli: give at least 1");
        }
        self.record_operation(Operation::Decompose, x.shape.rows);
        derived::decompose(self, t, x, digit_size, special)
    }

    fn mod_down(&self, t: &RingSpec, x: &Block) -> Result<Block> {
        check::block_of_ring("mod_down", t, x)?;
        check::domain("mod_down", x, Domain::Evaluations)?;
        let basis = x.shape.basis;
        let (level, special) = (usize::from(basis.hi), usize::from(basis.special));
        check::same_basis("mod_down", basis, Basis::qp(level.max(1), special.max(1)))?;
        self.record_operation(Operation::ModDown, x.shape.rows);
        derived::mod_down(self, t, x)
    }

    fn rescale(&self, t: &RingSpec, x: &Block, primes: usize) -> Result<Block> {
        check::block_of_ring("rescale", t, x)?;
        check::ciphertext_basis("rescale", x.shape.basis)?;
        check::domain("rescale", x, Domain::Evaluations)?;
        let have = x.shape.basis.q_len();
        if primes == 0 {
            return check::invalid("rescale", "0 primes to drop: give at least 1");
        }
        if primes >= have {
            return Err(Error::LevelExhausted {
                op: "rescale",
                need: primes,
                have: have - 1,
            });
        }
        self.record_operation(Operation::Rescale, x.shape.rows);
        derived::rescale(self, t, x, primes)
    }

    fn mod_down_and_rescale(&self, t: &RingSpec, x: &Block, primes: usize) -> Result<Block> {
        let op = "mod_down_and_rescale";
        check::block_of_ring(op, t, x)?;
        check::domain(op, x, Domain::Evaluations)?;
        let basis = x.shape.basis;
        let (level, special) = (usize::from(basis.hi), usize::from(basis.special));
        check::same_basis(op, basis, Basis::qp(level.max(1), special.max(1)))?;
        if primes == 0 || primes >= level {
            return check::invalid(op, format!("{primes} primes to drop of {level}"));
        }
        self.record_operation(Operation::ModDown, x.shape.rows);
        self.record_operation(Operation::Rescale, x.shape.rows);
        derived::mod_down_and_rescale(self, t, x, primes)
    }

    fn key_product(&self, t: &RingSpec, x: &Block, key: &SwitchKey) -> Result<Block> {
        check::block_of_ring("key_product", t, x)?;
        check::ciphertext_basis("key_product", x.shape.basis)?;
        self.key_covers("key_product", key, t, x.shape.basis.q_len())?;
        derived::key_product(self, t, x, key)
    }

    fn key_switch(&self, t: &RingSpec, x: &Block, key: &SwitchKey) -> Result<Block> {
        check::block_of_ring("key_switch", t, x)?;
        check::ciphertext_basis("key_switch", x.shape.basis)?;
        self.key_covers("key_switch", key, t, x.shape.basis.q_len())?;
        self.record_operation(Operation::KeySwitch, x.shape.rows);
        derived::key_switch(self, t, x, key)
    }

    fn dot_key_turned(
        &self,
        t: &RingSpec,
        digits: &Block,
        galois: u64,
        key: &SwitchKey,
    ) -> Result<Block> {
        let rows = self.digit_rows("dot_key_turned", t, digits, key)?;
        check::galois("dot_key_turned", t, galois)?;
        self.record_operation(Operation::DotKeyTurned, rows);
        derived::dot_key_turned(self, t, digits, galois, key)
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
        operands::matrix(outputs, inputs, entries)?;
        self.matrix_shape(outputs, inputs)
    }

    fn gemm(&self, t: &RingSpec, w: &PlainMatrix, x: &Block) -> Result<Block> {
        check::block_of_ring("gemm", t, x)?;
        operands::matrix_inputs(w.inputs, x.shape)?;
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
