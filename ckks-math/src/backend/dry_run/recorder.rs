//! Counters, phases and memory of a dry run, shared by its clones, blocks and keys.

use super::counts::{Counts, Kernel, Operation, Tally};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What holds device memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    Block,
    Key,
    Matrix,
}

/// Bytes of device memory by holder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LiveBytes {
    /// Held by blocks.
    pub blocks: u64,
    /// Held by switching keys.
    pub keys: u64,
    /// Held by plaintext matrices.
    pub matrices: u64,
}

impl LiveBytes {
    /// All of them.
    pub const fn total(self) -> u64 {
        self.blocks + self.keys + self.matrices
    }
}

/// Work and memory of one phase.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PhaseCounts {
    /// Labels from the outermost phase to this one, with slashes between.
    pub path: String,
    /// How often the phase was entered.
    pub entries: u64,
    /// Work inside the phase, that of inner phases included.
    pub counts: Counts,
    /// Most bytes alive at a time inside the phase, those alive at its beginning included.
    pub peak: LiveBytes,
}

#[derive(Debug, Default)]
struct State {
    counts: Counts,
    phases: Vec<PhaseCounts>,
    /// Indices into `phases`, outermost first.
    open: Vec<usize>,
    live: LiveBytes,
    peak: LiveBytes,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Recorder(Arc<Mutex<State>>);

impl Recorder {
    fn state(&self) -> MutexGuard<'_, State> {
        // Counters stay meaningful after a panic elsewhere.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds to the total and to every open phase.
    pub fn work(&self, kernel: Kernel, work: Tally) {
        let state = &mut *self.state();
        state.counts.add_work(kernel, work);
        for &phase in &state.open {
            state.phases[phase].counts.add_work(kernel, work);
        }
    }

    pub fn operation(&self, operation: Operation, polynomials: usize) {
        let state = &mut *self.state();
        state.counts.add_operation(operation, polynomials);
        for &phase in &state.open {
            let counts = &mut state.phases[phase].counts;
            counts.add_operation(operation, polynomials);
        }
    }

    pub fn counts(&self) -> Counts {
        self.state().counts.clone()
    }

    pub fn phases(&self) -> Vec<PhaseCounts> {
        self.state().phases.clone()
    }

    pub fn live(&self) -> LiveBytes {
        self.state().live
    }

    pub fn peak(&self) -> LiveBytes {
        self.state().peak
    }

    /// Counts bytes as live; fails with the bytes free when they do not fit in `capacity`.
    ///
    /// # Errors
    /// The bytes that are free, where they are too few.
    pub fn hold(&self, holder: Holder, bytes: u64, capacity: Option<u64>) -> Result<Held, u64> {
        let state = &mut *self.state();
        let free = capacity.map(|c| c.saturating_sub(state.live.total()));
        if let Some(free) = free
            && bytes > free
        {
            return Err(free);
        }
        *state.live.slot(holder) += bytes;
        let live = state.live;
        state.peak.raise(live);
        for &phase in &state.open {
            state.phases[phase].peak.raise(live);
        }
        Ok(Held {
            holder,
            bytes,
            recorder: self.clone(),
        })
    }

    pub fn enter(&self, label: &str) -> PhaseGuard {
        let state = &mut *self.state();
        let path = match state.open.last() {
            Some(&outer) => format!("{}/{label}", state.phases[outer].path),
            None => label.to_owned(),
        };
        let index = match state.phases.iter().position(|p| p.path == path) {
            Some(index) => index,
            None => {
                state.phases.push(PhaseCounts {
                    path,
                    ..PhaseCounts::default()
                });
                state.phases.len() - 1
            }
        };
        let live = state.live;
        state.phases[index].entries += 1;
        state.phases[index].peak.raise(live);
        state.open.push(index);
        PhaseGuard {
            index,
            recorder: self.clone(),
        }
    }
}

impl LiveBytes {
    fn slot(&mut self, holder: Holder) -> &mut u64 {
        match holder {
            Holder::Block => &mut self.blocks,
            Holder::Key => &mut self.keys,
            Holder::Matrix => &mut self.matrices,
        }
    }

    /// Keeps the moment with the larger total.
    fn raise(&mut self, live: Self) {
        if live.total() > self.total() {
            *self = live;
        }
    }
}

/// Bytes that count as live until dropped.
#[derive(Debug)]
pub(super) struct Held {
    holder: Holder,
    bytes: u64,
    recorder: Recorder,
}

impl Drop for Held {
    fn drop(&mut self) {
        *self.recorder.state().live.slot(self.holder) -= self.bytes;
    }
}

/// Keeps a phase open until dropped.
#[derive(Debug)]
#[must_use = "the phase ends when the guard is dropped"]
pub struct PhaseGuard {
    index: usize,
    recorder: Recorder,
}

impl Drop for PhaseGuard {
    fn drop(&mut self) {
        let open = &mut self.recorder.state().open;
        if let Some(at) = open.iter().rposition(|&phase| phase == self.index) {
            open.remove(at);
        }
    }
}
