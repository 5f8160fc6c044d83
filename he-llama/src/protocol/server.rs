//! The server: weights and evaluation keys, and never a secret key.

use std::io::{Read, Write};
use std::sync::Arc;

use ckks_math::backend::Backend;
use ckks_math::keys::{EvaluationKeys, KeyRequest};
use ckks_math::wire::{KeySetReader, Wire, key_set_len};
use ckks_math::{Ciphertext, Context, Error as SchemeError, Evaluator};
use he_linalg::{Layout, Packed};

use crate::encrypted::{Event, Tensor};
use crate::error::{MessageFault, Result};
use crate::model::{Cache, Embedded};
use crate::protocol::client::{batch_limit, pass_at, read_batch};
use crate::protocol::envelope::{self, Header, Kind};
use crate::protocol::pass::{self, Bootstrappers};
use crate::protocol::session::{Session, Setup};

/// Holds the weights, the evaluation keys and the encrypted key/value caches.
///
/// All that it is made from is public: weights, plan, and bytes that must be evaluation keys. No
/// constructor takes a secret key, so this does not compile:
///
/// ```compile_fail,E0277
/// use ckks_cpu::CpuBackend;
/// use ckks_math::keys::SecretKey;
/// use he_llama::protocol::{Server, Setup};
/// use std::sync::Arc;
///
/// fn give(setup: &Arc<Setup>, cpu: CpuBackend, mut secret: SecretKey) {
///     let _ = Server::new(setup, cpu, &mut secret, &[], &mut |_, _| Ok(()));
/// }
/// ```
///
/// while the same with bytes does:
///
/// ```
/// # use ckks_cpu::CpuBackend;
/// # use he_llama::protocol::{Server, Setup};
/// # use std::sync::Arc;
/// fn give(setup: &Arc<Setup>, cpu: CpuBackend, mut evaluation_keys: &[u8]) {
///     let _ = Server::new(setup, cpu, &mut evaluation_keys, &[], &mut |_, _| Ok(()));
/// }
/// ```
///
/// Bytes of a secret key are refused by their kind.
pub struct Server<B: Backend> {
    setup: Arc<Setup>,
    key: String,
    evaluator: Evaluator<B>,
    bootstrappers: Bootstrappers<B>,
    caches: Vec<Cache<Tensor<B>>>,
    position: usize,
}

impl<B: Backend> Server<B> {
    /// A server of a session with the keys that [`crate::protocol::Client::write_keys`] wrote, read
    /// one at a time. `progress` receives how many of how many have been read.
    ///
    /// # Errors
    ///
    /// Fails before the first key is read when the keys are of another session or one of `needed`
    /// is not in the list; on damaged keys; and with whatever `progress` returns.
    pub fn new(
        setup: &Arc<Setup>,
        backend: B,
        keys: &mut impl Read,
        needed: &[KeyRequest],
        progress: &mut dyn FnMut(usize, usize) -> Result<()>,
    ) -> Result<Self> {
        let context = Context::new(setup.params.clone(), backend)?;
        let params = context.params();
        let kind = Kind::EvaluationKeys;
        let header = envelope::read(kind, keys)?;
        header.expect(kind, &setup.session, &header.key)?;
        // A client may send keys that this server does not need, but not without bound.
        let limit = key_set_len(params, needed)?.saturating_mul(2).max(1 << 20);
        let reader = KeySetReader::new(params, limit, keys)?;
        let listed = reader.requests().to_vec();
        let serves = |have: &KeyRequest, need: &KeyRequest| {
            have.purpose == need.purpose
                && have.level >= need.level
                && have.basis(params).special == need.basis(params).special
        };
        if let Some(need) = needed
            .iter()
            .find(|need| !listed.iter().any(|have| serves(have, need)))
        {
            let (op, key, level) = ("this model", need.purpose.to_string(), need.level);
            return Err(SchemeError::MissingKey { op, key, level }.into());
        }
        let mut loaded = EvaluationKeys::new();
        for (i, key) in reader.enumerate() {
            loaded.insert(&context, key?)?;
            // Each key is needed: expanded here it overlaps with the sender's making the next one,
            // and the first token does not wait for it.
            loaded.expand(&context)?;
            progress(i + 1, listed.len())?;
        }
        envelope::expect_end(kind, keys)?;
        let bootstrappers = Bootstrappers::new(&context, setup)?;
        let caches = setup.llama.caches();
        Ok(Self {
            setup: Arc::clone(setup),
            key: header.key,
            evaluator: Evaluator::new(context, Arc::new(loaded)),
            bootstrappers,
            caches,
            position: 0,
        })
    }

    /// Runs the model on a request and returns the response. `progress` receives every step.
    ///
    /// The caches grow by the request's positions.
    ///
    /// # Errors
    ///
    /// Fails for requests of another session, position, level or unit, and with whatever
    /// `progress` returns, before the next operation: so a caller stops a pass
    /// ([`Error::Cancelled`](crate::Error::Cancelled)). The caches are then as before.
    pub fn respond(
        &mut self,
        request: &[u8],
        progress: &mut dyn FnMut(Event) -> Result<()>,
    ) -> Result<Vec<u8>> {
        let mut input = request;
        let (setup, kind) = (&self.setup, Kind::Request);
        let header = envelope::read(kind, &mut input)?;
        header.expect(kind, &setup.session, &self.key)?;
        let units: [f64; 2] = header.units(kind)?;
        let expected = setup.input_units()?;
        let refuse = |field, found: String, admitted: String| {
            kind.fault(MessageFault::Field {
                field,
                found,
                admitted,
            })
        };
        if units != expected {
            return Err(refuse(
                "units",
                format!("{units:?}"),
                format!("{expected:?}"),
            ));
        }
        if header.position != self.position {
            let admitted = format!("{}, the next one of this server's cache", self.position);
            return Err(refuse("position", header.position.to_string(), admitted));
        }
        let index = pass_at(setup, kind, header.position)?;
        let layout = setup.packing(index).channels(setup.llama.config.hidden)?;
        let context = self.evaluator.context();
        let mut take = |unit: f64| -> Result<Tensor<B>> {
            let batch = read_batch(context, &layout, &mut input)?;
            let level = setup.budget.top;
            if batch.level() != level {
                return Err(refuse(
                    "level",
                    batch.level().to_string(),
                    level.to_string(),
                ));
            }
            Ok(Tensor::new(Packed::new(layout.clone(), batch)?, unit))
        };
        let embedded = Embedded {
            hidden: take(units[0])?,
            normed: take(units[1])?,
        };
        envelope::expect_end(kind, &mut input)?;

        let mut caches = self.caches.clone();
        let tools = (&self.evaluator, &self.bootstrappers);
        let output = pass::run(setup, tools, index, embedded, &mut caches, progress)?;
        let units = vec![output.raw.unit(), output.mean_square.unit()];
        let header = Header { units, ..header };
        let mut bytes = Vec::new();
        envelope::write(Kind::Response, &header, &mut bytes)?;
        for tensor in [&output.raw, &output.mean_square] {
            tensor.packed().batch().write(context, &mut bytes)?;
        }
        self.caches = caches;
        self.position += setup.session.shape(index).used;
        Ok(bytes)
    }

    /// Position of the next token.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Writes the encrypted caches, for a server that goes on later.
    pub fn save(&self, out: &mut impl Write) -> Result<()> {
        let entries: Vec<_> = self
            .caches
            .iter()
            .filter_map(|c| c.entries.as_ref())
            .collect();
        let tensors: Vec<_> = entries.iter().flat_map(|(k, v)| [k, v]).collect();
        let header = Header {
            session: self.setup.session.clone(),
            key: self.key.clone(),
            position: self.position,
            units: tensors.iter().map(|t| t.unit()).collect(),
        };
        envelope::write(Kind::State, &header, out)?;
        for tensor in tensors {
            tensor
                .packed()
                .batch()
                .write(self.evaluator.context(), out)?;
        }
        Ok(())
    }

    /// Takes up the caches that [`Server::save`] wrote with the same keys.
    pub fn load(&mut self, input: &mut impl Read) -> Result<()> {
        let (setup, kind) = (&self.setup, Kind::State);
        let header = envelope::read(kind, input)?;
        header.expect(kind, &setup.session, &self.key)?;
        let index = pass_at(setup, kind, header.position)?;
        let layers = setup.llama.layers.len();
        let count = if index == 0 { 0 } else { 2 * layers };
        let good = header.units.iter().all(|u| u.is_finite() && *u > 0.0);
        if header.units.len() != count || !good {
            let (found, admitted) = (format!("{:?}", header.units), format!("{count} positive"));
            return Err(kind.fault(MessageFault::Field {
                field: "units",
                found,
                admitted,
            }));
        }
        // After the prompt alone, keys and values still are packed as the prompt was.
        let (layout, prompt) = match index {
            0 | 1 => (setup.packing(0).per_head()?, Some(setup.session.shape(0))),
            _ => (setup.packing(index).cache()?, None),
        };
        let context = self.evaluator.context();
        let mut units = header.units.iter();
        let mut caches = setup.llama.caches();
        for cache in &mut caches {
            let mut take = |layout: &Layout| -> Result<Option<Tensor<B>>> {
                let Some(&unit) = units.next() else {
                    return Ok(None);
                };
                let limit = batch_limit(context, layout);
                let batch = Ciphertext::read(context, limit, input)?;
                let mut tensor = Tensor::new(Packed::new(layout.clone(), batch)?, unit);
                tensor.prompt = prompt;
                Ok(Some(tensor))
            };
            cache.entries = take(&layout)?.zip(take(&layout)?);
            cache.len = header.position;
        }
        envelope::expect_end(kind, input)?;
        self.caches = caches;
        self.position = header.position;
        Ok(())
    }
}

/// The session that a server key file was made for, and the name of its key; `keys` is left behind
/// the header.
pub fn session_of(keys: &mut impl Read) -> Result<(Session, String)> {
    let header = envelope::read(Kind::EvaluationKeys, keys)?;
    Ok((header.session, header.key))
}
