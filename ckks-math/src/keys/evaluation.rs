//! The set of keys an evaluator works with.

use super::{KeyPurpose, KeyRequest, SwitchingKey};
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

/// Switching keys on a device, by purpose and level.
pub struct EvaluationKeys<B: Backend> {
    keys: Mutex<BTreeMap<KeyRequest, Arc<B::SwitchKey>>>,
    /// When set, a missing key is recorded and replaced by one of the right shape.
    recorder: Option<Recorder<B>>,
}

/// Records requests and makes keys of the right shape without content.
struct Recorder<B: Backend> {
    demand: Mutex<KeyDemand>,
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
            keys: Mutex::default(),
            recorder: Some(Recorder {
                demand: Mutex::default(),
                make,
            }),
        }
    }
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
            recorder: None,
        }
    }

    /// The keys that were asked for since [`EvaluationKeys::recording`], each at the levels used.
    pub fn demand(&self) -> KeyDemand {
        self.recorder
            .as_ref()
            .map_or_else(KeyDemand::new, |r| lock(&r.demand).clone())
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

    /// The Galois key for a level with exactly the special primes of that level's own keys: what
    /// diagonals encoded over `QP` can meet.
    pub(crate) fn galois_of_level(
        &self,
        context: &Context<B>,
        op: &'static str,
        galois: u64,
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
        let mut keys = lock(&self.keys);
        if let Some(recorder) = &self.recorder {
            lock(&recorder.demand).insert(request);
            if let Some(key) = keys.get(&request) {
                return Ok(Arc::clone(key));
            }
            let sized = match purpose {
                KeyPurpose::ToEphemeral => KeyRequest {
                    level: 0,
                    ..request
                },
                _ => request,
            };
            let key = Arc::new((recorder.make)(context, sized.basis(context.params()))?);
            keys.insert(request, Arc::clone(&key));
            return Ok(key);
        }
        keys.range(request..=top)
            .map(|(_, key)| key)
            .find(|key| fits(context.backend().switch_key_layout(key).0))
            .map(Arc::clone)
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
