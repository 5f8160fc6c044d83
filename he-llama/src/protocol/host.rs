//! What all sessions of a model share at the server.

use std::io::Read;
use std::sync::Arc;

use ckks_math::backend::Backend;
use ckks_math::keys::{EvaluationKeys, KeyRequest};
use ckks_math::params::Params;
use ckks_math::wire::{KeySetReader, key_set_len};
use ckks_math::{Context, Evaluator};
use he_linalg::matrix::StoreOptions;

use crate::error::{Error, Result};
use crate::protocol::envelope::{Kind, Reader};
use crate::protocol::pass::Constants;
use crate::protocol::server::ServerSession;
use crate::protocol::session::Setup;

/// A model on a backend: parameters, tables, and the constants of bootstraps. It holds nothing of
/// any client; sessions share it by `Arc`.
///
/// All that a session is made from is public: bytes that must be evaluation keys. No function takes
/// a secret key, so this does not compile:
///
/// ```compile_fail,E0277
/// use std::sync::Arc;
/// use ckks_cpu::CpuBackend;
/// use ckks_math::keys::SecretKey;
/// use he_llama::protocol::ModelHost;
///
/// fn give(host: &Arc<ModelHost<CpuBackend>>, mut secret: SecretKey) {
///     let _ = host.session(&mut secret, &mut |_, _| Ok(()));
/// }
/// ```
///
/// while the same with bytes does:
///
/// ```
/// # use std::sync::Arc;
/// # use ckks_cpu::CpuBackend;
/// # use he_llama::protocol::ModelHost;
/// fn give(host: &Arc<ModelHost<CpuBackend>>, mut evaluation_keys: &[u8]) {
///     let _ = host.session(&mut evaluation_keys, &mut |_, _| Ok(()));
/// }
/// ```
///
/// Bytes of a secret key are refused by their kind.
pub struct ModelHost<B: Backend> {
    setup: Arc<Setup>,
    context: Context<B>,
    constants: Constants<B>,
    needed: Vec<KeyRequest>,
}

impl<B: Backend> ModelHost<B> {
    /// Prepares a model; its sessions need the keys `needed`, see [`crate::protocol::demand()`].
    /// `options` say which encoded matrices are kept.
    ///
    /// # Errors
    ///
    /// Fails when the backend has no room for tables and constants.
    pub fn new(
        setup: &Arc<Setup>,
        backend: B,
        needed: Vec<KeyRequest>,
        options: StoreOptions,
    ) -> Result<Arc<Self>> {
        let context = Context::new(setup.params.clone(), backend)?;
        let constants = Constants::new(&context, setup, options)?;
        Ok(Arc::new(Self {
            setup: Arc::clone(setup),
            context,
            constants,
            needed,
        }))
    }

    /// A session with the keys that [`crate::protocol::Client::write_keys`] wrote, read one at a
    /// time. `progress` receives how many of how many have been read.
    ///
    /// # Errors
    ///
    /// Fails before the first key is read when the keys are of another session or some that are
    /// needed are not in the list; on damaged keys; and with whatever `progress` returns.
    pub fn session(
        self: &Arc<Self>,
        keys: &mut impl Read,
        progress: &mut dyn FnMut(usize, usize) -> Result<()>,
    ) -> Result<ServerSession<B>> {
        let (setup, params) = (&self.setup, self.context.params());
        let kind = Kind::EvaluationKeys;
        let mut message = Reader::begin(kind, keys)?;
        let header = message.header().clone();
        header.expect(kind, &setup.session, &header.key)?;
        // A client may send keys that this server does not need, but not without bound.
        let limit = key_set_len(params, &self.needed)?
            .saturating_mul(2)
            .max(1 << 20);
        let reader = KeySetReader::new(params, limit, &mut message)?;
        let listed = reader.requests().to_vec();
        check_complete(params, &self.needed, &listed)?;
        let mut loaded = EvaluationKeys::new();
        for (i, key) in reader.enumerate() {
            // Each key is needed: expanded here it overlaps with the sender's making the next one,
            // and the first token does not wait for it.
            loaded.insert_expanded(&self.context, key?)?;
            progress(i + 1, listed.len())?;
        }
        message.finish()?;
        let evaluator = Evaluator::new(self.context.clone(), Arc::new(loaded));
        Ok(ServerSession::new(Arc::clone(self), header.key, evaluator))
    }

    /// The session that it serves, with all that follows from it.
    pub fn setup(&self) -> &Arc<Setup> {
        &self.setup
    }

    /// The constants of bootstraps and the matrices.
    pub(super) fn constants(&self) -> &Constants<B> {
        &self.constants
    }
}

/// # Errors
///
/// Unless every key that is needed is served by one that is listed.
fn check_complete(params: &Params, needed: &[KeyRequest], listed: &[KeyRequest]) -> Result<()> {
    let serves = |have: &KeyRequest, need: &KeyRequest| {
        have.purpose == need.purpose
            && have.level >= need.level
            && have.basis(params).special == need.basis(params).special
    };
    let absent = |need: &&KeyRequest| !listed.iter().any(|have| serves(have, need));
    let missing: Vec<&KeyRequest> = needed.iter().filter(absent).collect();
    match missing.first() {
        None => Ok(()),
        Some(first) => Err(Error::MissingKeys {
            missing: missing.len(),
            needed: needed.len(),
            key: first.purpose.to_string(),
            level: first.level,
        }),
    }
}
