//! Key switches as captured sequences: one submission in the place of a dozen.

use crate::backend::CudaBackend;
use crate::device::Block;
use crate::graph::Graph;
use crate::key::SwitchKey;
use crate::tables::Tables;
use ckks_math::backend::{Attempt, Captures, Device, Identity, Shape, SwitchKernels, derived};
use ckks_math::{Error, Result};

/// Most sequences that one key keeps captured: a product and a switch for each level and number of
/// rows.
const LIMIT: usize = 128;

/// What a sequence ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Sequence {
    /// The product over `QP`.
    Product,
    /// Its division by `P`.
    Switch,
}

/// The captured sequences of one key, by kind and shape of the input. Each reads the key, the
/// tables of one ring and memory of one queue.
pub(crate) struct KeyCaptures(Captures<(Sequence, Shape), Captured>);

/// A sequence with the block that it writes.
struct Captured {
    graph: Graph,
    result: Block,
}

impl Default for KeyCaptures {
    fn default() -> Self {
        Self(Captures::new(LIMIT))
    }
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

    /// A sequence with a key: as [`Captures`] says with [`CudaBackend::with_graphs`], plainly
    /// without it, as a part of a longer sequence, where memory is short and where other queues are
    /// open.
    pub(crate) fn run_sequence(
        &self,
        t: &Tables,
        sequence: Sequence,
        x: &Block,
        key: &SwitchKey,
    ) -> Result<Block> {
        if !self.options.graphs || self.queue.is_recording() {
            return self.run_plain(t, sequence, x, key);
        }
        let replayed = key.captures.0.run(
            (sequence, x.shape),
            vec![t.identity(), Identity::of(&self.queue)],
            || self.capture_switch(t, sequence, x, key),
            |captured| match self.replay_sequence(&captured.graph, &[x])? {
                true => self.duplicate(t, &captured.result).map(Some),
                false => Ok(None),
            },
        )?;
        match replayed {
            Some(result) => Ok(result),
            None => self.run_plain(t, sequence, x, key),
        }
    }

    fn capture_switch(
        &self,
        t: &Tables,
        sequence: Sequence,
        x: &Block,
        key: &SwitchKey,
    ) -> Result<Attempt<Captured>> {
        let mut held = None;
        let captured = self.capture_sequence(t, &[x], &mut |operand| {
            let result = self.run_plain(t, sequence, &operand[0], key)?;
            held = Some(result);
            Ok(())
        });
        match (captured, held) {
            (Ok(Some(graph)), Some(result)) => Ok(Attempt::Captured(Captured { graph, result })),
            (Ok(_), _) => Ok(Attempt::Later),
            (Err(Error::Unsupported { .. } | Error::OutOfMemory { .. }), _) => Ok(Attempt::Never),
            (Err(error), _) => Err(error),
        }
    }
}
