//! Linear transforms of slot vectors: generalized diagonals, baby and giant steps, double hoisting
//! [Bossuat-Mouchet-Troncoso-Hubaux 2021, Alg. 6].
//!
//! | file | holds |
//! |---|---|
//! | `plan` | which diagonal belongs to which steps, in which order giant steps are taken |
//! | `encoded` | diagonals as polynomials of the subring of their period, or only their number |
//! | `work` | how many parts of which kind transforms have |
//! | `steps` | sums under construction, baby steps, inner sums, giant steps |

mod encoded;
mod plan;
mod steps;
mod work;

pub use encoded::{EncodedLinearTransform, LinearTransformEncoder, encoded_bytes};
pub use plan::{BabyTerms, GiantChains, LinearTransformPlan, LinearTransformSteps};
pub use work::LinearTransformWork;

use super::over_qp::OverQp;
use super::{Evaluator, no_operand, pair};
use crate::backend::{Backend, Basis};
use crate::ciphertext::Ciphertext;
use crate::error::{Error, Result};
use steps::{BabySteps, InnerSums};

impl<B: Backend> Evaluator<B> {
    /// Applies an encoded transform, without rescaling: the scale becomes the product of both.
    ///
    /// The operand must be at the level the transform was encoded for. One decomposition for all
    /// baby steps, one for each giant step, one division by `P` at the end. Giant steps at
    /// multiples of one amount are taken by Horner's rule, with the key of that amount only.
    ///
    /// # Errors
    /// [`Error::LevelMismatch`] at another level, [`Error::MissingKey`] without a Galois key that
    /// the rotations need, [`Error::Components`] before relinearisation, [`Error::ScaleOutOfRange`]
    /// where the product of the scales leaves no room under the modulus, [`Error::SlotMismatch`]
    /// for more slots than the ring has, [`Error::WrongParameters`] and [`Error::WrongOwner`].
    pub fn linear_transform(
        &self,
        x: &Ciphertext<B>,
        transform: &EncodedLinearTransform<B>,
    ) -> Result<Ciphertext<B>> {
        let mut results = self.linear_transforms(x, &[transform])?;
        results.pop().ok_or(no_operand("transform"))
    }

    /// Several transforms of one operand, which share their baby steps; as
    /// [`Evaluator::linear_transform`]: at the level of the operand, each at the product of its
    /// scale and the operand's.
    ///
    /// # Errors
    /// As [`Evaluator::linear_transform`].
    pub fn linear_transforms(
        &self,
        x: &Ciphertext<B>,
        transforms: &[&EncodedLinearTransform<B>],
    ) -> Result<Vec<Ciphertext<B>>> {
        let (backend, t) = (self.backend(), self.tables());
        let raised = self.linear_transforms_over_qp(x, transforms)?;
        raised
            .iter()
            .map(|raised| Ok(self.wrap(backend.mod_down(t, &raised.block)?, &raised.like)))
            .collect()
    }

    /// As [`Evaluator::linear_transform`], rescaled, a level below: the division by `P` is that by
    /// the level's modulus, by which the scale falls too.
    ///
    /// # Errors
    /// As [`Evaluator::linear_transform`], and [`Error::LevelExhausted`] at level 0.
    pub fn linear_transform_rescaled(
        &self,
        x: &Ciphertext<B>,
        transform: &EncodedLinearTransform<B>,
    ) -> Result<Ciphertext<B>> {
        let mut results = self.linear_transforms_rescaled(x, &[transform])?;
        results.pop().ok_or(no_operand("transform"))
    }

    /// As [`Evaluator::linear_transforms`], rescaled: level and scale as in
    /// [`Evaluator::linear_transform_rescaled`].
    ///
    /// # Errors
    /// As [`Evaluator::linear_transform_rescaled`].
    pub fn linear_transforms_rescaled(
        &self,
        x: &Ciphertext<B>,
        transforms: &[&EncodedLinearTransform<B>],
    ) -> Result<Vec<Ciphertext<B>>> {
        let raised = self.linear_transforms_over_qp(x, transforms)?;
        raised.iter().map(|raised| self.lower(raised)).collect()
    }

    fn linear_transforms_over_qp(
        &self,
        x: &Ciphertext<B>,
        transforms: &[&EncodedLinearTransform<B>],
    ) -> Result<Vec<OverQp<B>>> {
        self.check("transform", x)?;
        pair("transform", x)?;
        for transform in transforms {
            if x.level != transform.level {
                return Err(Error::LevelMismatch {
                    op: "transform",
                    found: x.level,
                    expected: transform.level,
                });
            }
            self.check_room("transform", x.level, x.scale * transform.scale)?;
        }
        let amounts = transforms
            .iter()
            .flat_map(|w| &w.giants)
            .flat_map(|(_, terms)| terms)
            .map(|&(baby, _)| baby);
        let babies = BabySteps::new(self, x, amounts)?;
        transforms
            .iter()
            .map(|w| self.inner_and_giant_steps(x, &babies, w))
            .collect()
    }

    fn inner_and_giant_steps(
        &self,
        x: &Ciphertext<B>,
        babies: &BabySteps<B>,
        transform: &EncodedLinearTransform<B>,
    ) -> Result<OverQp<B>> {
        let x = x.with_slots(transform.slots.max(x.slots))?;
        let chains = transform.chains(x.slots);
        let at_rest = |i: &usize| transform.giants[*i].0.is_multiple_of(transform.slots);
        let permuted = chains.iter().flat_map(|chain| &chain.giants).flatten();
        let order = permuted
            .copied()
            .chain((0..transform.giants.len()).filter(at_rest));
        let mut inner = InnerSums::new(self, babies, transform, order.collect());
        let mut total = None;
        for chain in &chains {
            let mut sum = None;
            for giant in &chain.giants {
                sum = self.giant_step(&x, sum, chain.step)?;
                if giant.is_some() {
                    self.add_sum(&mut sum, inner.next()?)?;
                }
            }
            let permuted = self.giant_step(&x, sum, chain.step)?;
            self.add_sum(&mut total, permuted)?;
        }
        while inner.more() {
            self.add_sum(&mut total, inner.next()?)?;
        }
        let block = match total {
            Some(block) => block,
            None => {
                let basis = self.switching_basis(x.level);
                self.backend().alloc(self.tables(), 2 * x.count, basis)?
            }
        };
        let scale = x.scale * transform.scale;
        let like = Ciphertext { scale, ..x };
        Ok(OverQp { block, like })
    }

    /// The primes of keys at a level, over which diagonals are encoded.
    pub fn switching_basis(&self, level: usize) -> Basis {
        encoded::switching_basis(self.context().params(), level)
    }
}
