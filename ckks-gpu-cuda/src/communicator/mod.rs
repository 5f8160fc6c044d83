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
use crate::driver::Address;
use crate::open_queue::OpenQueue;
use crate::tables::Tables;
use ckks_math::backend::{Pointwise, RingKernels};
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
    /// Bytes at `from` of all ranks, to `to` in the order of ranks.
    fn all_gather(&self, queue: &OpenQueue, from: Address, to: Address, bytes: usize)
    -> Result<()>;

    /// Part `r` of `bytes` bytes at `from` goes to rank `r`; part `r` at `to` comes from it.
    fn all_to_all(&self, queue: &OpenQueue, from: Address, to: Address, bytes: usize)
    -> Result<()>;

    /// Bytes at `at` of the rank `root`, to the same place of all others.
    fn broadcast(&self, queue: &OpenQueue, at: Address, bytes: usize, root: usize) -> Result<()>;
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
    pub fn all_gather(&self, t: &Tables, x: &Block) -> Result<Block> {
        let rows = x.shape.rows * self.size;
        let out = self.backend.block(t, rows, x.shape.basis)?;
        let (from, to, bytes) = (x.address(), out.address(), x.words.len());
        match &self.transport {
            None => self.backend.copy(from, to, bytes)?,
            Some(transport) => transport.all_gather(&self.backend.queue, from, to, bytes)?,
        }
        Ok(out)
    }

    /// The sum over all ranks of this rank's share of the rows: rows `r k` to `(r + 1) k` of `size
    /// * k`.
    ///
    /// Sums are modulo the primes, whatever their number, in the order of ranks.
    pub fn reduce_scatter(&self, t: &Tables, x: &Block) -> Result<Block> {
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
        transport.all_to_all(&backend.queue, x.address(), received.address(), bytes)?;
        let mut sum = backend.restrict(t, &received, 0..share, basis)?;
        for rank in 1..self.size {
            let rows = rank * share..(rank + 1) * share;
            let part = backend.restrict(t, &received, rows, basis)?;
            backend.pointwise_assign(t, Pointwise::Add, &mut sum, &part)?;
        }
        Ok(sum)
    }

    /// Replaces the residues of `x` by those of the rank `root`.
    pub fn broadcast(&self, x: &mut Block, root: usize) -> Result<()> {
        if root >= self.size {
            return Err(Error::InvalidParameters(format!(
                "broadcast from rank {root} of {}",
                self.size
            )));
        }
        match &self.transport {
            None => Ok(()),
            Some(transport) => {
                transport.broadcast(&self.backend.queue, x.address(), x.words.len(), root)
            }
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
