//! Keys and matrices that lie in pinned memory of the host and come to the device when they are
//! used, on a queue of their own.
//!
//! The host is ahead of the device: a transfer is submitted while earlier work still runs, and
//! overlaps it. What was brought last is held back for a while, so that the next transfers write
//! elsewhere than where the device still reads.

use crate::backend::CudaBackend;
use crate::driver::HostMemory;
use crate::open_queue::OpenQueue;
use crate::pool::Buffer;
use ckks_math::Result;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Transfers whose place on the device is not written again.
const HELD: usize = 2;

/// Words on the device or in pinned memory.
pub(crate) enum Stored {
    Device(Arc<Buffer>),
    Host(Arc<dyn HostMemory>),
}

/// The queue of transfers, opened by the first, and what they brought last.
#[derive(Default)]
pub(crate) struct Feeder(Mutex<Option<Feed>>);

struct Feed {
    queue: Arc<OpenQueue>,
    held: VecDeque<Arc<Buffer>>,
}

impl Stored {
    /// Bytes of device memory, and of pinned memory.
    pub fn bytes(&self) -> (usize, usize) {
        match self {
            Self::Device(buffer) => (buffer.len(), 0),
            Self::Host(memory) => (0, memory.bytes().len()),
        }
    }

    /// The words on the device, for work that the backend submits next.
    ///
    /// # Errors
    /// [`ckks_math::Error::OutOfMemory`], and failures of the device.
    pub fn fetch(&self, backend: &CudaBackend) -> Result<Arc<Buffer>> {
        match self {
            Self::Device(buffer) => {
                buffer.check_device(backend.queue.pool())?;
                Ok(buffer.clone())
            }
            Self::Host(memory) => backend.feeder.fetch(backend, &**memory),
        }
    }
}

impl Feeder {
    fn fetch(&self, backend: &CudaBackend, memory: &dyn HostMemory) -> Result<Arc<Buffer>> {
        let mut feed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pool = backend.queue.pool();
        if feed.is_none() {
            *feed = Some(Feed {
                queue: pool.open_queue()?,
                held: VecDeque::new(),
            });
        }
        let Some(Feed { queue, held }) = &mut *feed else {
            unreachable!("opened above")
        };
        let buffer = Arc::new(pool.take(queue, memory.bytes().len())?);
        queue.send_pinned(&buffer, memory)?;
        backend.queue.wait_for(queue)?;
        held.push_back(buffer.clone());
        if held.len() > HELD {
            held.pop_front();
        }
        Ok(buffer)
    }
}

impl CudaBackend {
    /// Words that are to be kept, where [`CudaBackend::with_host_storage`] says.
    pub(crate) fn keep(&self, buffer: Buffer) -> Result<Stored> {
        if !self.options.on_host {
            return Ok(Stored::Device(Arc::new(buffer)));
        }
        let mut bytes = vec![0; buffer.len()];
        self.queue.receive(&buffer, 0, &mut bytes)?;
        Ok(Stored::Host(self.queue.pool().pin(&bytes)?))
    }
}
