//! Errors of tasks that run in parallel.

use ckks_math::{Error, Result};
use std::sync::{Mutex, PoisonError};

/// Keeps the first error of tasks that cannot return one.
#[derive(Default)]
pub struct Failure(Mutex<Option<Error>>);

impl Failure {
    /// Runs a task and keeps its error.
    pub fn watch(&self, task: impl FnOnce() -> Result<()>) {
        if let Err(error) = task() {
            let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert(error);
        }
    }

    /// The first error, if there was one.
    ///
    /// # Errors
    /// The first error that a task returned.
    pub fn into_result(self) -> Result<()> {
        let first = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        first.map_or(Ok(()), Err)
    }
}
