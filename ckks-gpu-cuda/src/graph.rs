//! Fixed sequences of work, submitted as one: the driver is asked once in the place of hundreds of
//! times.
//!
//! A sequence is captured by running it once: its kernels are noted with the addresses of their
//! operands and not executed. Memory that it takes and frees meanwhile belongs to the queue from
//! then on, for the captured sequences of that queue only, which run one after the other. So a
//! sequence reads and writes the same blocks at each run; new operands are copied into the blocks
//! that it was captured with.

use crate::backend::CudaBackend;
use crate::device::Block;
use crate::driver;
use crate::driver::recording::Work;
use crate::open_queue::OpenQueue;
use crate::pool::Buffer;
use crate::tables::Tables;
use ckks_math::backend::{Device, Shape};
use ckks_math::{Error, Result};
use std::sync::Arc;

/// Most bytes of the host that a sequence may bring to the device at each run: they stay pinned.
const MOST_UPLOADED: usize = 1 << 30;

/// A captured sequence.
pub(crate) struct Graph {
    recorded: driver::Graph,
    queue: Arc<OpenQueue>,
    /// What each operand is copied to, kept as long as the work may read it.
    operands: Vec<(Shape, Arc<Buffer>)>,
}

impl CudaBackend {
    /// See [`Device::capture`]; `None` without [`CudaBackend::with_graphs`] and within another
    /// capture.
    pub(crate) fn capture_sequence(
        &self,
        t: &Tables,
        operands: &[&Block],
        work: &mut dyn FnMut(Vec<Block>) -> Result<()>,
    ) -> Result<Option<Graph>> {
        if !self.options.graphs || self.queue.is_recording() {
            return Ok(None);
        }
        let own = operands.iter().map(|x| self.duplicate(t, x));
        let own = own.collect::<Result<Vec<_>>>()?;
        let operands = own.iter().map(|x| (x.shape, x.words.clone())).collect();
        let pool = self.queue.pool();
        pool.begin_capture(&self.queue)?;
        let outcome = work(own);
        // Ended in any case, or the queue would be of no use.
        let recording = pool.end_capture(&self.queue);
        outcome?;
        check_uploads(&recording)?;
        Ok(Some(Graph {
            recorded: self.queue.raw().graph(recording)?,
            queue: self.queue.clone(),
            operands,
        }))
    }

    /// See [`Device::replay`]; `false` on another queue and within a capture.
    pub(crate) fn replay_sequence(&self, graph: &Graph, operands: &[&Block]) -> Result<bool> {
        if !Arc::ptr_eq(&self.queue, &graph.queue) || self.queue.is_recording() {
            return Ok(false);
        }
        if operands.len() != graph.operands.len() {
            return Err(Error::InvalidParameters(format!(
                "replay: {} operands for a sequence of {}",
                operands.len(),
                graph.operands.len()
            )));
        }
        for (x, (shape, to)) in operands.iter().zip(&graph.operands) {
            if x.shape != *shape || x.words.len() != to.len() {
                return Err(Error::ShapeMismatch {
                    op: "replay",
                    left: *shape,
                    right: x.shape,
                });
            }
            self.queue.copy_whole(&x.words, to, 0)?;
        }
        // SAFETY: the graph keeps its operands, the queue what the work took and freed; as
        // `Device::capture` asks, the caller keeps the results and all that the work reads beside
        // them, and `Captures` runs it only where those are the same.
        unsafe { self.queue.raw().replay(&graph.recorded)? };
        Ok(true)
    }
}

fn check_uploads(recording: &[Work]) -> Result<()> {
    let bytes = recording.iter().map(|work| match work {
        Work::Upload(_, bytes) => bytes.len(),
        Work::Launch { .. } | Work::Product(_) | Work::Copy(..) | Work::Fill(..) => 0,
    });
    let bytes: usize = bytes.sum();
    if bytes > MOST_UPLOADED {
        return Err(Error::Unsupported {
            backend: "cuda".into(),
            what: format!("a captured sequence that uploads {bytes} bytes at each run"),
            way_out: format!("keep its constants on the device: at most {MOST_UPLOADED} bytes"),
        });
    }
    Ok(())
}
