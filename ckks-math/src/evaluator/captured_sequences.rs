//! Sequences of operations that are run again and again with other ciphertexts, which a device may
//! submit as one.

use super::Evaluator;
use crate::backend::{Attempt, Backend, Captured, Captures, Identity};
use crate::ciphertext::Ciphertext;
use crate::error::{Error, Result};
use std::hash::Hash;

/// Most sequences that one owner keeps captured: each holds device memory for its operands and
/// results.
const LIMIT: usize = 512;

/// The captured sequences of one owner, kept beside the constants that they read, such as encoded
/// diagonals.
///
/// `K` names a sequence of the owner; `T` is what a run returns beside ciphertexts, the same at
/// each run.
pub struct CapturedSequences<B: Backend, K, T = ()>(Captures<Use<K>, Sequence<B, T>>);

/// What a sequence depends on beside the residues of its operands, the context and the keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Use<K> {
    sequence: K,
    operands: Vec<Attributes>,
}

/// The attributes of a ciphertext; those of another parameter set have another context.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Attributes {
    count: usize,
    components: usize,
    level: usize,
    scale: u64,
    slots: usize,
}

/// Captured work with the ciphertexts that it reads and writes.
struct Sequence<B: Backend, T> {
    work: Captured,
    _operands: Vec<Ciphertext<B>>,
    results: Vec<Ciphertext<B>>,
    found: T,
}

impl<B: Backend, K: Eq + Hash, T> Default for CapturedSequences<B, K, T> {
    fn default() -> Self {
        Self(Captures::new(LIMIT))
    }
}

impl Attributes {
    fn of<B: Backend>(x: &Ciphertext<B>) -> Self {
        Self {
            count: x.count,
            components: x.components,
            level: x.level,
            scale: x.scale.to_bits(),
            slots: x.slots,
        }
    }
}

impl<B: Backend> Evaluator<B> {
    /// `body(operands)` with the same residues, level and scale, submitted as one where the device
    /// can.
    ///
    /// The first use runs the body plainly, the second captures it for operands of the same
    /// attributes, all later ones replay the capture: see [`Captures`]. `sequence` names the body
    /// among those of `known`, which the body must not use itself. The body must do the same
    /// whatever the residues are, with this evaluator, and read nothing else on the device that may
    /// be dropped before `known`. Nothing is captured with keys that are expanded within a budget,
    /// since they come and go.
    ///
    /// # Errors
    /// Whatever `body` returns, and failures of the device.
    pub fn run_captured<K: Eq + Hash, T: Clone, E: From<Error>>(
        &self,
        known: &CapturedSequences<B, K, T>,
        sequence: K,
        operands: Vec<Ciphertext<B>>,
        mut body: impl FnMut(Vec<Ciphertext<B>>) -> Result<(Vec<Ciphertext<B>>, T), E>,
    ) -> Result<(Vec<Ciphertext<B>>, T), E> {
        let used = Use {
            sequence,
            operands: operands.iter().map(Attributes::of).collect(),
        };
        let reads = vec![self.context.identity(), Identity::of(&self.keys)];
        let replayed = known.0.run(
            used,
            reads,
            || self.capture(&operands, &mut body),
            |captured| self.replay(captured, &operands),
        )?;
        match replayed {
            Some(outcome) => Ok(outcome),
            None => body(operands),
        }
    }

    /// Captures a body whose keys and constants are there. Where the body itself fails, the plain
    /// run behind this attempt returns its error, and the next use tries again.
    fn capture<T, E>(
        &self,
        operands: &[Ciphertext<B>],
        body: &mut impl FnMut(Vec<Ciphertext<B>>) -> Result<(Vec<Ciphertext<B>>, T), E>,
    ) -> Result<Attempt<Sequence<B, T>>> {
        if !self.keys.stay() {
            return Ok(Attempt::Never);
        }
        let mut made = None;
        let blocks: Vec<_> = operands.iter().map(Ciphertext::block).collect();
        let captured = self.backend().capture(self.tables(), &blocks, &mut |own| {
            let own = own.into_iter().zip(operands);
            let own: Vec<_> = own.map(|(block, like)| self.wrap(block, like)).collect();
            made = body(own.clone()).ok().map(|outcome| (own, outcome));
            Ok(())
        });
        match (captured, made) {
            (Ok(Some(work)), Some((operands, (results, found)))) => {
                Ok(Attempt::Captured(Sequence {
                    work,
                    _operands: operands,
                    results,
                    found,
                }))
            }
            (Ok(_), _) => Ok(Attempt::Later),
            (Err(Error::Unsupported { .. } | Error::OutOfMemory { .. }), _) => Ok(Attempt::Never),
            (Err(error), _) => Err(error),
        }
    }

    /// The outcome of captured work for other operands, if the device can run it now.
    fn replay<T: Clone>(
        &self,
        sequence: &Sequence<B, T>,
        operands: &[Ciphertext<B>],
    ) -> Result<Option<(Vec<Ciphertext<B>>, T)>> {
        let (backend, t) = (self.backend(), self.tables());
        let blocks: Vec<_> = operands.iter().map(Ciphertext::block).collect();
        if !backend.replay(&sequence.work, &blocks)? {
            return Ok(None);
        }
        let copy = |x: &Ciphertext<B>| Ok(self.wrap(backend.duplicate(t, x.block())?, x));
        let results = sequence.results.iter().map(copy).collect::<Result<_>>()?;
        Ok(Some((results, sequence.found.clone())))
    }
}
