//! Residues on the host, addressed by row and prime.

use crate::backend::{Basis, RingSpec, Shape};
use crate::conformance::{Verdict, Violation};

/// Residues `[rows, limbs, N]` on the host.
///
/// Limbs are addressed by the index of their prime in `q` followed by `p`, so that an oracle reads
/// the right limb whatever else the basis holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostBlock {
    shape: Shape,
    primes: Vec<usize>,
    residues: Vec<u64>,
}

impl HostBlock {
    /// Wraps residues; `None` when their number does not fit the shape.
    pub fn new(ring: &RingSpec, rows: usize, basis: Basis, residues: Vec<u64>) -> Option<Self> {
        let shape = Shape {
            rows,
            basis,
            degree: ring.degree(),
        };
        (residues.len() == shape.words()).then(|| Self {
            shape,
            primes: basis.prime_indices(ring.q().len()).collect(),
            residues,
        })
    }

    /// Residues by a function of row, index of the prime and position.
    pub fn build(
        ring: &RingSpec,
        rows: usize,
        basis: Basis,
        mut residue: impl FnMut(usize, usize, usize) -> u64,
    ) -> Self {
        Self::build_limbs(ring, rows, basis, |row, prime| {
            (0..ring.degree()).map(|j| residue(row, prime, j)).collect()
        })
    }

    /// Residues by a function of row and index of the prime that gives a whole limb.
    pub fn build_limbs(
        ring: &RingSpec,
        rows: usize,
        basis: Basis,
        mut limb: impl FnMut(usize, usize) -> Vec<u64>,
    ) -> Self {
        let primes: Vec<usize> = basis.prime_indices(ring.q().len()).collect();
        let mut residues = Vec::new();
        for row in 0..rows {
            for &prime in &primes {
                residues.extend(limb(row, prime));
            }
        }
        let shape = Shape {
            rows,
            basis,
            degree: ring.degree(),
        };
        Self {
            shape,
            primes,
            residues,
        }
    }

    /// Rows, basis and degree.
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// All residues in the order of [`crate::backend::Device::upload`].
    pub fn residues(&self) -> &[u64] {
        &self.residues
    }

    /// Index of the prime of each limb.
    pub fn primes(&self) -> &[usize] {
        &self.primes
    }

    /// The limb of a row for a prime.
    ///
    /// # Panics
    /// When the block has no limb for the prime: a fault of the law that asks.
    pub fn limb(&self, row: usize, prime: usize) -> &[u64] {
        let position = self.primes.iter().position(|&p| p == prime);
        let position = position.expect("the law reads primes of the basis");
        let start = (row * self.primes.len() + position) * self.shape.degree;
        &self.residues[start..start + self.shape.degree]
    }

    /// Residue `j` of a row for each of some primes.
    pub fn column(&self, row: usize, primes: &[usize], j: usize) -> Vec<u64> {
        primes.iter().map(|&p| self.limb(row, p)[j]).collect()
    }

    /// Fails unless both shape and residues are those expected; names the first difference.
    pub fn expect_equal(&self, what: &str, expected: &Self) -> Verdict {
        if self.shape != expected.shape {
            return Err(Violation::new(format!(
                "{what}: shape {} where {} is expected",
                self.shape, expected.shape
            )));
        }
        let pairs = self.residues.iter().zip(&expected.residues);
        let Some((i, (found, wanted))) = pairs.enumerate().find(|(_, (a, b))| a != b) else {
            return Ok(());
        };
        let (limb, position) = (i / self.shape.degree, i % self.shape.degree);
        Err(Violation::new(format!(
            "{what}: {found} where {wanted} is expected, row {}, limb {}, position {position} of {}",
            limb / self.primes.len(),
            limb % self.primes.len(),
            self.shape
        )))
    }
}
