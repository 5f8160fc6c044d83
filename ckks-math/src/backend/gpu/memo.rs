//! Values that are made on first use.

use crate::error::Result;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// Values by what they follow from, each made once, at its first use.
///
/// Nothing is dropped before the memo: what captured work reads of it stays as long as the tables.
#[derive(Debug)]
pub struct Memo<K, V>(Mutex<HashMap<K, Arc<V>>>);

impl<K, V> Default for Memo<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Hash + Eq, V> Memo<K, V> {
    /// The value of a key. Others wait while it is made, and none is made twice.
    ///
    /// # Errors
    /// Whatever `make` returns; the next use tries again.
    pub fn get(&self, key: K, make: impl FnOnce() -> Result<V>) -> Result<Arc<V>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(&key) {
            return Ok(found.clone());
        }
        let made = Arc::new(make()?);
        known.insert(key, made.clone());
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn values_are_made_once_and_failures_are_tried_again() {
        let memo = Memo::default();
        let failure = || Err(Error::InvalidParameters("not now".into()));
        assert!(memo.get(1, failure).is_err());
        let first = memo.get(1, || Ok(10)).expect("made");
        let second = memo.get(1, failure).expect("known");
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(*memo.get(2, || Ok(20)).expect("made"), 20);
    }
}
