//! A queue of the executor that can take notes of its work instead of doing it, as a card does while a
//! graph is captured.

use super::executor::{Executor, failure};
use super::{Address, Event, Graph, HostMemory, Queue};
use crate::launch::{Argument, Grid, Launch};
use ckks_math::Result;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A queue and, while it captures, its notes.
pub struct Recorder {
    queue: Executor,
    notes: Mutex<Option<Vec<Work>>>,
}

/// One piece of work.
enum Work {
    Launch {
        kernel: String,
        grid: Grid,
        arguments: Vec<Argument>,
    },
    Upload(Address, Vec<u8>),
    Copy(Address, Address, usize),
    Fill(Address, usize, u8),
}

impl Recorder {
    pub fn new(queue: Executor) -> Self {
        Self {
            queue,
            notes: Mutex::default(),
        }
    }

    fn notes(&self) -> MutexGuard<'_, Option<Vec<Work>>> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes work, or does it.
    fn submit(&self, work: Work) -> Result<()> {
        if let Some(notes) = &mut *self.notes() {
            notes.push(work);
            return Ok(());
        }
        self.perform(&work)
    }

    fn perform(&self, work: &Work) -> Result<()> {
        match work {
            Work::Launch {
                kernel,
                grid,
                arguments,
            } => self.queue.launch(&Launch {
                kernel,
                grid: *grid,
                arguments,
            }),
            Work::Upload(to, bytes) => self.queue.upload(*to, bytes),
            Work::Copy(from, to, bytes) => self.queue.copy(*from, *to, *bytes),
            Work::Fill(to, bytes, value) => self.queue.fill(*to, *bytes, *value),
        }
    }

    fn refuse_to_wait(&self) -> Result<()> {
        match *self.notes() {
            Some(_) => Err(super::captured_wait()),
            None => Ok(()),
        }
    }
}

impl Queue for Recorder {
    fn launch(&self, launch: &Launch<'_>) -> Result<()> {
        self.submit(Work::Launch {
            kernel: launch.kernel.to_owned(),
            grid: launch.grid,
            arguments: launch.arguments.to_vec(),
        })
    }

    fn upload(&self, to: Address, bytes: &[u8]) -> Result<()> {
        self.submit(Work::Upload(to, bytes.to_vec()))
    }

    fn upload_pinned(&self, to: Address, from: &dyn HostMemory) -> Result<()> {
        self.upload(to, from.bytes())
    }

    fn download(&self, from: Address, bytes: &mut [u8]) -> Result<()> {
        self.refuse_to_wait()?;
        self.queue.download(from, bytes)
    }

    fn copy(&self, from: Address, to: Address, bytes: usize) -> Result<()> {
        self.submit(Work::Copy(from, to, bytes))
    }

    fn fill(&self, to: Address, bytes: usize, value: u8) -> Result<()> {
        self.submit(Work::Fill(to, bytes, value))
    }

    fn record(&self) -> Result<Event> {
        Ok(Box::new(()))
    }

    fn wait(&self, _: &Event) -> Result<()> {
        Ok(())
    }

    fn synchronize(&self) -> Result<()> {
        self.refuse_to_wait()
    }

    fn begin_capture(&self) -> Result<()> {
        *self.notes() = Some(Vec::new());
        Ok(())
    }

    fn end_capture(&self) -> Result<Graph> {
        let notes = self.notes().take();
        let notes = notes.ok_or_else(|| failure("no capture was begun".into()))?;
        Ok(Box::new(notes))
    }

    fn replay(&self, graph: &Graph) -> Result<()> {
        let notes = graph.downcast_ref::<Vec<Work>>();
        let notes = notes.ok_or_else(|| failure("a graph of another kind of device".into()))?;
        notes.iter().try_for_each(|work| self.perform(work))
    }
}
