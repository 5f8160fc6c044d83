//! Blocks between the cards of one host.
//!
//! Each card is a rank, with a backend and a [`Communicator`] of its own that a thread of its own
//! drives. Every rank must call the same operations in the same order, with blocks of the same
//! shape over the same ring; residues cross as they lie on the device.

mod host;
#[cfg(feature = "nccl")]
mod nccl;

use crate::backend::CudaBackend;
use crate::device::Block;
use crate::open_queue::OpenQueue;
use crate::pool::Buffer;
use crate::tables::Tables;
use ckks_math::backend::{Pointwise, RingKernels, checked};
use ckks_math::{Error, Result};

/// What carries bytes between ranks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Through {
    /// Memory of the host: two transfers for each byte, and each operation waits.
    Host,
    /// NCCL, in the order of the queues; needs its library and the feature `nccl`.
    Nccl,
}

/// Carries bytes between ranks, in the order of each rank's queue.
trait Transport: Send {
    /// The bytes of `from` of all ranks, to `to` in the order of ranks.
    fn all_gather(&self, queue: &OpenQueue, from: &Buffer, to: &Buffer) -> Result<()>;

    /// Part `r` of `bytes` bytes of `from` goes to rank `r`; part `r` of `to` comes from it.
    fn all_to_all(&self, queue: &OpenQueue, from: &Buffer, to: &Buffer, bytes: usize)
    -> Result<()>;

    /// The bytes of `x` of the rank `root`, to that of all others.
    fn broadcast(&self, queue: &OpenQueue, x: &Buffer, root: usize) -> Result<()>;
}

/// One rank among `size`.
pub struct Communicator {
    backend: CudaBackend,
    rank: usize,
    size: usize,
    /// None is needed for one rank alone.
    transport: Option<Box<dyn Transport>>,
}

impl Communicator {
    /// A communicator for each of these backends, in the order of their ranks.
    ///
    /// One alone needs no transport. With [`Through::Nccl`], fails where the library is missing or
    /// was left out, and says so; backends must then be different cards.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where NCCL is asked for and the library is missing or was left out of
    /// the build.
    pub fn of(backends: Vec<CudaBackend>, through: Through) -> Result<Vec<Self>> {
        let size = backends.len();
        let transports: Vec<Option<Box<dyn Transport>>> = match through {
            _ if size < 2 => backends.iter().map(|_| None).collect(),
            Through::Host => host::transports(size).into_iter().map(Some).collect(),
            Through::Nccl => nccl_transports(&backends)?.into_iter().map(Some).collect(),
        };
        let ranks = backends.into_iter().zip(transports).enumerate();
        let ranks = ranks.map(|(rank, (backend, transport))| Self {
            backend,
            rank,
            size,
            transport,
        });
        Ok(ranks.collect())
    }

    /// Which rank this is, from 0.
    pub const fn rank(&self) -> usize {
        self.rank
    }

    /// How many ranks there are.
    pub const fn size(&self) -> usize {
        self.size
    }

    /// The backend of this rank.
    pub const fn backend(&self) -> &CudaBackend {
        &self.backend
    }

    /// The rows of all ranks, in the order of ranks.
    ///
    /// # Errors
    /// As [`checked::block`]; [`Error::Device`] where ranks give blocks of different shapes, or a
    /// device fails.
    pub fn all_gather(&self, t: &Tables, x: &Block) -> Result<Block> {
        checked::block("all_gather", t.ring(), x.shape)?;
        let rows = x.shape.rows * self.size;
        let out = self.backend.block(t, rows, x.shape.basis)?;
        let (queue, from, to) = (&self.backend.queue, &x.words, &out.words);
        match &self.transport {
            None => queue.copy_whole(from, to, 0)?,
            Some(transport) => transport.all_gather(queue, from, to)?,
        }
        Ok(out)
    }

    /// The sum over all ranks of this rank's share of the rows: rows `r k` to `(r + 1) k` of `size
    /// * k`.
    ///
    /// Sums are modulo the primes, whatever their number, in the order of ranks.
    ///
    /// # Errors
    /// As [`Communicator::all_gather`]; [`Error::InvalidParameters`] for rows that are no multiple
    /// of the number of ranks.
    pub fn reduce_scatter(&self, t: &Tables, x: &Block) -> Result<Block> {
        checked::block("reduce_scatter", t.ring(), x.shape)?;
        let (backend, basis) = (&self.backend, x.shape.basis);
        if !x.shape.rows.is_multiple_of(self.size) {
            return Err(Error::InvalidParameters(format!(
                "reduce_scatter: {} rows for {} ranks, give each as many",
                x.shape.rows, self.size
            )));
        }
        let share = x.shape.rows / self.size;
        let Some(transport) = &self.transport else {
            return backend.restrict(t, x, 0..share, basis);
        };
        let received = backend.block(t, x.shape.rows, basis)?;
        let bytes = x.words.len() / self.size;
        transport.all_to_all(&backend.queue, &x.words, &received.words, bytes)?;
        let mut sum = backend.restrict(t, &received, 0..share, basis)?;
        for rank in 1..self.size {
            let rows = rank * share..(rank + 1) * share;
            let part = backend.restrict(t, &received, rows, basis)?;
            backend.pointwise_assign(t, Pointwise::Add, &mut sum, &part)?;
        }
        Ok(sum)
    }

    /// Replaces the residues of `x` by those of the rank `root`.
    ///
    /// # Errors
    /// [`Error::InvalidParameters`] for a rank that is not there; [`Error::Device`] where ranks
    /// give blocks of different shapes, or a device fails.
    pub fn broadcast(&self, x: &mut Block, root: usize) -> Result<()> {
        if root >= self.size {
            return Err(Error::InvalidParameters(format!(
                "broadcast from rank {root} of {}",
                self.size
            )));
        }
        match &self.transport {
            None => Ok(()),
            Some(transport) => transport.broadcast(&self.backend.queue, &x.words, root),
        }
    }
}

#[cfg(feature = "nccl")]
fn nccl_transports(backends: &[CudaBackend]) -> Result<Vec<Box<dyn Transport>>> {
    nccl::transports(backends)
}

#[cfg(not(feature = "nccl"))]
fn nccl_transports(_: &[CudaBackend]) -> Result<Vec<Box<dyn Transport>>> {
    Err(Error::Unsupported {
        backend: "cuda".into(),
        what: "NCCL, which this build left out".into(),
        way_out: "build with the feature `nccl`, or go through memory of the host".into(),
    })
}
