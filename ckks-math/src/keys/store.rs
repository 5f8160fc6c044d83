//! Keys in memory: compressed until they are used.

use super::{KeyRequest, OwnerTag, SwitchingKey};
use crate::backend::{Backend, Basis};
use crate::context::Context;
use crate::error::Result;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Bytes of the keys of a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyMemory {
    /// Compressed keys on the host.
    pub compressed: u64,
    /// Expanded keys on the device, see [`SwitchingKey::expanded_bytes`].
    pub expanded: u64,
}

/// Keys by request.
pub(super) struct Store<B: Backend> {
    entries: BTreeMap<KeyRequest, Entry<B>>,
    /// Most bytes of expanded keys, if there is a bound.
    budget: Option<u64>,
    /// Counts uses.
    clock: u64,
    /// Of the first key.
    owner: Option<OwnerTag>,
}

struct Entry<B: Backend> {
    basis: Basis,
    /// Without a budget only until the first use.
    compressed: Option<SwitchingKey>,
    expanded: Option<Arc<B::SwitchKey>>,
    expanded_bytes: u64,
    last_use: u64,
}

impl<B: Backend> Entry<B> {
    fn memory(&self) -> KeyMemory {
        let compressed = self.compressed.as_ref().map_or(0, SwitchingKey::bytes);
        KeyMemory {
            compressed: compressed as u64,
            expanded: self.expanded.as_ref().map_or(0, |_| self.expanded_bytes),
        }
    }
}

impl<B: Backend> Store<B> {
    pub fn new(budget: Option<u64>) -> Self {
        Self {
            entries: BTreeMap::new(),
            budget,
            clock: 0,
            owner: None,
        }
    }

    /// Whether expanded keys may be given up.
    pub fn is_bounded(&self) -> bool {
        self.budget.is_some()
    }

    pub fn requests(&self) -> impl Iterator<Item = KeyRequest> + '_ {
        self.entries.keys().copied()
    }

    pub fn memory(&self) -> KeyMemory {
        let entries = self.entries.values().map(Entry::memory);
        entries.fold(KeyMemory::default(), |sum, x| KeyMemory {
            compressed: sum.compressed + x.compressed,
            expanded: sum.expanded + x.expanded,
        })
    }

    /// Whose the keys are.
    pub fn owner(&self) -> Option<OwnerTag> {
        self.owner
    }

    /// Holds one more key; one of the same request is replaced, one of another owner refused.
    ///
    /// # Errors
    /// [`Error::WrongOwner`](crate::Error::WrongOwner) for a key of another secret.
    pub fn insert(&mut self, key: SwitchingKey) -> Result<()> {
        self.owner = OwnerTag::common("key set", Some(key.owner), self.owner)?;
        let request = key.request();
        let entry = Entry {
            basis: key.basis,
            expanded: None,
            expanded_bytes: key.expanded_bytes(),
            last_use: 0,
            compressed: Some(key),
        };
        self.entries.insert(request, entry);
        Ok(())
    }

    /// The first request from `from` to `to` whose basis fits.
    pub fn find(
        &self,
        from: KeyRequest,
        to: KeyRequest,
        fits: impl Fn(Basis) -> bool,
    ) -> Option<KeyRequest> {
        let mut entries = self.entries.range(from..=to);
        let found = entries.find(|(_, entry)| fits(entry.basis));
        found.map(|(request, _)| *request)
    }

    /// The expanded key of a request; `None` when there is no such request.
    ///
    /// # Errors
    /// As [`SwitchingKey::load`], for a key that is not expanded yet.
    pub fn expanded(
        &mut self,
        context: &Context<B>,
        request: KeyRequest,
    ) -> Result<Option<Arc<B::SwitchKey>>> {
        let Some(bytes) = self.entries.get(&request).map(|e| e.expanded_bytes) else {
            return Ok(None);
        };
        let keep = self.budget.is_some();
        if let Some(budget) = self.budget {
            // Before the key is made, so that the bound holds at every moment.
            self.evict(request, budget.saturating_sub(bytes));
        }
        self.clock += 1;
        let Some(entry) = self.entries.get_mut(&request) else {
            return Ok(None);
        };
        entry.last_use = self.clock;
        if let (None, Some(compressed)) = (&entry.expanded, &entry.compressed) {
            entry.expanded = Some(Arc::new(compressed.load(context)?));
            if !keep {
                entry.compressed = None;
            }
        }
        Ok(entry.expanded.clone())
    }

    /// Drops the expanded forms used longest ago, except that of `wanted`, until the others take at
    /// most `most` bytes.
    fn evict(&mut self, wanted: KeyRequest, most: u64) {
        let mut others: Vec<_> = self.entries.iter_mut().collect();
        others.retain(|(request, entry)| **request != wanted && entry.expanded.is_some());
        others.sort_by_key(|(_, entry)| entry.last_use);
        let mut held: u64 = others.iter().map(|(_, entry)| entry.expanded_bytes).sum();
        for (_, entry) in others {
            if held <= most {
                return;
            }
            entry.expanded = None;
            held -= entry.expanded_bytes;
        }
    }
}
