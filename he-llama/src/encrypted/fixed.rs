//! The parts of a pass that do the same at every position, which a device may submit as one.
//!
//! In a layer that is all but what depends on the position: the projections to queries and keys,
//! which rotate them, the cache's new entries, and the scores with their masks up to the
//! exponential. One part applies the norm and refreshes queries, keys and values; the other is all
//! behind the exponential: the rounds of softmax, the mixed values, both sums of the residual
//! stream, the feed-forward block, and the bootstraps among them.

use ckks_math::Ciphertext;
use ckks_math::backend::Backend;
use ckks_math::evaluator::CapturedSequences;
use he_linalg::{Layout, Packed};

use crate::encrypted::machine::{Encrypted, Event};
use crate::encrypted::packing::Shape;
use crate::encrypted::tensor::Tensor;
use crate::error::{Error, Result};
use crate::model::Site;

/// What a device has captured of the passes of a session.
pub type FixedParts<B> = CapturedSequences<B, Part, Found>;

/// A part of a pass, with all that decides its work beside the plan, the units and the weights of
/// the session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Part {
    site: Site,
    /// What passes of its kind have in common.
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
}

/// What a part returns and reports beside ciphertexts.
#[derive(Clone, Debug)]
pub struct Found {
    results: Vec<Kind>,
    heard: Vec<Event>,
}

impl Kind {
    fn of<B: Backend>(x: &Tensor<B>) -> Self {
        Self {
            layout: x.packed.layout().clone(),
            unit: x.unit.to_bits(),
            part: x.part,
        }
    }

    fn tensor<B: Backend>(&self, batch: Ciphertext<B>) -> Result<Tensor<B>> {
        Ok(Tensor {
            packed: Packed::new(self.layout.clone(), batch)?,
            unit: f64::from_bits(self.unit),
            part: self.part,
        })
    }
}

impl<B: Backend> Encrypted<'_, B> {
    /// `work(tensors)`, see [`ckks_math::Evaluator::run_captured`]. What it reports is reported
    /// again where captured work is run in its place.
    pub(super) fn fixed_part<const N: usize, const K: usize>(
        &mut self,
        site: Site,
        tensors: [Tensor<B>; N],
        mut work: impl FnMut(&mut Self, [Tensor<B>; N]) -> Result<[Tensor<B>; K]>,
    ) -> Result<[Tensor<B>; K]> {
        let operands: Vec<Kind> = tensors.iter().map(Kind::of).collect();
        let part = Part {
            site,
            shape: self.packing.shape().common(),
            operands: operands.clone(),
        };
        let batches = tensors.map(|x| x.packed.batch().clone()).to_vec();
        let (ev, fixed) = (self.ev, self.fixed);
        let mut ran = false;
        let (results, found) = ev.run_captured(fixed, part, batches, |own| {
            ran = true;
            let before = self.heard.len();
            let results = work(self, restored(&operands, own)?)?;
            let found = Found {
                results: results.iter().map(Kind::of).collect(),
                heard: self.heard[before..].to_vec(),
            };
            let batches = results.map(|x| x.packed.batch().clone()).to_vec();
            Ok::<_, Error>((batches, found))
        })?;
        if !ran {
            for event in found.heard {
                self.report(event)?;
            }
        }
        restored(&found.results, results)
    }
}

/// As many tensors as there are kinds.
fn restored<B: Backend, const N: usize>(
    kinds: &[Kind],
    batches: Vec<Ciphertext<B>>,
) -> Result<[Tensor<B>; N]> {
    let pairs = kinds.iter().zip(batches);
    let tensors: Result<Vec<_>> = pairs.map(|(kind, batch)| kind.tensor(batch)).collect();
    Ok((tensors?.try_into()).unwrap_or_else(|_| unreachable!("one batch for each tensor")))
}
