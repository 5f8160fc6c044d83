//! Fixed sequences of work, submitted as one: the driver is asked once in the place of hundreds of times.
//!
//! A sequence is captured by running it once: its kernels are noted with the addresses of their operands
//! and not executed. Memory that it takes and frees meanwhile belongs to the queue from then on, for the
//! captured sequences of that queue only, which run one after the other. So a sequence reads and writes
//! the same blocks at each run; new inputs are copied into the blocks that it read at first.

use crate::backend::CudaBackend;
use crate::device::Block;
use crate::driver;
use crate::pool::OpenQueue;
use ckks_math::{Error, Result};
use std::sync::Arc;

/// A captured sequence and what it returned, whose blocks each run writes anew.
pub struct Graph<R> {
    recorded: driver::Graph,
    queue: Arc<OpenQueue>,
    result: R,
}

impl<R> Graph<R> {
    /// Submits the sequence. The blocks of its result hold what they will hold until the next run.
    pub fn run(&self) -> Result<&R> {
        self.queue.raw().replay(&self.recorded)?;
        Ok(&self.result)
    }
}

impl CudaBackend {
    /// Captures what `run` submits to this queue. Nothing is executed before [`Graph::run`].
    ///
    /// `run` must submit the same work whatever the residues are, and must have been run once before in
    /// the plain way: tables and keys are made at their first use, which a capture cannot wait for. Blocks
    /// that it reads from outside must outlive the graph: let its result own them. No other thread may use the device
    /// meanwhile. Fails where another queue is open, which [`CudaBackend::with_host_storage`] opens.
    pub fn capture<R>(&self, run: impl FnOnce() -> Result<R>) -> Result<Graph<R>> {
        let pool = self.queue.pool();
        pool.begin_capture(&self.queue)?;
        let result = run();
        // Ended in any case, or the queue would be of no use.
        let recorded = pool.end_capture(&self.queue);
        Ok(Graph {
            result: result?,
            recorded: recorded?,
            queue: self.queue.clone(),
        })
    }

    /// Copies the residues of a block into another of the same shape, such as one that a graph reads.
    pub fn overwrite(&self, x: &Block, with: &Block) -> Result<()> {
        if x.shape != with.shape || x.words.len() != with.words.len() {
            return Err(Error::ShapeMismatch {
                op: "overwrite",
                left: x.shape,
                right: with.shape,
            });
        }
        self.copy(with.address(), x.address(), x.words.len())
    }
}
