//! Sequences of operations that are run again and again with other ciphertexts, which a device may submit
//! as one.

use super::Evaluator;
use crate::backend::{Backend, Captured};
use crate::ciphertext::Ciphertext;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::keys::EvaluationKeys;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Most uses that are remembered: operands whose scale differs each time would else add up.
const MOST: usize = 512;

/// What a device has captured of some sequences; belongs to what they read, such as encoded diagonals.
///
/// `K` names a sequence of the owner, `T` is what it finds beside ciphertexts, the same at each run.
pub struct Repeated<B: Backend, K, T = ()>(Mutex<HashMap<Use<K>, Entry<B, T>>>);

/// What a sequence depends on beside the residues of its operands and the keys.
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

/// How far a use has come, and what it was run with.
struct Entry<B: Backend, T> {
    context: Context<B>,
    keys: Weak<EvaluationKeys<B>>,
    state: State<B, T>,
}

enum State<B: Backend, T> {
    /// It was run plainly: keys are expanded, constants are on the device.
    Seen,
    /// The device cannot capture it.
    Refused,
    Captured(Box<Sequence<B, T>>),
}

/// Captured work with the ciphertexts that it reads and writes.
struct Sequence<B: Backend, T> {
    work: Captured,
    _operands: Vec<Ciphertext<B>>,
    results: Vec<Ciphertext<B>>,
    found: T,
}

impl<B: Backend, K, T> Default for Repeated<B, K, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<B: Backend, T> Entry<B, T> {
    fn of(ev: &Evaluator<B>) -> Self {
        Self {
            context: ev.context.clone(),
            keys: Arc::downgrade(&ev.keys),
            state: State::Seen,
        }
    }

    /// Whether it was run with the keys and the context of an evaluator.
    fn is_of(&self, ev: &Evaluator<B>) -> bool {
        self.context.is(&ev.context) && std::ptr::eq(self.keys.as_ptr(), Arc::as_ptr(&ev.keys))
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
    /// `body(operands)`: run plainly at first, captured where the device can at the second use with operands
    /// of the same attributes, submitted as one from then on. The same residues.
    ///
    /// `sequence` names the body among those of `known`, which the body must not use itself. The body must
    /// do the same whatever the residues are, with this evaluator, and read nothing else on the device that
    /// may be dropped before `known`. With keys that are expanded within a budget nothing is captured,
    /// since they come and go.
    pub fn repeat<K: Eq + Hash, T: Clone, E: From<Error>>(
        &self,
        known: &Repeated<B, K, T>,
        sequence: K,
        operands: Vec<Ciphertext<B>>,
        mut body: impl FnMut(Vec<Ciphertext<B>>) -> Result<(Vec<Ciphertext<B>>, T), E>,
    ) -> Result<(Vec<Ciphertext<B>>, T), E> {
        let of_operands = operands.iter().map(Attributes::of).collect();
        let key = Use {
            sequence,
            operands: of_operands,
        };
        // Held until a plain run: runs of one capture must not mix.
        let mut all = known.0.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get_mut(&key) {
            Some(entry) if entry.is_of(self) => {
                if let State::Seen = entry.state {
                    entry.state = self.capture(&operands, &mut body)?;
                }
                if let State::Captured(captured) = &entry.state
                    && let Some(results) = self.replay(captured, &operands)?
                {
                    return Ok((results, captured.found.clone()));
                }
            }
            _ => {
                if all.len() >= MOST {
                    all.retain(|_, entry| matches!(entry.state, State::Captured(_)));
                }
                if all.len() < MOST {
                    all.insert(key, Entry::of(self));
                }
            }
        }
        drop(all);
        body(operands)
    }

    /// Captures a body whose keys and constants are there; an error of the body itself comes again when it
    /// is run plainly.
    fn capture<T, E>(
        &self,
        operands: &[Ciphertext<B>],
        body: &mut impl FnMut(Vec<Ciphertext<B>>) -> Result<(Vec<Ciphertext<B>>, T), E>,
    ) -> Result<State<B, T>> {
        if !self.keys.stay() {
            return Ok(State::Refused);
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
                Ok(State::Captured(Box::new(Sequence {
                    work,
                    _operands: operands,
                    results,
                    found,
                })))
            }
            (Ok(None), _) => Ok(State::Seen),
            (Ok(Some(_)) | Err(Error::Unsupported { .. } | Error::OutOfMemory { .. }), _) => {
                Ok(State::Refused)
            }
            (Err(error), _) => Err(error),
        }
    }

    /// The results of captured work for other operands, if the device can run it now.
    fn replay<T>(
        &self,
        sequence: &Sequence<B, T>,
        operands: &[Ciphertext<B>],
    ) -> Result<Option<Vec<Ciphertext<B>>>> {
        let (backend, t) = (self.backend(), self.tables());
        let blocks: Vec<_> = operands.iter().map(Ciphertext::block).collect();
        if !backend.replay(&sequence.work, &blocks)? {
            return Ok(None);
        }
        let copy = |x: &Ciphertext<B>| Ok(self.wrap(backend.duplicate(t, x.block())?, x));
        sequence
            .results
            .iter()
            .map(copy)
            .collect::<Result<_>>()
            .map(Some)
    }
}
