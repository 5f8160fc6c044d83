//! Key switches as captured sequences: one submission in the place of a dozen.

use crate::backend::CudaBackend;
use crate::device::Block;
use crate::driver::Address;
use crate::graph::Graph;
use crate::key::SwitchKey;
use crate::tables::Tables;
use ckks_math::backend::{Device, Shape, SwitchKernels, derived};
use ckks_math::{Error, Result};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What a sequence ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Sequence {
    /// The product over `QP`.
    Product,
    /// Its division by `P`.
    Switch,
}

/// What a captured sequence depends on beside its key: input, constants, queue.
type Use = (Sequence, Shape, Address, usize);

/// The sequences of one key.
#[derive(Default)]
pub(crate) struct Captures(Mutex<HashMap<Use, State>>);

/// How far a sequence has come.
enum State {
    /// It was run plainly.
    Seen,
    /// It cannot be captured.
    Refused,
    Captured(Box<Captured>),
}

/// A sequence with the block that it reads, and the one that it writes.
struct Captured {
    graph: Graph,
    _operand: Vec<Block>,
    result: Block,
}

impl CudaBackend {
    fn run_plain(
        &self,
        t: &Tables,
        sequence: Sequence,
        x: &Block,
        key: &SwitchKey,
    ) -> Result<Block> {
        match sequence {
            Sequence::Product => derived::key_product(self, t, x, key),
            Sequence::Switch => {
                let product = derived::key_product(self, t, x, key)?;
                self.mod_down(t, &product)
            }
        }
    }

    /// A sequence with a key: plainly at first, captured at the second use of its kind, from the capture
    /// on after that. Without [`CudaBackend::with_graphs`], as a part of a longer sequence, where memory is
    /// short and where other queues are open, plainly.
    pub(crate) fn run_sequence(
        &self,
        t: &Tables,
        sequence: Sequence,
        x: &Block,
        key: &SwitchKey,
    ) -> Result<Block> {
        if !self.options.graphs || self.queue.takes_notes() {
            return self.run_plain(t, sequence, x, key);
        }
        let queue = Arc::as_ptr(&self.queue) as usize;
        let kind = (sequence, x.shape, t.primes(), queue);
        // Held to the end: runs of one graph must not mix.
        let mut known = (key.captures.0.lock()).unwrap_or_else(PoisonError::into_inner);
        match known.get(&kind) {
            None => {
                known.insert(kind, State::Seen);
            }
            Some(State::Seen) => {
                let state = self.capture_switch(t, sequence, x, key)?;
                known.insert(kind, state);
            }
            Some(State::Refused | State::Captured(_)) => {}
        }
        if let Some(State::Captured(captured)) = known.get(&kind)
            && self.replay_sequence(&captured.graph, &[x])?
        {
            return self.duplicate(t, &captured.result);
        }
        drop(known);
        self.run_plain(t, sequence, x, key)
    }

    fn capture_switch(
        &self,
        t: &Tables,
        sequence: Sequence,
        x: &Block,
        key: &SwitchKey,
    ) -> Result<State> {
        let mut held = None;
        let captured = self.capture_sequence(t, &[x], &mut |operand| {
            let result = self.run_plain(t, sequence, &operand[0], key)?;
            held = Some((operand, result));
            Ok(())
        });
        match (captured, held) {
            (Ok(Some(graph)), Some((operand, result))) => Ok(State::Captured(Box::new(Captured {
                graph,
                _operand: operand,
                result,
            }))),
            (Ok(_) | Err(Error::Unsupported { .. } | Error::OutOfMemory { .. }), _) => {
                Ok(State::Refused)
            }
            (Err(error), _) => Err(error),
        }
    }
}
