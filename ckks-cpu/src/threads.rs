//! Threads that share the tasks of one kernel.

use ckks_math::{Error, Result};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Turns that a caller without tasks waits for the others before it sleeps: 20 to 30 microseconds,
/// what waking it would take. The last tasks of a kernel mostly end within.
const TURNS: usize = 1 << 9;

/// The calling thread and those that help it; clones share them.
///
/// The caller begins at once, while the others wake up, and none is ever idle while there are tasks
/// left: they are taken one by one, in order, so that threads work next to each other in memory.
#[derive(Clone)]
pub struct Threads {
    /// `None` for the caller alone.
    helpers: Option<Arc<rayon::ThreadPool>>,
}

impl Threads {
    /// `count` threads in all, by default one a core.
    ///
    /// # Errors
    /// [`Error::InvalidParameters`] for 0; [`Error::Device`] where the system starts no more
    /// threads.
    pub fn start(count: Option<usize>) -> Result<Self> {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let helpers = match count.unwrap_or_else(cores) {
            0 => {
                return Err(Error::InvalidParameters(
                    "0 threads: give at least 1, or none for one a core".into(),
                ));
            }
            1 => None,
            count => Some(Arc::new(
                rayon::ThreadPoolBuilder::new()
                    .num_threads(count - 1)
                    .thread_name(|i| format!("ckks-cpu-{}", i + 1))
                    .build()
                    .map_err(|e| Error::Device {
                        backend: "cpu".into(),
                        message: e.to_string(),
                    })?,
            )),
        };
        Ok(Self { helpers })
    }

    /// Number of threads, the caller's included.
    pub fn count(&self) -> usize {
        1 + (self.helpers.as_ref()).map_or(0, |helpers| helpers.current_num_threads())
    }

    /// Runs `task` on each item.
    pub fn for_each<T: Send>(&self, items: Vec<T>, task: impl Fn(T) + Sync) {
        let wanted = items.len().saturating_sub(1);
        let (Some(helpers), 1..) = (&self.helpers, wanted) else {
            return items.into_iter().for_each(task);
        };
        let queue = Mutex::new(items.into_iter());
        let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
        let work = || {
            while let Some(item) = next() {
                task(item);
            }
        };
        let working = AtomicUsize::new(wanted.min(self.count() - 1));
        helpers.in_place_scope(|scope| {
            for _ in 0..working.load(Ordering::Relaxed) {
                scope.spawn(|_| {
                    work();
                    working.fetch_sub(1, Ordering::Relaxed);
                });
            }
            work();
            for _ in 0..TURNS {
                if working.load(Ordering::Relaxed) == 0 {
                    break;
                }
                std::hint::spin_loop();
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_taken_once() {
        for count in [1, 2, 5] {
            let threads = Threads::start(Some(count)).expect("threads");
            assert_eq!(threads.count(), count);
            for items in [0, 1, 2, 100] {
                let mut seen = vec![0; items];
                threads.for_each(seen.iter_mut().collect(), |seen: &mut i32| *seen += 1);
                assert!(seen.iter().all(|&seen| seen == 1));
            }
        }
        assert!(Threads::start(Some(0)).is_err());
    }
}
