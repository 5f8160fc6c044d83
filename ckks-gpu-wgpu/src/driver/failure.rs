//! Failures that last: once a device is lost or out of memory, every later call says so.

use ckks_math::{Error, Result};
use std::sync::{Mutex, PoisonError};

/// What went wrong first.
#[derive(Clone, Debug)]
enum Cause {
    /// The device is gone, or refused a command.
    Device(String),
    /// Memory ran out: bytes asked for, or 0 where the device does not say, and bytes that were
    /// free.
    Memory { asked: u64, free: u64 },
}

/// The first failure of a device.
#[derive(Debug)]
pub struct Failure {
    backend: String,
    cause: Mutex<Option<Cause>>,
}

impl Failure {
    /// No failure yet, of a backend of a name.
    pub const fn new(backend: String) -> Self {
        Self {
            backend,
            cause: Mutex::new(None),
        }
    }

    /// Fails if something failed before.
    ///
    /// # Errors
    /// [`Error::Device`] or [`Error::OutOfMemory`]: the first failure of the device, which lasts.
    pub fn check(&self) -> Result<()> {
        let cause = self.cause.lock().unwrap_or_else(PoisonError::into_inner);
        match cause.as_ref() {
            None => Ok(()),
            Some(cause) => Err(self.error(cause.clone())),
        }
    }

    /// Notes that the device failed, unless something failed before; returns the first failure.
    pub fn device(&self, message: impl Into<String>) -> Error {
        self.note(Cause::Device(message.into()))
    }

    /// Notes that memory ran out.
    pub fn memory(&self, asked: u64, free: u64) -> Error {
        self.note(Cause::Memory { asked, free })
    }

    fn note(&self, cause: Cause) -> Error {
        let mut first = self.cause.lock().unwrap_or_else(PoisonError::into_inner);
        let first = first.get_or_insert(cause).clone();
        self.error(first)
    }

    fn error(&self, cause: Cause) -> Error {
        let backend = self.backend.clone();
        match cause {
            Cause::Device(message) => Error::Device { backend, message },
            Cause::Memory { asked, free } => Error::OutOfMemory {
                backend,
                asked,
                free,
            },
        }
    }
}
