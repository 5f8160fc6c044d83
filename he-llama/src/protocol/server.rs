//! A session at the server: one client's evaluation keys and encrypted caches.

use std::io::{Read, Write};
use std::sync::Arc;

use ckks_math::Evaluator;
use ckks_math::backend::Backend;
use ckks_math::wire::Wire;

use crate::digest::Digest;
use crate::encrypted::{Event, KeyValues, Shape, Tensor};
use crate::error::{Error, MessageFault, Result};
use crate::model::{Embedded, Site};
use crate::protocol::conversation::Conversation;
use crate::protocol::envelope::{self, Header, Kind, Reader, Writer};
use crate::protocol::host::ModelHost;
use crate::protocol::objects::{self, Expected};
use crate::protocol::pass;
use crate::protocol::session::Cached;

/// The keys of one client and the caches of one conversation; everything else is the host's.
pub struct ServerSession<B: Backend> {
    host: Arc<ModelHost<B>>,
    key: String,
    evaluator: Evaluator<B>,
    caches: Vec<KeyValues<B>>,
    cached: Cached,
    /// Where the conversation stands; `None` before the first request.
    conversation: Option<Conversation>,
    /// The last request and its response, for a client that lost it.
    answered: Option<(Digest, Vec<u8>)>,
}

/// A request that was checked and not yet computed.
///
/// It can be stopped between any two operations, by an error of its progress; the session then is
/// as before.
pub struct Job<'a, B: Backend> {
    session: &'a mut ServerSession<B>,
    header: Header,
    digest: Digest,
    passes: Vec<(Shape, Embedded<Tensor<B>>)>,
    after: Conversation,
}

impl<B: Backend> ServerSession<B> {
    pub(super) fn new(host: Arc<ModelHost<B>>, key: String, evaluator: Evaluator<B>) -> Self {
        let caches = host.setup().llama.caches();
        Self {
            host,
            key,
            evaluator,
            caches,
            cached: Cached::default(),
            conversation: None,
            answered: None,
        }
    }

    /// Runs the model on a request and returns the response. `progress` receives every step.
    ///
    /// The caches grow by the request's positions. The last request is answered again, with the
    /// same response, for a client that lost it.
    ///
    /// # Errors
    ///
    /// Those of [`ServerSession::job`] and of [`Job::run`].
    pub fn respond(
        &mut self,
        request: &[u8],
        progress: &mut dyn FnMut(Event) -> Result<()>,
    ) -> Result<Vec<u8>> {
        if let Some((digest, response)) = &self.answered
            && envelope::digest_of(request) == Some(*digest)
        {
            return Ok(response.clone());
        }
        self.job(request)?.run(progress)
    }

    /// Checks a request and reads its ciphertexts; nothing is computed yet.
    ///
    /// # Errors
    ///
    /// Fails for requests of another session, key, conversation or position, and for ciphertexts
    /// of another level, scale, unit or number of components than a client makes.
    pub fn job(&mut self, request: &[u8]) -> Result<Job<'_, B>> {
        let (setup, kind) = (self.host.setup(), Kind::Request);
        let mut message = Reader::begin(kind, request)?;
        let header = message.header().clone();
        header.expect(kind, &setup.session, &self.key)?;
        let before = header.conversation(kind)?;
        let passes = self.check_moment(kind, &before, header.cached)?;
        let units: [f64; 2] = header.units(kind)?;
        check_units(kind, &units, &setup.input_units()?)?;
        let mut inputs = Vec::with_capacity(passes.len());
        for shape in passes {
            let layout = setup.packing(shape).channels(setup.llama.config.hidden)?;
            let mut take = |unit: f64| -> Result<Tensor<B>> {
                let context = (self.evaluator.context(), kind);
                let expected = Expected::Fresh(setup.budget.top);
                let packed = objects::read(context, &layout, expected, &mut message)?;
                Ok(Tensor::new(packed, unit))
            };
            let input = Embedded {
                hidden: take(units[0])?,
                normed: take(units[1])?,
            };
            inputs.push((shape, input));
        }
        let digest = message.finish()?;
        Ok(Job {
            session: self,
            header,
            digest,
            passes: inputs,
            after: before.after(&digest),
        })
    }

    /// The passes of a request behind which the caches hold `cached`.
    fn check_moment(&self, kind: Kind, found: &Conversation, cached: Cached) -> Result<Vec<Shape>> {
        match &self.conversation {
            Some(own) => own.expect(found, kind.name())?,
            None => Conversation::start(found.id).expect(found, kind.name())?,
        }
        let session = &self.host.setup().session;
        let (passes, after) = session.passes(self.cached, cached.positions)?;
        if cached == after {
            return Ok(passes);
        }
        Err(kind.fault(MessageFault::Field {
            field: "positions that windows wrote",
            found: cached.windows.to_string(),
            admitted: after.windows.to_string(),
        }))
    }

    /// What the caches hold.
    pub fn cached(&self) -> Cached {
        self.cached
    }

    /// Where the conversation stands; `None` before the first request.
    pub fn conversation(&self) -> Option<&Conversation> {
        self.conversation.as_ref()
    }

    /// Forgets the conversation: the next request is a prompt of a new one.
    pub fn restart(&mut self) {
        self.caches = self.host.setup().llama.caches();
        self.cached = Cached::default();
        self.conversation = None;
        self.answered = None;
    }

    /// Writes the encrypted caches, for a server that goes on later.
    ///
    /// # Errors
    ///
    /// Fails before the first request, when there is nothing to keep, and where `out` does.
    pub fn save(&self, out: &mut impl Write) -> Result<()> {
        let kind = Kind::State;
        let tensors: Vec<_> = self.caches.iter().flat_map(KeyValues::tensors).collect();
        let header = Header {
            session: self.host.setup().session.clone(),
            key: self.key.clone(),
            conversation: self.conversation,
            cached: self.cached,
            units: tensors.iter().map(|t| t.unit()).collect(),
        };
        header.conversation(kind)?;
        let mut message = Writer::begin(kind, &header, out)?;
        for tensor in tensors {
            let batch = tensor.packed().batch();
            batch.write(self.evaluator.context(), &mut message)?;
        }
        message.finish().map(drop)
    }

    /// Takes up the caches that [`ServerSession::save`] wrote with the same keys.
    ///
    /// # Errors
    ///
    /// Fails for states of another session or key, for damaged ones, and for ciphertexts of another
    /// level, scale, unit or number of components than a pass leaves; the session is then as
    /// before.
    pub fn load(&mut self, input: &mut impl Read) -> Result<()> {
        let (setup, kind) = (Arc::clone(self.host.setup()), Kind::State);
        let mut message = Reader::begin(kind, input)?;
        let header = message.header().clone();
        header.expect(kind, &setup.session, &self.key)?;
        let conversation = header.conversation(kind)?;
        let forms = KeyValues::<B>::forms(&setup, kind, header.cached)?;
        let count = setup.llama.layers.len() * forms.tensors();
        if header.units.len() != count {
            return Err(kind.fault(MessageFault::Field {
                field: "number of units",
                found: header.units.len().to_string(),
                admitted: count.to_string(),
            }));
        }
        let mut units = header.units.iter().copied();
        let levels = Expected::Cached([setup.budget.least, setup.budget.top]);
        let mut caches: Vec<KeyValues<B>> = setup.llama.caches();
        for (layer, cache) in caches.iter_mut().enumerate() {
            *cache = KeyValues::restored(&forms, &mut |layout, role| {
                let unit = setup.units.of(Site::new(layer, role))?;
                let found = units.next().unwrap_or_default();
                check_units(kind, &[found], &[unit])?;
                let context = (self.evaluator.context(), kind);
                let packed = objects::read(context, layout, levels, &mut message)?;
                Ok(Tensor::new(packed, unit))
            })?;
        }
        message.finish()?;
        self.caches = caches;
        self.cached = header.cached;
        self.conversation = Some(conversation);
        self.answered = None;
        Ok(())
    }
}

impl<B: Backend> Job<'_, B> {
    /// Its passes, in order.
    pub fn passes(&self) -> impl Iterator<Item = Shape> {
        self.passes.iter().map(|(shape, _)| *shape)
    }

    /// Computes the response. `progress` receives every step; its error stops the job before the
    /// next operation.
    ///
    /// # Errors
    ///
    /// Whatever `progress` returns ([`Error::Cancelled`], say), and what
    /// the scheme refuses. The session is then as before.
    pub fn run(self, progress: &mut dyn FnMut(Event) -> Result<()>) -> Result<Vec<u8>> {
        let Self { session, after, .. } = self;
        let (host, context) = (&session.host, session.evaluator.context());
        let mut caches = session.caches.clone();
        let tools = (&session.evaluator, host.constants());
        let setup = host.setup();
        let mut passes = self.passes.into_iter();
        let Some((last, input)) = passes.next_back() else {
            return Err(Error::EmptyPrompt);
        };
        for (shape, input) in passes {
            pass::extend(setup, tools, shape, input, &mut caches, progress)?;
        }
        let output = pass::run(setup, tools, last, input, &mut caches, progress)?;
        let header = Header {
            units: vec![output.raw.unit(), output.mean_square.unit()],
            conversation: Some(after),
            ..self.header
        };
        let mut bytes = Vec::new();
        let mut message = Writer::begin(Kind::Response, &header, &mut bytes)?;
        for tensor in [&output.raw, &output.mean_square] {
            tensor.packed().batch().write(context, &mut message)?;
        }
        message.finish()?;
        session.cached = header.cached;
        session.caches = caches;
        session.conversation = Some(after);
        session.answered = Some((self.digest, bytes.clone()));
        Ok(bytes)
    }
}

/// Fails unless the units in a message are those of the session.
fn check_units(kind: Kind, found: &[f64], expected: &[f64]) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(kind.fault(MessageFault::Field {
        field: "units",
        found: format!("{found:?}"),
        admitted: format!("{expected:?}"),
    }))
}
