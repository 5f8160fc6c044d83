//! Operations on ciphertexts.
//!
//! | file | operations |
//! |---|---|
//! | `arithmetic` | add, sub, negate, plaintext and constant operands |
//! | `multiply` | products, squares, relinearisation |
//! | `level` | rescale, drop, alignment of levels and scales |
//! | `raised` | sums over `QP`, divided by `P` and a level's modulus at once |
//! | `repeated` | sequences that a device may submit as one |
//! | `rotate` | rotations, hoisted rotations, conjugation |
//! | `sums` | a ciphertext and its rotations, summed |
//! | `transform` | linear transforms by diagonals |
//!
//! Every operation takes whole batches ([`Ciphertext`]) and returns a new one. Products are
//! rescaled by the caller through [`Evaluator::mul`] (which does) or [`Evaluator::multiply`]
//! (which does not).

mod arithmetic;
mod level;
mod multiply;
mod raised;
mod repeated;
mod rotate;
mod sums;
mod transform;

pub use repeated::Repeated;
pub use rotate::Hoisted;
pub use sums::doubling_rotations;
pub use transform::{
    BabyTerms, EncodedTransform, GiantChains, TransformEncoder, TransformPlan, TransformSteps,
    TransformWork, encoded_bytes,
};

use crate::backend::Backend;
use crate::ciphertext::Ciphertext;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::keys::EvaluationKeys;
use crate::poly::Poly;
use std::sync::Arc;

/// Relative difference of scales up to which two ciphertexts are added as they are, in bits: the
/// message error this causes stays below that of 2^-30 of its own size.
pub const SCALE_TOLERANCE_BITS: u32 = 30;

/// Evaluates circuits with a set of evaluation keys; clones share everything.
pub struct Evaluator<B: Backend> {
    context: Context<B>,
    keys: Arc<EvaluationKeys<B>>,
}

impl<B: Backend> Clone for Evaluator<B> {
    fn clone(&self) -> Self {
        Self {
            context: self.context.clone(),
            keys: Arc::clone(&self.keys),
        }
    }
}

impl<B: Backend> Evaluator<B> {
    /// An evaluator over a context and a key set made for the same parameters.
    pub fn new(context: Context<B>, keys: Arc<EvaluationKeys<B>>) -> Self {
        Self { context, keys }
    }

    /// The context.
    pub fn context(&self) -> &Context<B> {
        &self.context
    }

    /// The keys.
    pub fn keys(&self) -> &EvaluationKeys<B> {
        &self.keys
    }

    pub(crate) fn backend(&self) -> &B {
        self.context.backend()
    }

    pub(crate) fn tables(&self) -> &B::Tables {
        self.context.tables()
    }

    /// Wraps a result block with the attributes of `like`.
    pub(crate) fn wrap(&self, block: B::Block, like: &Ciphertext<B>) -> Ciphertext<B> {
        Ciphertext {
            poly: Arc::new(Poly::new(block)),
            ..like.clone()
        }
    }

    fn check(&self, op: &'static str, x: &Ciphertext<B>) -> Result<()> {
        self.context.check_hash(op, x.hash)
    }

    /// Checks that two batches can meet in one operation: same parameters, batch size and number
    /// of components.
    fn check_pair(&self, op: &'static str, x: &Ciphertext<B>, y: &Ciphertext<B>) -> Result<()> {
        self.check(op, x)?;
        self.check(op, y)?;
        if x.count != y.count || x.components != y.components {
            return Err(Error::ShapeMismatch {
                op,
                left: x.poly.shape(self.backend()),
                right: y.poly.shape(self.backend()),
            });
        }
        Ok(())
    }

    /// A ciphertext of zeros at canonical scale: an encryption of 0 without noise, the start of
    /// sums and of dry runs.
    pub fn zeros(&self, slots: usize, level: usize, count: usize) -> Result<Ciphertext<B>> {
        let params = self.context.params();
        if level > params.max_level() {
            let expected = params.max_level();
            return Err(Error::LevelMismatch {
                op: "zeros",
                found: level,
                expected,
            });
        }
        let block = self
            .backend()
            .alloc(self.tables(), 2 * count, params.basis_at(level))?;
        Ok(Ciphertext {
            poly: Arc::new(Poly::new(block)),
            count,
            components: 2,
            level,
            scale: params.scale_at(level),
            slots,
            hash: params.hash(),
        })
    }

    /// The `count` ciphertexts of a batch, apart.
    pub fn split(&self, x: &Ciphertext<B>) -> Result<Vec<Ciphertext<B>>> {
        (0..x.count).map(|i| self.slice(x, i..i + 1)).collect()
    }

    /// Some consecutive ciphertexts of a batch.
    pub fn slice(&self, x: &Ciphertext<B>, range: std::ops::Range<usize>) -> Result<Ciphertext<B>> {
        if range.start >= range.end || range.end > x.count {
            return Err(Error::SlotMismatch {
                op: "slice",
                found: range.end,
                expected: x.count,
            });
        }
        let (backend, t) = (self.backend(), self.tables());
        let basis = x.poly.shape(backend).basis;
        let parts = (0..x.components)
            .map(|c| {
                let start = c * x.count;
                backend.restrict(
                    t,
                    &x.poly.block,
                    start + range.start..start + range.end,
                    basis,
                )
            })
            .collect::<Result<Vec<_>>>()?;
        let block = backend.stack(t, &parts.iter().collect::<Vec<_>>())?;
        Ok(Ciphertext {
            count: range.len(),
            ..self.wrap(block, x)
        })
    }

    /// One batch of several: levels and scales must agree (see [`Evaluator::align_to`]).
    pub fn join(&self, xs: &[Ciphertext<B>]) -> Result<Ciphertext<B>> {
        let first = xs.first().ok_or(Error::SlotMismatch {
            op: "join",
            found: 0,
            expected: 1,
        })?;
        let (backend, t) = (self.backend(), self.tables());
        let mut parts = Vec::new();
        for component in 0..first.components {
            for x in xs {
                self.check("join", x)?;
                self.check_scales("join", first, x)?;
                if x.level != first.level {
                    return Err(Error::LevelMismatch {
                        op: "join",
                        found: x.level,
                        expected: first.level,
                    });
                }
                if x.components != first.components {
                    return Err(Error::ShapeMismatch {
                        op: "join",
                        left: first.poly.shape(backend),
                        right: x.poly.shape(backend),
                    });
                }
                let rows = component * x.count..(component + 1) * x.count;
                parts.push(backend.restrict(
                    t,
                    &x.poly.block,
                    rows,
                    x.poly.shape(backend).basis,
                )?);
            }
        }
        let block = backend.stack(t, &parts.iter().collect::<Vec<_>>())?;
        let count = xs.iter().map(|x| x.count).sum();
        let slots = xs.iter().map(|x| x.slots).max().unwrap_or(first.slots);
        Ok(Ciphertext {
            count,
            slots,
            ..self.wrap(block, first)
        })
    }
}
