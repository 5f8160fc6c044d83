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
pub(crate) struct Captures(Mutex<HashMap<Use, Option<Arc<Captured>>>>);

/// A sequence with the block that it reads, and the one that it writes.
struct Captured {
    input: Block,
    graph: Graph<Block>,
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
    /// on after that. Without [`CudaBackend::with_graphs`], and where other queues are open, plainly.
    pub(crate) fn run_sequence(
        &self,
        t: &Tables,
        sequence: Sequence,
        x: &Block,
        key: &SwitchKey,
    ) -> Result<Block> {
        if !self.options.graphs {
            return self.run_plain(t, sequence, x, key);
        }
        let queue = Arc::as_ptr(&self.queue) as usize;
        let kind = (sequence, x.shape, t.primes(), queue);
        let mut known = (key.captures.0.lock()).unwrap_or_else(PoisonError::into_inner);
        let captured = match known.get(&kind) {
            None => {
                known.insert(kind, None);
                return self.run_plain(t, sequence, x, key);
            }
            Some(Some(captured)) => captured.clone(),
            Some(None) => {
                let input = self.duplicate(t, x)?;
                let graph = match self.capture(|| self.run_plain(t, sequence, &input, key)) {
                    Err(Error::Unsupported { .. }) => {
                        return self.run_plain(t, sequence, x, key);
                    }
                    other => other?,
                };
                let captured = Arc::new(Captured { input, graph });
                known.insert(kind, Some(captured.clone()));
                captured
            }
        };
        // The lock is held: runs of one graph must not mix.
        self.overwrite(&captured.input, x)?;
        let out = self.duplicate(t, captured.graph.run()?)?;
        drop(known);
        Ok(out)
    }
}
