//! The transform of one prime, taken apart into its two passes.

use super::Prime;
use crate::simd::{Vector, VectorNtt};
use std::ops::Deref;

/// The passes of the transform modulo one prime, over columns and over rows of its words.
///
/// Only vector kernels of long transforms have them: [`Prime::column_transform`] is the one
/// constructor, so a prime with the reference transform cannot be asked for a pass. Kernels that
/// need no transform are those of the prime.
#[derive(Clone, Copy)]
pub struct ColumnTransform<'p> {
    prime: &'p Prime,
    vector: Vector,
    transform: &'p VectorNtt,
}

impl<'p> ColumnTransform<'p> {
    /// The passes of a transform, unless it is a single pass.
    pub(super) fn new(prime: &'p Prime, vector: Vector, transform: &'p VectorNtt) -> Option<Self> {
        (transform.split().0 > 1).then_some(Self {
            prime,
            vector,
            transform,
        })
    }

    /// Rows of the transform, and words of a row.
    pub const fn split(&self) -> (usize, usize) {
        self.transform.split()
    }

    /// `psi^-N` of the conjugate-invariant ring, whose coefficients are folded before
    /// [`ColumnTransform::ntt_column`], see [`super::ntt`].
    pub fn fold(&self) -> Option<u64> {
        self.transform.fold().map(|w| w.value)
    }

    /// Evaluations `x` to coefficients times `factor` in column order: rows of words, in groups of
    /// eight columns, rows inside. Overwrites `x`.
    pub fn intt_to_columns(&self, x: &mut [u64], factor: u64, out: &mut [u64]) {
        self.vector.intt_to_columns(self.transform, x, factor, out);
    }

    /// The first pass of the transform for one group of eight columns, from `columns` (overwritten)
    /// to their positions in `x`.
    pub fn ntt_column(&self, group: usize, columns: &mut [u64], x: &mut [u64]) {
        self.vector.ntt_column(self.transform, group, columns, x);
    }

    /// The second pass of the transform for one row.
    pub fn ntt_block(&self, block: usize, x: &mut [u64]) {
        self.vector.ntt_block(self.transform, block, x);
    }
}

impl<'p> Deref for ColumnTransform<'p> {
    type Target = Prime;

    fn deref(&self) -> &Prime {
        self.prime
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Kernels;
    use crate::options::KernelChoice;
    use ckks_math::backend::{RingKind, RingSpec};

    /// 61 bits are not needed here: any prime that is 1 modulo `2^13`.
    fn prime(kernels: Kernels, log_n: u32) -> Prime {
        let ring = RingSpec::new(RingKind::Standard, log_n, &[40961], &[]).expect("a ring");
        Prime::new(&ring, 0, kernels)
    }

    #[test]
    fn only_long_vector_transforms_come_apart() {
        for log_n in 1..=12 {
            assert!(
                prime(Kernels::Reference, log_n)
                    .column_transform()
                    .is_none()
            );
        }
        let Some(vector) = Vector::detect(KernelChoice::Auto) else {
            return println!("SKIPPED (no vector kernels on this machine)");
        };
        let found = |log_n| {
            prime(Kernels::Vector(vector), log_n)
                .column_transform()
                .is_some()
        };
        assert!(!found(3), "shorter than any vector transform");
        assert!(found(12), "the passes of a transform of 4096 words");
    }

    /// Both passes one after the other are the transform.
    #[test]
    fn the_passes_make_up_the_transform() {
        let Some(vector) = Vector::detect(KernelChoice::Auto) else {
            return println!("SKIPPED (no vector kernels on this machine)");
        };
        let prime = prime(Kernels::Vector(vector), 12);
        let passes = prime.column_transform().expect("a long transform");
        let (rows, words) = passes.split();
        let mut whole: Vec<u64> = (0..4096).map(|i| i * 7 % 40961).collect();
        let mut evaluations = whole.clone();
        prime.ntt(&mut evaluations);
        let (mut columns, mut found) = (vec![0; 4096], vec![0; 4096]);
        passes.intt_to_columns(&mut evaluations.clone(), 1, &mut columns);
        for (group, columns) in columns.chunks_exact_mut(8 * rows).enumerate() {
            passes.ntt_column(group, columns, &mut found);
        }
        for (block, x) in found.chunks_exact_mut(words).enumerate() {
            passes.ntt_block(block, x);
        }
        prime.ntt(&mut whole);
        assert_eq!(found, whole);
    }
}
