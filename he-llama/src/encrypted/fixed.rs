//! The parts of a pass that do the same at every position, which a device may submit as one.
//!
//! In a layer that is everything behind attention: the projection of the mixed values, both sums of the
//! residual stream, the norm, the feed-forward block and the bootstraps between them. Attention itself changes
//! from step to step: rotations of queries and keys depend on the position, masks on the number of keys.

use ckks_math::Ciphertext;
use ckks_math::backend::Backend;
use ckks_math::evaluator::Repeated;
use he_linalg::{Layout, Packed};

use crate::encrypted::machine::{Encrypted, Event};
use crate::encrypted::packing::Shape;
use crate::encrypted::tensor::Tensor;
use crate::error::{Error, Result};
use crate::model::Site;

/// What a device has captured of the passes of a session.
pub type FixedParts<B> = Repeated<B, Part, Found>;

/// A part of a pass, with all that decides its work beside the plan, the units and the weights of the session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Part {
    site: Site,
    /// The sizes of the pass; of its start only whether it is a step.
    shape: Shape,
    operands: Vec<Kind>,
}

/// A tensor without its ciphertexts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Kind {
    layout: Layout,
    /// The bits of its unit.
    unit: u64,
    part: Option<usize>,
    prompt: Option<Shape>,
}

/// What a part returns and reports beside ciphertexts.
#[derive(Clone, Debug)]
pub struct Found {
    result: Kind,
    heard: Vec<Event>,
}

impl Kind {
    fn of<B: Backend>(x: &Tensor<B>) -> Self {
        Self {
            layout: x.packed.layout().clone(),
            unit: x.unit.to_bits(),
            part: x.part,
            prompt: x.prompt,
        }
    }

    fn tensor<B: Backend>(&self, batch: Ciphertext<B>) -> Result<Tensor<B>> {
        Ok(Tensor {
            packed: Packed::new(self.layout.clone(), batch)?,
            unit: f64::from_bits(self.unit),
            part: self.part,
            prompt: self.prompt,
        })
    }
}

impl<B: Backend> Encrypted<'_, B> {
    /// `work(tensors)`, see [`ckks_math::Evaluator::repeat`]. What it reports is reported again where
    /// captured work is run in its place.
    pub(super) fn fixed_part<const N: usize>(
        &mut self,
        site: Site,
        tensors: [Tensor<B>; N],
        mut work: impl FnMut(&mut Self, [Tensor<B>; N]) -> Result<Tensor<B>>,
    ) -> Result<Tensor<B>> {
        let operands: Vec<Kind> = tensors.iter().map(Kind::of).collect();
        let shape = self.packing.shape();
        let part = Part {
            site,
            shape: Shape {
                start: shape.start.min(1),
                ..shape
            },
            operands: operands.clone(),
        };
        let batches = tensors.map(|x| x.packed.batch().clone()).to_vec();
        let (ev, fixed) = (self.ev, self.fixed);
        let mut ran = false;
        let (mut results, found) = ev.repeat(fixed, part, batches, |own| {
            ran = true;
            let own = operands.iter().zip(own);
            let own = own.map(|(kind, batch)| kind.tensor(batch));
            let own: Result<Vec<_>> = own.collect();
            let own =
                (own?.try_into()).unwrap_or_else(|_| unreachable!("one tensor for each operand"));
            let before = self.heard.len();
            let result = work(self, own)?;
            let found = Found {
                result: Kind::of(&result),
                heard: self.heard[before..].to_vec(),
            };
            Ok::<_, Error>((vec![result.packed.batch().clone()], found))
        })?;
        if !ran {
            for event in found.heard {
                self.tell(event);
            }
        }
        found.result.tensor(results.remove(0))
    }
}
