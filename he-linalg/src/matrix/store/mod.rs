//! Encoded matrices within a budget of bytes, made ahead of their use.
//!
//! | file | holds |
//! |---|---|
//! | `order` | announced orders of products |
//! | `state` | which forms there are, what goes when room is needed |
//! | `worker` | the thread that encodes ahead |
//!
//! A form is made by the first thread that needs it, others wait for it. It cannot be dropped
//! while a product reads it. When room is needed the form goes that is needed last by the
//! announced orders, which are taken to repeat: a pass follows another.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use ckks_math::Context;
use ckks_math::backend::Backend;

use super::Matrix;
use super::encode::{EncodedDiagonals, Encoding, Operand};
use crate::error::{Error, Result};

mod order;
mod state;
#[cfg(test)]
mod tests;
mod worker;

use order::Key;
use state::{Claim, Found, State};

/// What a [`MatrixStore`] keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreOptions {
    /// Bytes of encoded diagonals to keep; `None` for no more than the product in flight and the
    /// next announced one.
    ///
    /// A product in flight is encoded whatever the budget is; nothing is made ahead or kept beyond
    /// it.
    pub budget: Option<u64>,
    /// Threads that share the encoding of one matrix, at least one.
    pub threads: usize,
    /// Keep evaluations over `QP` on the device instead of coefficients on the host: several times
    /// the bytes, and no transforms at use.
    pub resident: bool,
}

impl Default for StoreOptions {
    /// Nothing kept, one thread, coefficients on the host.
    fn default() -> StoreOptions {
        StoreOptions {
            budget: None,
            threads: 1,
            resident: false,
        }
    }
}

/// A product that a pass is going to compute.
#[derive(Clone)]
pub struct Planned {
    /// The matrix.
    pub matrix: Arc<Matrix>,
    /// The level of its operand.
    pub level: usize,
    /// The scale of its operand.
    pub scale: f64,
    /// The factor of the product.
    pub factor: f64,
}

impl Planned {
    fn operand(&self) -> Operand {
        Operand {
            level: self.level,
            scale: self.scale,
            factor: self.factor,
        }
    }
}

/// Encoded forms of matrices for one context, shared by all sessions of a model.
pub struct MatrixStore<B: Backend> {
    shared: Arc<Shared<B>>,
    worker: Option<JoinHandle<()>>,
}

/// What the store shares with its worker.
struct Shared<B: Backend> {
    context: Context<B>,
    options: StoreOptions,
    state: Mutex<State<B>>,
    /// Notified whenever a form becomes ready or free, an order changes, or the store stops.
    changed: Condvar,
}

impl<B: Backend> MatrixStore<B> {
    /// An empty store, with a thread that encodes ahead what is announced.
    ///
    /// There is no such thread, and every product encodes for itself, on a device whose blocks hold
    /// no residues ([`Device::holds_residues`](ckks_math::backend::Device::holds_residues)) and
    /// where the system refuses a thread.
    pub fn new(context: &Context<B>, options: StoreOptions) -> MatrixStore<B> {
        let shared = Arc::new(Shared {
            context: context.clone(),
            options,
            state: Mutex::new(State::new(options.budget)),
            changed: Condvar::new(),
        });
        let worker = context.backend().holds_residues().then(|| {
            let shared = Arc::clone(&shared);
            let thread = std::thread::Builder::new().name("encode ahead".into());
            thread.spawn(move || worker::run(&shared))
        });
        MatrixStore {
            shared,
            worker: worker.and_then(|spawned| spawned.ok()),
        }
    }

    /// Announces the products of a pass in their order, until the announcement is dropped.
    ///
    /// While one product runs, the next ones that are not there are encoded as far as the budget
    /// goes without giving up what is needed before them. A product that was not announced, or
    /// comes in another order, is encoded when it is needed. Failures of the encoding are reported
    /// by the product that needs it.
    #[must_use = "the order is forgotten when the announcement is dropped"]
    pub fn announce(&self, order: &[Planned]) -> Announcement<B> {
        let context = &self.shared.context;
        let bytes = |planned: &Planned| {
            let encoding = Encoding::new(planned.matrix.diagonals(), context, planned.operand());
            // What cannot be encoded at all takes nothing; its product reports why.
            encoding.map_or(0, |e| e.bytes(self.shared.options.resident))
        };
        let order = order.iter().map(|p| (p.clone(), bytes(p))).collect();
        let number = self.shared.lock().announce(order);
        self.shared.changed.notify_all();
        Announcement {
            shared: Arc::clone(&self.shared),
            number,
        }
    }

    /// Bytes of all forms that are held or being made.
    pub fn bytes(&self) -> u64 {
        self.shared.lock().bytes()
    }

    /// The largest number of bytes that was held at a time.
    pub fn peak_bytes(&self) -> u64 {
        self.shared.lock().peak_bytes()
    }

    /// How many forms were encoded so far, ahead or at need.
    pub fn encoded_count(&self) -> u64 {
        self.shared.lock().encoded_count()
    }

    /// The form of a matrix for an operand, made now unless it is there.
    pub(super) fn lease(
        &self,
        context: &Context<B>,
        matrix: &Matrix,
        operand: Operand,
    ) -> Result<Lease<'_, B>> {
        self.check_context(context)?;
        let shared = &*self.shared;
        let key = Key::of(matrix, operand);
        let lease = |encoded| Lease {
            shared,
            key,
            encoded,
        };
        let mut state = shared.lock();
        // The order moves on with the claim to this form, never before it: else the worker could
        // take the room for the form behind this one.
        loop {
            match state.find(&key) {
                Found::Ready(encoded) => {
                    state.advance(&key);
                    shared.changed.notify_all();
                    return Ok(lease(encoded));
                }
                Found::Failed(error) => {
                    state.advance(&key);
                    shared.changed.notify_all();
                    return Err(error);
                }
                Found::Busy => {
                    let waited = shared.changed.wait(state);
                    state = waited.unwrap_or_else(PoisonError::into_inner);
                }
                Found::Host(encoding, bytes) => {
                    state.advance(&key);
                    drop(state);
                    shared.changed.notify_all();
                    let claim = Claim::new(shared, key, bytes);
                    return Ok(lease(shared.complete(claim, encoding)?));
                }
                Found::Absent => {
                    drop(state);
                    if let Some(encoded) = shared.encode_now(key, matrix, operand)? {
                        return Ok(lease(encoded));
                    }
                    state = shared.lock();
                }
            }
        }
    }

    fn check_context(&self, context: &Context<B>) -> Result<()> {
        let own = &self.shared.context;
        if own.is(context) {
            return Ok(());
        }
        Err(Error::OtherContext {
            store: own.params().hash(),
            store_device: own.backend().name(),
            evaluator: context.params().hash(),
            device: context.backend().name(),
        })
    }
}

impl<B: Backend> Drop for MatrixStore<B> {
    /// Stops the worker after the giant steps at hand.
    fn drop(&mut self) {
        self.shared.lock().stop();
        self.shared.changed.notify_all();
        if let Some(worker) = self.worker.take() {
            // A worker that panicked has nothing left to hand over.
            let _ = worker.join();
        }
    }
}

impl<B: Backend> Shared<B> {
    fn lock(&self) -> MutexGuard<'_, State<B>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Encodes a form for the product that needs it; `None` if another thread was faster.
    fn encode_now(
        &self,
        key: Key,
        matrix: &Matrix,
        operand: Operand,
    ) -> Result<Option<Arc<EncodedDiagonals<B>>>> {
        let mut encoding = Encoding::new(matrix.diagonals(), &self.context, operand)?;
        let bytes = encoding.bytes(self.options.resident);
        let Some(claim) = Claim::at_need(self, key, matrix, bytes) else {
            return Ok(None);
        };
        if self.context.backend().holds_residues() {
            let (sources, threads) = (matrix.sources(), self.options.threads);
            let of = matrix.diagonals();
            encoding.read(of, &sources, operand.factor, threads, &mut |_| true)?;
        }
        self.complete(claim, encoding).map(Some)
    }

    /// Finishes a form for the product that needs it.
    fn complete(
        &self,
        claim: Claim<'_, B>,
        encoding: Encoding<B>,
    ) -> Result<Arc<EncodedDiagonals<B>>> {
        let encoded = encoding.finish(self.options.resident)?;
        Ok(claim.ready(encoded, 1))
    }
}

/// The use of an encoded form by a product; it stays until this is dropped.
pub(super) struct Lease<'s, B: Backend> {
    shared: &'s Shared<B>,
    key: Key,
    encoded: Arc<EncodedDiagonals<B>>,
}

impl<B: Backend> Lease<'_, B> {
    pub(super) fn encoded(&self) -> &EncodedDiagonals<B> {
        &self.encoded
    }
}

impl<B: Backend> Drop for Lease<'_, B> {
    fn drop(&mut self) {
        self.shared.lock().release(&self.key);
        self.shared.changed.notify_all();
    }
}

/// An announced order of products, see [`MatrixStore::announce`].
pub struct Announcement<B: Backend> {
    shared: Arc<Shared<B>>,
    number: u64,
}

impl<B: Backend> Drop for Announcement<B> {
    fn drop(&mut self) {
        self.shared.lock().forget(self.number);
        self.shared.changed.notify_all();
    }
}
