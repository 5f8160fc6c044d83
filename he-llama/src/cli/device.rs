//! Opening backends, with no more threads than there are cores.

use crate::backends;
use crate::cli::args::RunArgs;
use crate::error::Result;
use crate::protocol::Engine;

/// The number of threads to use of those asked for: one for each core at most.
///
/// # Errors
///
/// Fails when the notice about fewer threads cannot be printed.
pub fn threads(asked: Option<usize>) -> Result<Option<usize>> {
    let cores = std::thread::available_parallelism().map_or(usize::MAX, usize::from);
    let (threads, bounded) = bounded(asked, cores);
    if bounded {
        note!("there are {cores} cores: {cores} threads are used, more would wait for each other")?;
    }
    Ok(threads)
}

fn bounded(asked: Option<usize>, cores: usize) -> (Option<usize>, bool) {
    match asked {
        Some(threads) if threads > cores => (Some(cores), true),
        other => (other, false),
    }
}

/// Opens a backend by name.
///
/// # Errors
///
/// Those of [`backends::open`] and [`threads`].
pub fn open(backend: &str, asked: Option<usize>) -> Result<Box<dyn Engine>> {
    backends::open(backend, threads(asked)?)
}

impl RunArgs {
    /// Opens the backend.
    ///
    /// # Errors
    ///
    /// Those of `open`.
    pub fn engine(&self) -> Result<Box<dyn Engine>> {
        open(&self.backend, self.threads)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_threads_than_cores_are_not_started() {
        assert_eq!(bounded(Some(512), 2), (Some(2), true));
        assert_eq!(bounded(Some(2), 2), (Some(2), false));
        assert_eq!(
            bounded(Some(0), 2),
            (Some(0), false),
            "refused by the backend"
        );
        assert_eq!(bounded(None, 2), (None, false));
    }
}
