//! Key switching and matrix products of the naive backend.

use super::{Block, Fault, Key, Matrix, Naive};
use crate::backend::checked::MatrixShape;
use crate::backend::{
    Basis, GemmKernels, Pointwise, RingKernels, RingSpec, SwitchKernels, SwitchKeyData, checked,
    derived,
};
use crate::error::Result;

impl SwitchKernels for Naive {
    type SwitchKey = Key;

    fn load_switch_key(&self, t: &RingSpec, key: &SwitchKeyData<'_>) -> Result<Key> {
        let shape = checked::switch_key(t, key)?;
        Ok(Key {
            shape,
            b: key.b.to_vec(),
            a: key.a.to_vec(),
            _held: self.hold(2 * key.b.len()),
        })
    }

    fn switch_key_layout(&self, key: &Key) -> (Basis, usize) {
        (key.shape.basis, key.shape.digit_size)
    }

    fn dot_key(&self, t: &RingSpec, digits: &Block, key: &Key) -> Result<Block> {
        let rows = checked::digits("dot_key", t, digits.shape, 1, key.shape)?;
        let basis = digits.shape.basis;
        let count = basis.q_len().div_ceil(key.shape.digit_size);
        let n = t.degree();
        let mut at = Self::positions(t, basis, key.shape.basis);
        if self.has(Fault::KeyLimbsByPosition) {
            at = (0..at.len()).collect();
        }
        let used = count - usize::from(self.has(Fault::SkipsLastDigit) && count > 1);
        let fresh = self.fresh(t, 2 * rows, basis);
        let swapped = self.has(Fault::KeyHalvesSwapped);
        Ok(self.fill(t, 2 * rows, basis, |row, limb, m, j| {
            let half = if (row < rows) != swapped {
                &key.b
            } else {
                &key.a
            };
            let uncleared = fresh.at(row, limb, j);
            let start = if self.has(Fault::AccumulatesIntoFresh) {
                uncleared
            } else {
                0
            };
            (0..used).fold(start, |sum, d| {
                let k = half[(d * key.shape.basis.limbs() + at[limb]) * n + j];
                m.add(sum, m.mul(digits.at(d * rows + row % rows, limb, j), k))
            })
        }))
    }

    fn decompose(
        &self,
        t: &RingSpec,
        x: &Block,
        digit_size: usize,
        special: usize,
    ) -> Result<Block> {
        if self.has(Fault::DecomposeOverride) {
            let floors = Self::new(Some(Fault::QuotientFloors), self.poisoned);
            return derived::decompose(&floors, t, x, digit_size, special);
        }
        derived::decompose(self, t, x, digit_size, special)
    }

    fn mod_down(&self, t: &RingSpec, x: &Block) -> Result<Block> {
        if self.has(Fault::ModDownOverride) {
            let floors = Self::new(Some(Fault::QuotientFloors), self.poisoned);
            return derived::mod_down(&floors, t, x);
        }
        derived::mod_down(self, t, x)
    }

    fn rescale(&self, t: &RingSpec, x: &Block, primes: usize) -> Result<Block> {
        checked::rescale(t, x.shape, primes)?;
        if self.has(Fault::RescaleOverride) {
            let kept = Basis::q(x.shape.basis.q_len() - primes);
            return self.restrict(t, x, 0..x.shape.rows, kept);
        }
        derived::rescale(self, t, x, primes)
    }

    fn mod_down_and_rescale(&self, t: &RingSpec, x: &Block, primes: usize) -> Result<Block> {
        if self.has(Fault::ModDownAndRescaleOverride) {
            return self.rescale(t, &self.mod_down(t, x)?, primes);
        }
        derived::mod_down_and_rescale(self, t, x, primes)
    }

    fn key_product(&self, t: &RingSpec, x: &Block, key: &Key) -> Result<Block> {
        let mut out = derived::key_product(self, t, x, key)?;
        if self.has(Fault::KeyProductOverride) {
            out = self.pointwise(t, Pointwise::Add, &out, &out)?;
        }
        Ok(out)
    }

    fn key_switch(&self, t: &RingSpec, x: &Block, key: &Key) -> Result<Block> {
        let out = derived::key_switch(self, t, x, key)?;
        if self.has(Fault::KeySwitchOverride) {
            let (rows, basis) = (x.shape.rows, x.shape.basis);
            let a = self.restrict(t, &out, rows..2 * rows, basis)?;
            let b = self.restrict(t, &out, 0..rows, basis)?;
            return self.stack(t, &[&a, &b]);
        }
        Ok(out)
    }

    fn dot_key_permuted(
        &self,
        t: &RingSpec,
        digits: &Block,
        galois: u64,
        key: &Key,
    ) -> Result<Block> {
        if self.has(Fault::PermutedOverride) {
            return self.dot_key(t, digits, key);
        }
        derived::dot_key_permuted(self, t, digits, galois, key)
    }
}

impl GemmKernels for Naive {
    type PlainMatrix = Matrix;

    fn load_matrix(
        &self,
        _: &RingSpec,
        outputs: usize,
        inputs: usize,
        entries: &[i64],
    ) -> Result<Matrix> {
        checked::matrix(outputs, inputs, entries)?;
        Ok(Matrix {
            outputs,
            inputs,
            entries: entries.to_vec(),
            _held: self.hold(entries.len()),
        })
    }

    fn gemm(&self, t: &RingSpec, w: &Matrix, x: &Block) -> Result<Block> {
        let shape = MatrixShape::new(t, w.outputs, w.inputs);
        checked::gemm(t, shape, x.shape)?;
        Ok(self.fill(t, w.outputs, x.shape.basis, |row, limb, m, j| {
            (0..w.inputs).fold(0, |sum, i| {
                let entry = if self.has(Fault::GemmTransposed) {
                    w.entries[i * w.outputs + row]
                } else {
                    w.entries[row * w.inputs + i]
                };
                let entry = if self.has(Fault::GemmUnsigned) {
                    m.reduce(entry.unsigned_abs())
                } else {
                    m.reduce_i64(entry)
                };
                m.add(sum, m.mul(entry, x.at(i, limb, j)))
            })
        }))
    }
}
