//! Captured work, opaque to everything but the backend that captured it.

use std::any::Any;
use std::fmt;

/// Work that [`super::Device::capture`] noted, in the backend's own form.
pub struct Captured(Box<dyn Any + Send + Sync>);

impl Captured {
    /// Wraps a backend's form.
    pub fn new(work: impl Any + Send + Sync) -> Self {
        Self(Box::new(work))
    }

    /// The backend's form, if it is of that type.
    pub fn get<T: Any>(&self) -> Option<&T> {
        self.0.downcast_ref()
    }
}

impl fmt::Debug for Captured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Captured")
    }
}
