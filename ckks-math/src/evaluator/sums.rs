//! Sums of a ciphertext and its rotations.
//!
//! A sum over `2^k` slots takes `k` doublings `x <- x + rot(x, s)`, each a key switch. Two of them
//! in one, `x + rot(x, s) + rot(x, t) + rot(x, s + t)`, share decomposition and division by `P`
//! (hoisting [Halevi-Shoup 2018; Bossuat-Mouchet-Troncoso-Hubaux 2021]) and take three products
//! with a key in place of two: about three quarters of the time for one key more. Three in one
//! would take seven.

use super::Evaluator;
use crate::backend::{Backend, Pointwise};
use crate::ciphertext::Ciphertext;
use crate::error::{Error, Result};

/// The rotations that [`Evaluator::doublings`] by `steps` needs keys for, those of each key switch
/// together.
pub fn doubling_rotations(steps: &[i64]) -> Vec<Vec<i64>> {
    let together = |pair: &[i64]| match *pair {
        [s, t] => vec![s, t, s + t],
        _ => pair.to_vec(),
    };
    steps.chunks(2).map(together).collect()
}

impl<B: Backend> Evaluator<B> {
    /// `x <- x + rot(x, s)` for each `s` of `steps` in turn, two in one key switch. Keys:
    /// [`doubling_rotations`]. Level and scale stay.
    ///
    /// # Errors
    /// As [`Evaluator::rotate`].
    pub fn doublings(&self, x: &Ciphertext<B>, steps: &[i64]) -> Result<Ciphertext<B>> {
        let mut sum = x.clone();
        for rotations in doubling_rotations(steps) {
            sum = self.add_rotations(&sum, &rotations)?;
        }
        Ok(sum)
    }

    /// Sums over `count` slots that are `stride` apart, cyclically: slot `j` of the result is
    /// `sum_{i < count} x[j + i * stride]`. `count` is a power of two, `stride` at least 1. Keys:
    /// [`doubling_rotations`] of `stride, 2 stride, 4 stride, ..` below `count * stride`. Level and
    /// scale stay.
    ///
    /// # Errors
    /// [`Error::SlotMismatch`] for a count that is no power of two, a stride of 0, or more slots
    /// than `x` has; and as [`Evaluator::rotate`].
    pub fn inner_sum(
        &self,
        x: &Ciphertext<B>,
        stride: usize,
        count: usize,
    ) -> Result<Ciphertext<B>> {
        let reach = stride.saturating_mul(count);
        if !count.is_power_of_two() || stride == 0 || reach > x.slots {
            return Err(Error::SlotMismatch {
                op: "inner_sum (count a power of two, stride from 1, both within the slots)",
                found: reach,
                expected: x.slots,
            });
        }
        let doublings = count.trailing_zeros();
        let steps: Vec<i64> = (0..doublings).map(|i| (stride as i64) << i).collect();
        self.doublings(x, &steps)
    }

    /// `x` and its rotations by `steps`, summed: one decomposition, one division by `P`.
    fn add_rotations(&self, x: &Ciphertext<B>, steps: &[i64]) -> Result<Ciphertext<B>> {
        let (backend, t) = (self.backend(), self.tables());
        let permuted: Vec<i64> = steps
            .iter()
            .copied()
            .filter(|s| s.rem_euclid(x.slots as i64) != 0)
            .collect();
        let basis = x.poly.shape(backend).basis;
        let constant = backend.restrict(t, &x.poly.block, 0..x.count, basis)?;
        let hoisted = self.hoist(x)?;
        // What meets no key: the operand, once for itself and once for each step of whole periods.
        let mut rest = backend.duplicate(t, &x.poly.block)?;
        for _ in permuted.len()..steps.len() {
            backend.pointwise_assign(t, Pointwise::Add, &mut rest, &x.poly.block)?;
        }
        let mut switched: Option<B::Block> = None;
        for step in permuted {
            let galois = self.galois_of(x, step);
            let key =
                self.keys
                    .galois_of_level(&self.context, "sum of rotations", galois, x.level)?;
            let product = self.permute_hoisted(&hoisted, galois, &key)?;
            self.add_sum(&mut switched, Some(product))?;
            let constant = backend.automorphism(t, &constant, galois.get())?;
            backend.add_rows(t, &mut rest, 0, &constant)?;
        }
        let block = match switched {
            Some(switched) => {
                let mut sum = backend.mod_down(t, &switched)?;
                backend.pointwise_assign(t, Pointwise::Add, &mut sum, &rest)?;
                sum
            }
            None => rest,
        };
        Ok(self.wrap(block, x))
    }
}

#[cfg(test)]
mod tests {
    use super::doubling_rotations;

    #[test]
    fn two_doublings_are_one_switch_with_three_keys() {
        assert_eq!(doubling_rotations(&[]), Vec::<Vec<i64>>::new());
        assert_eq!(doubling_rotations(&[4]), [vec![4]]);
        assert_eq!(
            doubling_rotations(&[-1, -2, -4]),
            [vec![-1, -2, -3], vec![-4]]
        );
    }
}
