//! Ranks that meet in memory of the host: for cards without NCCL, and to test what is built on
//! ranks.

use super::Transport;
use crate::open_queue::OpenQueue;
use crate::pool::Buffer;
use ckks_math::{Error, Result};
use std::sync::{Arc, Barrier, Mutex, PoisonError};

/// What one rank gives the others: its bytes, or nothing where it failed.
type Given = Option<Arc<Vec<u8>>>;

/// Where all ranks meet.
struct Table {
    places: Mutex<Vec<Given>>,
    barrier: Barrier,
}

struct HostTransport {
    rank: usize,
    table: Arc<Table>,
}

/// One for each rank.
pub fn transports(size: usize) -> Vec<Box<dyn Transport>> {
    let table = Arc::new(Table {
        places: Mutex::new(vec![None; size]),
        barrier: Barrier::new(size),
    });
    let transport = |rank| {
        let table = table.clone();
        Box::new(HostTransport { rank, table }) as Box<dyn Transport>
    };
    (0..size).map(transport).collect()
}

impl HostTransport {
    /// Gives bytes, if this rank has some to give, and waits for those of all others. A rank that
    /// failed still comes, so that none waits forever.
    fn meet(&self, own: Result<Vec<u8>>) -> Result<Vec<Given>> {
        let places = || (self.table.places.lock()).unwrap_or_else(PoisonError::into_inner);
        let (given, failure) = match own {
            Ok(bytes) => (Some(Arc::new(bytes)), None),
            Err(error) => (None, Some(error)),
        };
        places()[self.rank] = given;
        self.table.barrier.wait();
        let all = places().clone();
        // Nobody gives anew before all have read.
        self.table.barrier.wait();
        match failure {
            Some(error) => Err(error),
            None => Ok(all),
        }
    }
}

fn download(queue: &OpenQueue, from: &Buffer, bytes: usize) -> Result<Vec<u8>> {
    let mut own = vec![0; bytes];
    queue.receive(from, 0, &mut own)?;
    Ok(own)
}

/// The bytes of a rank, as many as every rank gives.
fn bytes_of(all: &[Given], rank: usize, bytes: usize) -> Result<&[u8]> {
    let given = all[rank].as_deref().map(Vec::as_slice);
    given
        .filter(|given| given.len() == bytes)
        .ok_or_else(|| Error::Device {
            backend: "cuda".into(),
            message: format!(
                "rank {rank} gave {} bytes where {bytes} are due: each rank needs blocks of one shape",
                given.map_or(0, <[u8]>::len)
            ),
        })
}

impl Transport for HostTransport {
    fn all_gather(&self, queue: &OpenQueue, from: &Buffer, to: &Buffer) -> Result<()> {
        let bytes = from.len();
        let all = self.meet(download(queue, from, bytes))?;
        for rank in 0..all.len() {
            let part = bytes_of(&all, rank, bytes)?;
            queue.send(to, rank * bytes, part)?;
        }
        Ok(())
    }

    fn all_to_all(
        &self,
        queue: &OpenQueue,
        from: &Buffer,
        to: &Buffer,
        bytes: usize,
    ) -> Result<()> {
        let size = (self.table.places.lock())
            .unwrap_or_else(PoisonError::into_inner)
            .len();
        let all = self.meet(download(queue, from, size * bytes))?;
        for rank in 0..size {
            let parts = bytes_of(&all, rank, size * bytes)?;
            let part = &parts[self.rank * bytes..][..bytes];
            queue.send(to, rank * bytes, part)?;
        }
        Ok(())
    }

    fn broadcast(&self, queue: &OpenQueue, x: &Buffer, root: usize) -> Result<()> {
        let own = match self.rank == root {
            true => download(queue, x, x.len()),
            false => Ok(Vec::new()),
        };
        let all = self.meet(own)?;
        if self.rank == root {
            return Ok(());
        }
        queue.send(x, 0, bytes_of(&all, root, x.len())?)
    }
}
