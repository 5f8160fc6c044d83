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
mod captured_sequences;
mod level;
mod lintrans;
mod multiply;
mod over_qp;
mod rotate;
mod sums;

pub use captured_sequences::CapturedSequences;
pub(crate) use level::{mismatch, scales_agree};
pub use lintrans::{
    BabyTerms, EncodedLinearTransform, GiantChains, LinearTransformEncoder, LinearTransformPlan,
    LinearTransformSteps, LinearTransformWork, encoded_bytes,
};
pub use rotate::Hoisted;
pub use sums::doubling_rotations;

use crate::backend::Backend;
use crate::ciphertext::Ciphertext;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::keys::{EvaluationKeys, OwnerTag};
use crate::poly::Poly;
use std::sync::Arc;

/// Relative difference of scales up to which two ciphertexts are added as they are, in bits: the
/// message error this causes stays below that of 2^-30 of its own size.
pub const SCALE_TOLERANCE_BITS: u32 = 30;

/// Most ciphertexts of a batch of zeros.
pub const MOST_CIPHERTEXTS: usize = 1 << 16;

/// The error of an operation on a list of ciphertexts that is empty.
fn no_operand(op: &'static str) -> Error {
    Error::Count {
        op,
        what: "operands",
        found: 0,
        least: 1,
        most: MOST_CIPHERTEXTS,
    }
}

/// Fails unless the ciphertexts are pairs, as they are after relinearisation.
fn pair<B: Backend>(op: &'static str, x: &Ciphertext<B>) -> Result<()> {
    if x.components == 2 {
        return Ok(());
    }
    Err(Error::Components {
        op,
        found: x.components,
        expected: 2,
    })
}

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

    /// Checks that an operand is of the parameters and, where there are keys, of their owner.
    fn check(&self, op: &'static str, x: &Ciphertext<B>) -> Result<()> {
        self.context.check_hash(op, x.hash)?;
        OwnerTag::common(op, x.owner, self.keys.owner())?;
        Ok(())
    }

    /// Checks that two batches can be combined: same parameters and owner, batch size and number of
    /// components.
    fn check_pair(&self, op: &'static str, x: &Ciphertext<B>, y: &Ciphertext<B>) -> Result<()> {
        self.check(op, x)?;
        self.check(op, y)?;
        OwnerTag::common(op, y.owner, x.owner)?;
        if x.count != y.count || x.components != y.components {
            return Err(Error::ShapeMismatch {
                op,
                left: x.poly.shape(self.backend()),
                right: y.poly.shape(self.backend()),
            });
        }
        Ok(())
    }

    /// `count` ciphertexts of zeros, of two components, at the canonical scale of `level`:
    /// encryptions of 0 without noise, the start of sums and of dry runs. They belong to the owner
    /// of the keys.
    ///
    /// # Errors
    /// [`Error::LevelMismatch`] for a level above the top, [`Error::SlotMismatch`] unless `slots`
    /// is a power of two that the ring has, [`Error::Count`] for no ciphertext or more than
    /// [`MOST_CIPHERTEXTS`].
    pub fn zeros(&self, slots: usize, level: usize, count: usize) -> Result<Ciphertext<B>> {
        let params = self.context.params();
        if level > params.max_level() {
            return Err(Error::LevelMismatch {
                op: "zeros",
                found: level,
                expected: params.max_level(),
            });
        }
        if !slots.is_power_of_two() || slots > params.max_slots() {
            return Err(Error::SlotMismatch {
                op: "zeros (a power of two, at most)",
                found: slots,
                expected: params.max_slots(),
            });
        }
        if !(1..=MOST_CIPHERTEXTS).contains(&count) {
            return Err(Error::Count {
                op: "zeros",
                what: "ciphertexts",
                found: count,
                least: 1,
                most: MOST_CIPHERTEXTS,
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
            owner: self.keys.owner(),
        })
    }

    /// The `count` ciphertexts of a batch, apart, at its level and scale.
    ///
    /// # Errors
    /// What the device reports.
    pub fn split(&self, x: &Ciphertext<B>) -> Result<Vec<Ciphertext<B>>> {
        (0..x.count).map(|i| self.slice(x, i..i + 1)).collect()
    }

    /// Some consecutive ciphertexts of a batch, at its level and scale.
    ///
    /// # Errors
    /// [`Error::Count`] for an empty range, or one that ends behind the batch.
    pub fn slice(&self, x: &Ciphertext<B>, range: std::ops::Range<usize>) -> Result<Ciphertext<B>> {
        if range.start >= range.end || range.end > x.count {
            return Err(Error::Count {
                op: "slice",
                what: "ciphertexts up to its end",
                found: range.end,
                least: range.start.saturating_add(1),
                most: x.count,
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
        let uniform = x.poly.uniform().get(range.clone()).unwrap_or_default();
        Ok(Ciphertext {
            poly: Arc::new(Poly::with_uniform(block, uniform.to_vec())),
            count: range.len(),
            ..x.clone()
        })
    }

    /// One batch of several, which have one level, one scale and one number of components (see
    /// [`Evaluator::align_to`]); its slots are the most of any.
    ///
    /// # Errors
    /// [`Error::Count`] for none, [`Error::LevelMismatch`], [`Error::ScaleMismatch`],
    /// [`Error::Components`], [`Error::WrongParameters`] or [`Error::WrongOwner`] where they
    /// differ.
    pub fn join(&self, xs: &[Ciphertext<B>]) -> Result<Ciphertext<B>> {
        let first = xs.first().ok_or(no_operand("join"))?;
        let mut owner = None;
        let (backend, t) = (self.backend(), self.tables());
        let mut parts = Vec::new();
        for component in 0..first.components {
            for x in xs {
                self.check("join", x)?;
                owner = OwnerTag::common("join", x.owner, owner)?;
                self.check_scales("join", first, x)?;
                if x.level != first.level {
                    return Err(Error::LevelMismatch {
                        op: "join",
                        found: x.level,
                        expected: first.level,
                    });
                }
                if x.components != first.components {
                    return Err(Error::Components {
                        op: "join",
                        found: x.components,
                        expected: first.components,
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
        // Fresh ones stay so: all their seeds, or none.
        let seeded = xs.iter().all(|x| x.poly.uniform().len() == x.count);
        let uniform = xs.iter().filter(|_| seeded).flat_map(|x| x.poly.uniform());
        Ok(Ciphertext {
            poly: Arc::new(Poly::with_uniform(block, uniform.cloned().collect())),
            count,
            slots,
            owner,
            ..first.clone()
        })
    }
}
