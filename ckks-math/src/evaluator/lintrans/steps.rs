//! Baby steps, inner sums and giant steps of a transform.

use super::encoded::{Diagonals, EncodedLinearTransform};
use crate::backend::{Backend, Permuted, Pointwise};
use crate::ciphertext::Ciphertext;
use crate::error::Result;
use crate::evaluator::Evaluator;
use std::collections::{BTreeMap, VecDeque};

/// Inner sums made in one pass over the baby steps, from resident diagonals.
const TOGETHER: usize = 4;

/// The rotations of an operand by the baby amounts, times `P`, over `QP`.
pub(super) struct BabySteps<B: Backend> {
    rotations: Vec<B::Block>,
    /// Where to find the rotation by an amount.
    index: BTreeMap<usize, usize>,
}

impl<B: Backend> BabySteps<B> {
    /// All rotations by some amounts, of one decomposition; level and scale are those of `x`.
    ///
    /// # Errors
    /// As [`Evaluator::rotate`].
    pub fn new(
        ev: &Evaluator<B>,
        x: &Ciphertext<B>,
        amounts: impl Iterator<Item = usize>,
    ) -> Result<Self> {
        let (backend, t) = (ev.backend(), ev.tables());
        let wide = ev.switching_basis(x.level);
        let mut steps = Self {
            rotations: Vec::new(),
            index: BTreeMap::new(),
        };
        let hoisted = ev.hoist(x)?;
        for amount in amounts {
            if steps.index.contains_key(&amount) {
                continue;
            }
            let rotation = if amount == 0 {
                let mut whole = backend.alloc(t, 2 * x.count, wide)?;
                let rows = Permuted::rows(&x.poly.block, 0..2 * x.count);
                ev.add_times_p(&mut whole, &rows, 1.0)?;
                whole
            } else {
                let galois = ev.galois_of(x, amount as i64);
                let key = ev
                    .keys()
                    .galois_of_level(ev.context(), "transform", galois, x.level)?;
                let mut permuted = ev.permute_hoisted(&hoisted, galois, &key)?;
                let constant = Permuted::rows(&x.poly.block, 0..x.count).by(galois.get());
                ev.add_times_p(&mut permuted, &constant, 1.0)?;
                permuted
            };
            steps.index.insert(amount, steps.rotations.len());
            steps.rotations.push(rotation);
        }
        Ok(steps)
    }
}

/// The inner sums `sum_b d_{g,b} * rot_b(in)` of giant steps, in a given order.
pub(super) struct InnerSums<'a, B: Backend> {
    ev: &'a Evaluator<B>,
    babies: &'a BabySteps<B>,
    transform: &'a EncodedLinearTransform<B>,
    /// Giants still to come.
    order: VecDeque<usize>,
    ready: VecDeque<B::Block>,
}

impl<'a, B: Backend> InnerSums<'a, B> {
    pub fn new(
        ev: &'a Evaluator<B>,
        babies: &'a BabySteps<B>,
        transform: &'a EncodedLinearTransform<B>,
        order: VecDeque<usize>,
    ) -> Self {
        Self {
            ev,
            babies,
            transform,
            order,
            ready: VecDeque::new(),
        }
    }

    /// Whether there is a sum left.
    pub fn more(&self) -> bool {
        !self.ready.is_empty() || !self.order.is_empty()
    }

    /// The next sum, as many rows as the operand has, in the basis `QP`; `None` for one without
    /// terms, and after the last.
    ///
    /// # Errors
    /// [`Error::Encoding`](crate::Error::Encoding) for diagonals that do not become residues, and
    /// what the device reports.
    pub fn next(&mut self) -> Result<Option<B::Block>> {
        if self.ready.is_empty() {
            match &self.transform.diagonals {
                Diagonals::Device(block, words) => {
                    let count = TOGETHER.min(self.order.len());
                    let giants: Vec<_> = self.order.drain(..count).collect();
                    self.make(&giants, block, *words, 0)?;
                }
                Diagonals::Host(_) | Diagonals::Counted(_) => {
                    let Some(giant) = self.order.pop_front() else {
                        return Ok(None);
                    };
                    // The diagonals of a giant step are consecutive.
                    let terms = &self.transform.giants[giant].1;
                    let Some(&(_, first)) = terms.first() else {
                        return Ok(None);
                    };
                    let (block, words) = self.lift(first, terms.len())?;
                    self.make(&[giant], &block, words, first)?;
                }
            }
        }
        Ok(self.ready.pop_front())
    }

    /// Compact evaluations of `count` diagonals from number `first` on, with the words of each.
    fn lift(&self, first: usize, count: usize) -> Result<(B::Block, usize)> {
        let context = self.ev.context();
        let basis = self.ev.switching_basis(self.transform.level);
        match &self.transform.diagonals {
            Diagonals::Host(polynomials) => {
                let some: Vec<_> = polynomials[first..][..count].iter().collect();
                context.lift_compact(&some, basis)
            }
            Diagonals::Device(_, words) | Diagonals::Counted(words) => {
                let (backend, t) = (self.ev.backend(), self.ev.tables());
                let block = backend.embed_compact_zeros(t, basis, count, *words)?;
                Ok((block, *words))
            }
        }
    }

    /// Makes the sums of some giants, from diagonals on the device of which the first is number
    /// `first` of the transform.
    fn make(
        &mut self,
        giants: &[usize],
        diagonals: &B::Block,
        words: usize,
        first: usize,
    ) -> Result<()> {
        let (backend, t) = (self.ev.backend(), self.ev.tables());
        let index = &self.babies.index;
        let pairs: Vec<Vec<_>> = giants
            .iter()
            .map(|&giant| {
                let terms = self.transform.giants[giant].1.iter();
                terms
                    .filter_map(|(baby, d)| Some((*index.get(baby)?, d - first)))
                    .collect()
            })
            .collect();
        let rotations: Vec<_> = self.babies.rotations.iter().collect();
        if !rotations.is_empty() {
            let sums = backend.sum_products(t, &rotations, diagonals, words, &pairs)?;
            self.ready.extend(sums);
        }
        Ok(())
    }
}

impl<B: Backend> Evaluator<B> {
    /// Rotates a sum over `QP` by a giant step.
    pub(super) fn giant_step(
        &self,
        x: &Ciphertext<B>,
        sum: Option<B::Block>,
        giant: usize,
    ) -> Result<Option<B::Block>> {
        let Some(sum) = sum else {
            return Ok(None);
        };
        let (backend, t) = (self.backend(), self.tables());
        let k = x.count;
        let galois = self.galois_of(x, giant as i64);
        let key = self
            .keys()
            .galois_of_level(self.context(), "transform", galois, x.level)?;
        let basis = backend.shape(&sum).basis;
        let linear = backend.restrict(t, &sum, k..2 * k, basis)?;
        let linear = backend.automorphism(t, &backend.mod_down(t, &linear)?, galois.get())?;
        let mut permuted = backend.key_product(t, &linear, &key)?;
        self.add_permuted(&mut permuted, &Permuted::rows(&sum, 0..k).by(galois.get()))?;
        Ok(Some(permuted))
    }

    /// `sum <- sum + y`.
    pub(in crate::evaluator) fn add_sum(
        &self,
        sum: &mut Option<B::Block>,
        y: Option<B::Block>,
    ) -> Result<()> {
        match (sum.as_mut(), y) {
            (_, None) => {}
            (None, some) => *sum = some,
            (Some(sum), Some(y)) => {
                self.backend()
                    .pointwise_assign(self.tables(), Pointwise::Add, sum, &y)?;
            }
        }
        Ok(())
    }
}
