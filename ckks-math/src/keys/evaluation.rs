//! The set of keys an evaluator works with.

use super::store::Store;
use super::{GaloisElement, KeyMemory, KeyPurpose, KeyRequest, OwnerTag, SwitchingKey};
use crate::backend::dry_run::DryRun;
use crate::backend::{Backend, Basis};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::params::Params;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

/// Requests recorded during a dry run: the keys a circuit needs.
pub type KeyDemand = BTreeSet<KeyRequest>;

/// The keys to make for a demand: for each purpose and number of special primes only the highest
/// level, whose key serves the lower ones.
pub fn merge_demand(params: &Params, demand: &KeyDemand) -> Vec<KeyRequest> {
    let mut highest = BTreeMap::new();
    for request in demand {
        // Ascending levels: the last one stays.
        highest.insert((request.purpose, request.basis(params).special), *request);
    }
    highest.into_values().collect()
}

/// Switching keys by purpose and level: compressed on the host until their first use expands them
/// on the device, for good or, with a budget, until others need the room.
pub struct EvaluationKeys<B: Backend> {
    store: Mutex<Store<B>>,
    /// When set, any key is recorded and made in the right shape.
    recorder: Option<Recorder<B>>,
}

/// Records requests and makes keys of the right shape without content.
struct Recorder<B: Backend> {
    made: Mutex<BTreeMap<KeyRequest, Arc<B::SwitchKey>>>,
    make: fn(&Context<B>, Basis) -> Result<B::SwitchKey>,
}

impl EvaluationKeys<DryRun> {
    /// A set that answers every request with a key of the right shape and records it: for dry
    /// runs that find out which keys a circuit needs.
    pub fn recording() -> Self {
        let make = |context: &Context<DryRun>, basis: Basis| {
            let digit_size = context.params().digit_size();
            context
                .backend()
                .switch_key_shape(context.tables(), basis, digit_size)
        };
        Self {
            recorder: Some(Recorder {
                made: Mutex::default(),
                make,
            }),
            ..Self::new()
        }
    }
}

impl<B: Backend> Default for EvaluationKeys<B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<B: Backend> EvaluationKeys<B> {
    /// An empty set whose keys stay expanded once they are.
    pub fn new() -> Self {
        Self::within(None)
    }

    /// An empty set that keeps compressed forms, and at most `bytes` of expanded keys besides, as
    /// [`SwitchingKey::expanded_bytes`] counts (the last one, and those in use, are held in any
    /// case). Those used longest ago are given up first and expanded anew when they are wanted
    /// again.
    pub fn with_budget(bytes: u64) -> Self {
        Self::within(Some(bytes))
    }

    fn within(budget: Option<u64>) -> Self {
        Self {
            store: Mutex::new(Store::new(budget)),
            recorder: None,
        }
    }

    /// The keys that were asked for since [`EvaluationKeys::recording`], each at the levels used.
    pub fn demand(&self) -> KeyDemand {
        self.recorder
            .as_ref()
            .map_or_else(KeyDemand::new, |r| lock(&r.made).keys().copied().collect())
    }

    /// Takes one more key, which is expanded on its first use; one of the same request is replaced.
    ///
    /// # Errors
    /// [`Error::WrongParameters`] for a key of another set, [`Error::WrongOwner`] for one of
    /// another secret than those that are there.
    pub fn insert(&mut self, context: &Context<B>, key: SwitchingKey) -> Result<()> {
        context.check_hash("load switching key", key.hash)?;
        lock(&self.store).insert(key)
    }

    /// The tag of the secret key that all keys belong to; `None` while there is none.
    pub fn owner(&self) -> Option<OwnerTag> {
        lock(&self.store).owner()
    }

    /// Takes one more key and expands it now, unless a budget bounds what stays expanded: then its
    /// first use does.
    ///
    /// # Errors
    ///
    /// Fails for keys of other parameters, and when the device has no room.
    pub fn insert_expanded(&mut self, context: &Context<B>, key: SwitchingKey) -> Result<()> {
        let request = key.request();
        self.insert(context, key)?;
        let mut store = lock(&self.store);
        if !store.is_bounded() {
            store.expanded(context, request)?;
        }
        Ok(())
    }

    /// Expands all keys now, as far as the budget goes, so that no later operation has to.
    ///
    /// # Errors
    /// What the device reports.
    pub fn expand(&self, context: &Context<B>) -> Result<()> {
        let mut store = lock(&self.store);
        let requests: Vec<_> = store.requests().collect();
        for request in requests {
            store.expanded(context, request)?;
        }
        Ok(())
    }

    /// Whether keys stay expanded once they are.
    pub(crate) fn stay(&self) -> bool {
        !lock(&self.store).is_bounded()
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        lock(&self.store).requests().count()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of both forms at this moment.
    pub fn memory(&self) -> KeyMemory {
        lock(&self.store).memory()
    }

    /// The relinearisation key for a level.
    pub(crate) fn relinearization(
        &self,
        context: &Context<B>,
        level: usize,
    ) -> Result<Arc<B::SwitchKey>> {
        self.get(context, "relinearize", KeyPurpose::Relinearization, level)
    }

    /// The Galois key for a level.
    pub(crate) fn galois(
        &self,
        context: &Context<B>,
        op: &'static str,
        galois: GaloisElement,
        level: usize,
    ) -> Result<Arc<B::SwitchKey>> {
        self.get(context, op, KeyPurpose::Galois(galois), level)
    }

    /// The Galois key for a level with exactly the special primes of that level's own keys: what
    /// diagonals encoded over `QP` can meet.
    pub(crate) fn galois_of_level(
        &self,
        context: &Context<B>,
        op: &'static str,
        galois: GaloisElement,
        level: usize,
    ) -> Result<Arc<B::SwitchKey>> {
        let purpose = KeyPurpose::Galois(galois);
        let special = KeyRequest { purpose, level }
            .basis(context.params())
            .special;
        self.find(context, op, purpose, level, |basis| {
            basis.special == special
        })
    }

    /// The key of lowest level that serves `level`.
    pub(crate) fn get(
        &self,
        context: &Context<B>,
        op: &'static str,
        purpose: KeyPurpose,
        level: usize,
    ) -> Result<Arc<B::SwitchKey>> {
        self.find(context, op, purpose, level, |_| true)
    }

    fn find(
        &self,
        context: &Context<B>,
        op: &'static str,
        purpose: KeyPurpose,
        level: usize,
        fits: impl Fn(Basis) -> bool,
    ) -> Result<Arc<B::SwitchKey>> {
        let request = KeyRequest { purpose, level };
        let top = KeyRequest {
            purpose,
            level: usize::MAX,
        };
        if let Some(recorder) = &self.recorder {
            return recorder.get(context, request);
        }
        let mut store = lock(&self.store);
        let found = match store.find(request, top, fits) {
            Some(found) => store.expanded(context, found)?,
            None => None,
        };
        found.ok_or_else(|| Error::MissingKey {
            op,
            key: purpose.to_string(),
            level,
        })
    }
}

impl<B: Backend> Recorder<B> {
    fn get(&self, context: &Context<B>, request: KeyRequest) -> Result<Arc<B::SwitchKey>> {
        let mut made = lock(&self.made);
        if let Some(key) = made.get(&request) {
            return Ok(Arc::clone(key));
        }
        let sized = match request.purpose {
            KeyPurpose::ToEphemeral => KeyRequest {
                level: 0,
                ..request
            },
            _ => request,
        };
        let key = Arc::new((self.make)(context, sized.basis(context.params()))?);
        made.insert(request, Arc::clone(&key));
        Ok(key)
    }
}

/// Locks a mutex; a panic of another thread while it held the map leaves the map valid.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
