//! Baby steps, inner sums and giant steps of a transform.

use super::encoded::{Diagonals, EncodedTransform};
use crate::backend::{Backend, Pointwise};
use crate::ciphertext::Ciphertext;
use crate::error::Result;
use crate::evaluator::Evaluator;
use std::collections::{BTreeMap, VecDeque};

/// Inner sums made in one pass over the baby steps, from resident diagonals.
const TOGETHER: usize = 4;

/// A sum under construction: rows over `Q`, and rows over `QP` still to be divided by `P`.
pub(super) struct Sum<B: Backend> {
    pub constant: Option<B::Block>,
    pub linear: Option<B::Block>,
    pub switched: Option<B::Block>,
}

impl<B: Backend> Default for Sum<B> {
    fn default() -> Self {
        Self {
            constant: None,
            linear: None,
            switched: None,
        }
    }
}

/// The rotations of an operand by the baby amounts, not yet divided by `P`.
pub(super) struct BabySteps<B: Backend> {
    /// Constant rows over `Q`: those of the operand, then those of each rotation.
    constant: Vec<B::Block>,
    /// Linear rows of the operand over `Q`.
    linear: B::Block,
    /// For each rotation the switched linear rows over `QP`.
    switched: Vec<B::Block>,
    /// Where to find a rotation in `switched`.
    index: BTreeMap<usize, usize>,
}

impl<B: Backend> BabySteps<B> {
    /// All rotations by some amounts, of one decomposition.
    pub fn new(
        ev: &Evaluator<B>,
        x: &Ciphertext<B>,
        amounts: impl Iterator<Item = usize>,
    ) -> Result<Self> {
        let (backend, t) = (ev.backend(), ev.tables());
        let q = x.poly.shape(backend).basis;
        let linear = backend.restrict(t, &x.poly.block, x.count..2 * x.count, q)?;
        let mut steps = Self {
            constant: vec![backend.restrict(t, &x.poly.block, 0..x.count, q)?],
            linear,
            switched: Vec::new(),
            index: BTreeMap::new(),
        };
        let hoisted = ev.hoist(x)?;
        for amount in amounts {
            if amount == 0 || steps.index.contains_key(&amount) {
                continue;
            }
            let galois = ev.galois_of(x, amount as i64);
            let key = ev
                .keys()
                .galois_of_level(ev.context(), "transform", galois, x.level)?;
            let turned = backend.automorphism(t, &steps.constant[0], galois)?;
            steps.constant.push(turned);
            steps.index.insert(amount, steps.switched.len());
            steps
                .switched
                .push(ev.turn_hoisted(&hoisted, galois, &key)?);
        }
        Ok(steps)
    }
}

/// The inner sums `sum_b d_{g,b} * rot_b(in)` of giant steps, in a given order.
pub(super) struct InnerSums<'a, B: Backend> {
    ev: &'a Evaluator<B>,
    babies: &'a BabySteps<B>,
    transform: &'a EncodedTransform<B>,
    /// Giants still to come.
    order: VecDeque<usize>,
    ready: VecDeque<Sum<B>>,
}

impl<'a, B: Backend> InnerSums<'a, B> {
    pub fn new(
        ev: &'a Evaluator<B>,
        babies: &'a BabySteps<B>,
        transform: &'a EncodedTransform<B>,
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

    /// The next sum; empty after the last.
    pub fn next(&mut self) -> Result<Sum<B>> {
        if self.ready.is_empty() {
            match &self.transform.diagonals {
                Diagonals::Device(block, words) => {
                    let count = TOGETHER.min(self.order.len());
                    let giants: Vec<_> = self.order.drain(..count).collect();
                    self.make(&giants, block, *words, 0)?;
                }
                Diagonals::Host(polynomials) => {
                    let Some(giant) = self.order.pop_front() else {
                        return Ok(Sum::default());
                    };
                    // The diagonals of a giant step are consecutive.
                    let terms = &self.transform.giants[giant].1;
                    let Some(&(_, first)) = terms.first() else {
                        return Ok(Sum::default());
                    };
                    let some: Vec<_> = polynomials[first..][..terms.len()].iter().collect();
                    let context = self.ev.context();
                    let basis = self.ev.switching_basis(self.transform.level);
                    let (block, words) = context.lift_packed(&some, basis)?;
                    self.make(&[giant], &block, words, first)?;
                }
            }
        }
        Ok(self.ready.pop_front().unwrap_or_default())
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
        let pairs = |of: &dyn Fn(usize) -> Option<usize>| -> Vec<Vec<(usize, usize)>> {
            let terms = giants.iter().map(|&g| &self.transform.giants[g].1);
            terms
                .map(|terms| {
                    let found = terms.iter();
                    found
                        .filter_map(|&(baby, d)| Some((of(baby)?, d - first)))
                        .collect()
                })
                .collect()
        };
        let babies = self.babies;
        let constant = pairs(&|baby| match baby {
            0 => Some(0),
            _ => Some(babies.index.get(&baby)? + 1),
        });
        let linear = pairs(&|baby| (baby == 0).then_some(0));
        let switched = pairs(&|baby| babies.index.get(&baby).copied());
        let constant = self.sums(&babies.constant, diagonals, words, constant)?;
        let linear = self.sums(
            std::slice::from_ref(&babies.linear),
            diagonals,
            words,
            linear,
        )?;
        let switched = self.sums(&babies.switched, diagonals, words, switched)?;
        for ((constant, linear), switched) in constant.into_iter().zip(linear).zip(switched) {
            self.ready.push_back(Sum {
                constant,
                linear,
                switched,
            });
        }
        Ok(())
    }

    /// Sums of products; `None` for those without any.
    fn sums(
        &self,
        xs: &[B::Block],
        diagonals: &B::Block,
        words: usize,
        pairs: Vec<Vec<(usize, usize)>>,
    ) -> Result<Vec<Option<B::Block>>> {
        let (backend, t) = (self.ev.backend(), self.ev.tables());
        let present: Vec<bool> = pairs.iter().map(|p| !p.is_empty()).collect();
        let pairs: Vec<_> = pairs.into_iter().filter(|p| !p.is_empty()).collect();
        let mut made = if pairs.is_empty() {
            Vec::new()
        } else {
            let xs: Vec<_> = xs.iter().collect();
            backend.sum_products(t, &xs, diagonals, words, &pairs)?
        }
        .into_iter();
        Ok(present
            .into_iter()
            .map(|present| if present { made.next() } else { None })
            .collect())
    }
}

impl<B: Backend> Evaluator<B> {
    /// Rotates a sum by a giant step, leaving what was switched over `QP`.
    pub(super) fn giant_step(
        &self,
        x: &Ciphertext<B>,
        inner: Sum<B>,
        giant: usize,
    ) -> Result<Sum<B>> {
        let (backend, t) = (self.backend(), self.tables());
        let k = x.count;
        let galois = self.galois_of(x, giant as i64);
        let turn = |block: &B::Block| backend.automorphism(t, block, galois);
        let constant = inner.constant.as_ref().map(turn).transpose()?;
        let mut linear = inner.linear;
        let mut switched_constant = None;
        if let Some(switched) = &inner.switched {
            let basis = backend.shape(switched).basis;
            let rows = backend.restrict(t, switched, k..2 * k, basis)?;
            let divided = backend.mod_down(t, &rows)?;
            self.accumulate(&mut linear, Some(divided))?;
            let rows = backend.restrict(t, switched, 0..k, basis)?;
            switched_constant = Some(turn(&rows)?);
        }
        let Some(linear) = linear else {
            return Ok(Sum {
                constant,
                ..Sum::default()
            });
        };
        let key = self
            .keys()
            .galois_of_level(self.context(), "transform", galois, x.level)?;
        let (basis, digit_size) = backend.switch_key_layout(&key);
        let digits = backend.decompose(t, &linear, digit_size, usize::from(basis.special))?;
        let mut switched = backend.dot_key_turned(t, &digits, galois, &key)?;
        if let Some(rows) = &switched_constant {
            backend.add_rows(t, &mut switched, 0, rows)?;
        }
        Ok(Sum {
            constant,
            linear: None,
            switched: Some(switched),
        })
    }

    /// `sum <- sum + y`, part by part.
    pub(super) fn add_sum(&self, sum: &mut Sum<B>, y: Sum<B>) -> Result<()> {
        self.accumulate(&mut sum.constant, y.constant)?;
        self.accumulate(&mut sum.linear, y.linear)?;
        self.accumulate(&mut sum.switched, y.switched)
    }

    fn accumulate(&self, sum: &mut Option<B::Block>, y: Option<B::Block>) -> Result<()> {
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
