//! The client: owner of the secret key.

use std::io::Write;
use std::sync::Arc;

use ckks_math::backend::Backend;
use ckks_math::keys::{KeyGenerator, KeyRequest, SecretKey};
use ckks_math::sampling::Seed;
use ckks_math::wire::{KeySetWriter, Wire};
use ckks_math::{Context, Decryptor, Encryptor, Evaluator};
use he_linalg::{Layout, Packed};
use ndarray::Array3;
use rand_core::{OsRng, TryRngCore};

use crate::encrypted::Shape;
use crate::error::{MessageFault, Result};
use crate::protocol::conversation::{Conversation, ConversationId};
use crate::protocol::envelope::{Header, Kind, Reader, Writer};
use crate::protocol::objects::{self, Expected};
use crate::protocol::session::Cached;
use crate::protocol::spec::{ClientPass, ClientSpec};

/// Holds the secret key: makes the server's keys, encrypts tokens, decrypts logits.
///
/// Everything that it gives away is bytes.
pub struct Client<B: Backend> {
    spec: Arc<ClientSpec>,
    context: Context<B>,
    secret: SecretKey,
    key: String,
    encryptor: Encryptor<B>,
    decryptor: Decryptor<B>,
    evaluator: Evaluator<B>,
}

/// An encrypted request.
#[derive(Clone, Debug)]
pub struct Request {
    /// What goes to the server.
    pub bytes: Vec<u8>,
    /// The conversation behind it: what the response must carry.
    pub after: Conversation,
    /// What the server's cache holds behind it.
    pub cached: Cached,
}

/// A decrypted response.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Position of the token that the logits are of.
    pub position: usize,
    /// Logits.
    pub logits: Vec<f64>,
}

/// A fresh seed from the operating system's generator.
pub fn fresh_seed() -> Seed {
    Seed::from_rng(&mut OsRng.unwrap_err())
}

/// A conversation with a fresh random name.
pub fn fresh_conversation() -> Conversation {
    let mut name = [0; 16];
    name.copy_from_slice(&fresh_seed().as_bytes()[..16]);
    Conversation::start(ConversationId::from_bytes(name))
}

/// Names a secret key without revealing anything about it: a derived seed, which may be published.
pub fn key_name(secret: &SecretKey) -> String {
    let public = secret.seed().derive("name of the key", 0);
    public.as_bytes()[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

impl<B: Backend> Client<B> {
    /// A client with a secret key of its parameters.
    ///
    /// # Errors
    ///
    /// Fails for a secret key of other parameters, and when the backend has no room.
    pub fn new(spec: &Arc<ClientSpec>, backend: B, secret: SecretKey) -> Result<Self> {
        let context = Context::new(spec.params().clone(), backend)?;
        let encryptor = Encryptor::with_secret_key(&context, &secret, fresh_seed())?;
        let decryptor = Decryptor::new(&context, &secret)?;
        let evaluator = Evaluator::new(context.clone(), Arc::default());
        let key = key_name(&secret);
        let spec = Arc::clone(spec);
        Ok(Self {
            spec,
            context,
            secret,
            key,
            encryptor,
            decryptor,
            evaluator,
        })
    }

    /// Makes the evaluation keys and writes each at once.
    ///
    /// # Errors
    ///
    /// Fails for requests that the parameters do not admit, and where `out` does.
    pub fn write_keys(&self, requests: &[KeyRequest], out: &mut impl Write) -> Result<()> {
        let header = self.header(None, Cached::default(), Vec::new());
        let mut message = Writer::begin(Kind::EvaluationKeys, &header, out)?;
        let generator = KeyGenerator::new(&self.context, &self.secret)?;
        let mut set = KeySetWriter::new(self.context.params(), requests, &mut message)?;
        while let Some(request) = set.next_request() {
            set.push(&generator.switching_key(request)?)?;
        }
        set.finish()?;
        message.finish().map(drop)
    }

    /// Encrypts what a server needs of a text of which its cache holds `cached`: the new tokens,
    /// and those of steps that a new prompt runs again ([`Session::passes`]). `conversation` is
    /// where it stands before this request.
    ///
    /// # Errors
    ///
    /// Fails for texts longer than the session's capacity, for those without a new token, and for
    /// ids outside the vocabulary.
    ///
    /// [`Session::passes`]: crate::protocol::Session::passes
    pub fn request(
        &mut self,
        text: &[u32],
        cached: Cached,
        conversation: &Conversation,
    ) -> Result<Request> {
        let spec = Arc::clone(&self.spec);
        let (passes, cached) = spec.session().passes(cached, text.len())?;
        let units = pass_of(&spec, Kind::Request, passes[0])?.units;
        let header = self.header(Some(*conversation), cached, units.to_vec());
        let mut bytes = Vec::new();
        let mut message = Writer::begin(Kind::Request, &header, &mut bytes)?;
        for shape in passes {
            let pass = pass_of(&spec, Kind::Request, shape)?;
            let embedded = spec.embed(&shape.padded(text))?;
            let inputs = [&embedded.hidden, &embedded.normed];
            for (x, unit) in inputs.into_iter().zip(pass.units) {
                let values = channels_first(x, unit);
                let (layout, level) = (pass.input.clone(), pass.level);
                let (evaluator, encryptor) = (&self.evaluator, &mut self.encryptor);
                let packed = Packed::encrypt(evaluator, encryptor, layout, &values, level)?;
                packed.batch().write(&self.context, &mut message)?;
            }
        }
        let after = conversation.after(&message.finish()?);
        Ok(Request {
            bytes,
            after,
            cached,
        })
    }

    /// Decrypts the response to the last request, behind which the conversation is `after`.
    ///
    /// # Errors
    ///
    /// Fails for responses of another session, key, conversation or request, and for damaged ones.
    pub fn open(&self, response: &[u8], after: &Conversation) -> Result<Reply> {
        let (spec, kind) = (&self.spec, Kind::Response);
        let mut message = Reader::begin(kind, response)?;
        let header = message.header().clone();
        header.expect(kind, spec.session(), &self.key)?;
        after.expect(&header.conversation(kind)?, kind.name())?;
        let [raw_unit, square_unit] = header.units(kind)?;
        let shape = spec.session().last_pass(kind, header.cached)?;
        let pass = pass_of(spec, kind, shape)?;
        let mut open = |layout: &Layout| -> Result<Packed<B>> {
            let context = (&self.context, kind);
            objects::read(context, layout, Expected::Response, &mut message)
        };
        let (raw, squares) = (open(&pass.raw)?, open(&pass.mean_square)?);
        message.finish()?;
        let decrypt = |x: &Packed<B>| x.decrypt(&self.context, &self.decryptor);
        let (raw, squares) = (decrypt(&raw)?, decrypt(&squares)?);
        let last = shape.used - 1;
        let raw: Vec<f64> = (0..spec.vocabulary())
            .map(|v| raw[v * shape.tokens + last] * raw_unit)
            .collect();
        Ok(Reply {
            position: shape.start + last,
            logits: spec.logits(&raw, squares[last] * square_unit),
        })
    }

    fn header(
        &self,
        conversation: Option<Conversation>,
        cached: Cached,
        units: Vec<f64>,
    ) -> Header {
        Header {
            session: self.spec.session().clone(),
            key: self.key.clone(),
            conversation,
            cached,
            units,
        }
    }
}

/// The layouts of a pass.
fn pass_of(spec: &ClientSpec, kind: Kind, shape: Shape) -> Result<&ClientPass> {
    spec.pass(shape).ok_or_else(|| {
        kind.fault(MessageFault::Field {
            field: "positions",
            found: shape.end().to_string(),
            admitted: "those of a pass that the client package describes".into(),
        })
    })
}

/// `x / unit` of a `[1, token, channel]` array in the order `[channel][token]`.
fn channels_first(x: &Array3<f64>, unit: f64) -> Vec<f64> {
    let (_, tokens, channels) = x.dim();
    let pairs = (0..channels).flat_map(|c| (0..tokens).map(move |t| (t, c)));
    pairs.map(|(t, c)| x[[0, t, c]] / unit).collect()
}
