//! The set of keys an evaluator works with.

use super::{KeyPurpose, KeyRequest, SwitchingKey};
use crate::backend::{Backend, SwitchKeyData};
use crate::context::Context;
use crate::error::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

/// Requests recorded during a dry run: the keys a circuit needs.
pub type KeyDemand = BTreeSet<KeyRequest>;

/// Switching keys on a device, by purpose and level.
pub struct EvaluationKeys<B: Backend> {
    keys: Mutex<BTreeMap<KeyRequest, Arc<B::SwitchKey>>>,
    /// When set, a missing key is recorded and replaced by one of the right shape.
    demand: Option<Mutex<KeyDemand>>,
}

impl<B: Backend> Default for EvaluationKeys<B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<B: Backend> EvaluationKeys<B> {
    /// An empty set.
    pub fn new() -> Self {
        Self {
            keys: Mutex::default(),
            demand: None,
        }
    }

    /// A set that answers every request with a key of the right shape **and no content**, and
    /// records it: for dry runs that find out which keys a circuit needs.
    ///
    /// Only meaningful on a backend whose blocks carry no data.
    pub fn recording() -> Self {
        Self {
            keys: Mutex::default(),
            demand: Some(Mutex::default()),
        }
    }

    /// The keys that were asked for since [`EvaluationKeys::recording`], each at the levels used.
    pub fn demand(&self) -> KeyDemand {
        self.demand
            .as_ref()
            .map_or_else(KeyDemand::new, |d| lock(d).clone())
    }

    /// Loads one more key.
    pub fn insert(&mut self, context: &Context<B>, key: &SwitchingKey) -> Result<()> {
        let loaded = Arc::new(key.load(context)?);
        lock(&self.keys).insert(key.request(), loaded);
        Ok(())
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        lock(&self.keys).len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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
        galois: u64,
        level: usize,
    ) -> Result<Arc<B::SwitchKey>> {
        self.get(context, op, KeyPurpose::Galois(galois), level)
    }

    /// The key of lowest level that serves `level`.
    pub(crate) fn get(
        &self,
        context: &Context<B>,
        op: &'static str,
        purpose: KeyPurpose,
        level: usize,
    ) -> Result<Arc<B::SwitchKey>> {
        let request = KeyRequest { purpose, level };
        let top = KeyRequest {
            purpose,
            level: usize::MAX,
        };
        let mut keys = lock(&self.keys);
        if let Some(demand) = &self.demand {
            lock(demand).insert(request);
            if let Some(key) = keys.get(&request) {
                return Ok(Arc::clone(key));
            }
            let basis = match purpose {
                KeyPurpose::ToEphemeral => KeyRequest {
                    level: 0,
                    ..request
                },
                _ => request,
            }
            .basis(context.params());
            let digit_size = context.params().digit_size();
            let data = SwitchKeyData {
                basis,
                digit_size,
                b: &[],
                a: &[],
            };
            let key = Arc::new(context.backend().load_switch_key(context.tables(), &data)?);
            keys.insert(request, Arc::clone(&key));
            return Ok(key);
        }
        keys.range(request..=top)
            .next()
            .map(|(_, key)| Arc::clone(key))
            .ok_or_else(|| Error::MissingKey {
                op,
                key: purpose.to_string(),
                level,
            })
    }
}

/// Locks a mutex; a panic of another thread while it held the map leaves the map valid.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
