//! Ranks that meet through NCCL.

use super::Transport;
use crate::backend::CudaBackend;
use crate::driver::Native;
use crate::open_queue::OpenQueue;
use crate::pool::Buffer;
use ckks_math::{Error, Result};
use cudarc::nccl::{result, sys};

struct NcclTransport {
    raw: sys::ncclComm_t,
    size: usize,
}

// SAFETY: one thread uses a communicator at a time, as its owner is not shared.
unsafe impl Send for NcclTransport {}

fn check<T>(doing: &str, outcome: std::result::Result<T, result::NcclError>) -> Result<()> {
    outcome.map(drop).map_err(|e| Error::Device {
        backend: "cuda".into(),
        message: format!("NCCL, {doing}: {e:?}"),
    })
}

/// Handles of a queue's card, which is made current.
fn native(queue: &OpenQueue) -> Result<Native> {
    queue.raw().native()?.ok_or_else(|| Error::Unsupported {
        backend: "cuda".into(),
        what: "NCCL without a card".into(),
        way_out: "go through memory of the host".into(),
    })
}

/// One for each backend, all of different cards.
///
/// # Errors
/// [`Error::Unsupported`] without the library or without cards, [`Error::Device`] where NCCL fails.
pub fn transports(backends: &[CudaBackend]) -> Result<Vec<Box<dyn Transport>>> {
    // SAFETY: looks for the library and loads it, nothing more. cudarc panics where it is missing.
    if !unsafe { sys::is_culib_present() } {
        return Err(Error::Unsupported {
            backend: "cuda".into(),
            what: "this machine: NCCL's library (libnccl.so.2) is not found".into(),
            way_out: "install NCCL, or go through memory of the host".into(),
        });
    }
    let cards = backends.iter().map(|b| Ok(native(&b.queue)?.card));
    let cards = cards.collect::<Result<Vec<i32>>>()?;
    let mut raw = vec![std::ptr::null_mut(); cards.len()];
    // SAFETY: both lists have as many entries as there are cards.
    let made =
        unsafe { result::comm_init_all(raw.as_mut_ptr(), cards.len() as i32, cards.as_ptr()) };
    check("joining the cards", made)?;
    let size = cards.len();
    let ranks =
        (raw.into_iter()).map(|raw| Box::new(NcclTransport { raw, size }) as Box<dyn Transport>);
    Ok(ranks.collect())
}

const BYTE: sys::ncclDataType_t = sys::ncclDataType_t::ncclUint8;

impl Transport for NcclTransport {
    fn all_gather(&self, queue: &OpenQueue, from: &Buffer, to: &Buffer) -> Result<()> {
        let stream = native(queue)?.stream as sys::cudaStream_t;
        let bytes = from.len();
        let from = from.range(queue.pool(), 0, bytes)?.0 as *const _;
        let to = to.range(queue.pool(), 0, self.size * bytes)?.0 as *mut _;
        // SAFETY: both lie in blocks of the queue's card, that long; the stream is alive.
        check("gathering", unsafe {
            result::all_gather(from, to, bytes, BYTE, self.raw, stream)
        })
    }

    fn all_to_all(
        &self,
        queue: &OpenQueue,
        from: &Buffer,
        to: &Buffer,
        bytes: usize,
    ) -> Result<()> {
        let stream = native(queue)?.stream as sys::cudaStream_t;
        let from = from.range(queue.pool(), 0, self.size * bytes)?;
        let to = to.range(queue.pool(), 0, self.size * bytes)?;
        check("beginning a group", result::group_start())?;
        let parts = (0..self.size).try_for_each(|rank| {
            let from = from.offset(rank * bytes).0 as *const _;
            let to = to.offset(rank * bytes).0 as *mut _;
            // SAFETY: as in `all_gather`.
            unsafe {
                let peer = rank as i32;
                let sent = result::send(from, bytes, BYTE, peer, self.raw, stream);
                check("sending", sent)?;
                let received = result::recv(to, bytes, BYTE, peer, self.raw, stream);
                check("receiving", received)
            }
        });
        // Ended in any case, or later calls would wait in it.
        let ended = check("ending a group", result::group_end());
        parts.and(ended)
    }

    fn broadcast(&self, queue: &OpenQueue, x: &Buffer, root: usize) -> Result<()> {
        let stream = native(queue)?.stream as sys::cudaStream_t;
        let bytes = x.len();
        let at = x.range(queue.pool(), 0, bytes)?;
        let (from, to) = (at.0 as *const _, at.0 as *mut _);
        // SAFETY: as in `all_gather`; NCCL takes one place for both.
        check("broadcasting", unsafe {
            result::broadcast(from, to, bytes, BYTE, root as i32, self.raw, stream)
        })
    }
}

impl Drop for NcclTransport {
    fn drop(&mut self) {
        // SAFETY: made once by `transports`, destroyed once.
        let _ = unsafe { result::comm_destroy(self.raw) };
    }
}
