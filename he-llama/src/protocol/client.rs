//! The client: owner of the secret key.

use std::io::Write;
use std::sync::Arc;

use ckks_math::backend::Backend;
use ckks_math::keys::{KeyGenerator, KeyRequest, SecretKey};
use ckks_math::sampling::Seed;
use ckks_math::wire::{KeySetWriter, Wire};
use ckks_math::{Ciphertext, Context, Decryptor, Encryptor, Evaluator};
use he_linalg::{Layout, Packed};
use ndarray::Array3;
use rand_core::{OsRng, TryRngCore};

use crate::error::{Error, MessageFault, Result};
use crate::protocol::envelope::{self, Header, Kind};
use crate::protocol::session::Setup;

/// Components of a ciphertext on the wire.
const COMPONENTS: usize = 2;
/// Bytes of a ciphertext besides its residues, and more.
const OVERHEAD: u64 = 256;

/// Holds the secret key: makes the server's keys, encrypts tokens, decrypts logits.
///
/// Everything that it gives away is bytes.
pub struct Client<B: Backend> {
    setup: Arc<Setup>,
    context: Context<B>,
    secret: SecretKey,
    key: String,
    encryptor: Encryptor<B>,
    decryptor: Decryptor<B>,
    evaluator: Evaluator<B>,
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

/// Names a secret key without telling anything about it: a derived seed, which may be published.
pub fn key_name(secret: &SecretKey) -> String {
    let public = secret.seed().derive("name of the key", 0);
    public.as_bytes()[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

impl<B: Backend> Client<B> {
    /// A client of a session with a secret key of its parameters.
    pub fn new(setup: &Arc<Setup>, backend: B, secret: SecretKey) -> Result<Self> {
        let context = Context::new(setup.params.clone(), backend)?;
        let encryptor = Encryptor::with_secret_key(&context, &secret, fresh_seed())?;
        let decryptor = Decryptor::new(&context, &secret)?;
        let evaluator = Evaluator::new(context.clone(), Arc::default());
        let key = key_name(&secret);
        let setup = Arc::clone(setup);
        Ok(Self {
            setup,
            context,
            secret,
            key,
            encryptor,
            decryptor,
            evaluator,
        })
    }

    /// Makes the evaluation keys and writes each at once.
    pub fn write_keys(&self, requests: &[KeyRequest], out: &mut impl Write) -> Result<()> {
        envelope::write(Kind::EvaluationKeys, &self.header(0, Vec::new()), out)?;
        let generator = KeyGenerator::new(&self.context, &self.secret)?;
        let mut set = KeySetWriter::new(self.context.params(), requests, out)?;
        while let Some(request) = set.next_request() {
            set.push(&generator.switching_key(request)?)?;
        }
        Ok(set.finish()?)
    }

    /// Encrypts `ids`, which take positions from `position` on: the whole prompt, or one token.
    pub fn request(&mut self, ids: &[u32], position: usize) -> Result<Vec<u8>> {
        let setup = Arc::clone(&self.setup);
        let index = pass_at(&setup, Kind::Request, position)?;
        let shape = setup.session.shape(index);
        if ids.len() != shape.used {
            return Err(Error::Session {
                what: "prompt",
                field: "length in tokens",
                found: ids.len().to_string(),
                expected: shape.used.to_string(),
                way_out: "make keys for this prompt with `he-llama keygen`",
            });
        }
        let embedded = setup.llama.embed(&shape.padded(ids))?;
        let layout = setup.packing(index).channels(setup.llama.config.hidden)?;
        let units = setup.input_units()?;
        let mut bytes = Vec::new();
        envelope::write(
            Kind::Request,
            &self.header(position, units.to_vec()),
            &mut bytes,
        )?;
        for (x, unit) in [(&embedded.hidden, units[0]), (&embedded.normed, units[1])] {
            let values = channels_first(x, unit);
            let level = setup.budget.top;
            let packed = Packed::encrypt(
                &self.evaluator,
                &mut self.encryptor,
                layout.clone(),
                &values,
                level,
            )?;
            packed.batch().write(&self.context, &mut bytes)?;
        }
        Ok(bytes)
    }

    /// Decrypts a response.
    pub fn open(&self, response: &[u8]) -> Result<Reply> {
        let mut input = response;
        let (setup, kind) = (&self.setup, Kind::Response);
        let header = envelope::read(kind, &mut input)?;
        header.expect(kind, &setup.session, &self.key)?;
        let [raw_unit, square_unit] = header.units(kind)?;
        let index = pass_at(setup, kind, header.position)?;
        let shape = setup.session.shape(index);
        let packing = setup.packing(index);
        let vocabulary = setup.llama.config.vocabulary;
        let mut open = |layout: Layout| -> Result<Vec<f64>> {
            let batch = read_batch(&self.context, &layout, &mut input)?;
            Ok(Packed::new(layout, batch)?.decrypt(&self.context, &self.decryptor)?)
        };
        let raw = open(packing.channels(vocabulary)?)?;
        let squares = open(packing.per_token()?)?;
        envelope::expect_end(kind, &mut input)?;
        let last = shape.used - 1;
        let raw: Vec<f64> = (0..vocabulary)
            .map(|v| raw[v * shape.tokens + last] * raw_unit)
            .collect();
        let logits = setup.llama.logits(&raw, squares[last] * square_unit);
        Ok(Reply {
            position: shape.start + last,
            logits,
        })
    }

    fn header(&self, position: usize, units: Vec<f64>) -> Header {
        let session = self.setup.session.clone();
        Header {
            session,
            key: self.key.clone(),
            position,
            units,
        }
    }
}

/// `x / unit` of a `[1, token, channel]` array in the order `[channel][token]`.
fn channels_first(x: &Array3<f64>, unit: f64) -> Vec<f64> {
    let (_, tokens, channels) = x.dim();
    let pairs = (0..channels).flat_map(|c| (0..tokens).map(move |t| (t, c)));
    pairs.map(|(t, c)| x[[0, t, c]] / unit).collect()
}

/// The pass that takes tokens from `position` on; fails when the session has none.
pub(crate) fn pass_at(setup: &Setup, kind: Kind, position: usize) -> Result<usize> {
    let session = &setup.session;
    session.pass_at(position).ok_or_else(|| {
        let last = session.positions();
        kind.fault(MessageFault::Field {
            field: "position",
            found: position.to_string(),
            admitted: format!(
                "0, and from {} to below {last}: make keys for more tokens",
                session.prompt
            ),
        })
    })
}

/// Reads the ciphertexts of a layout, no more bytes than these can take.
pub(crate) fn read_batch<B: Backend>(
    context: &Context<B>,
    layout: &Layout,
    input: &mut &[u8],
) -> Result<Ciphertext<B>> {
    let limit = batch_limit(context, layout);
    Ok(Ciphertext::read(context, limit, input)?)
}

/// Most bytes that the ciphertexts of a layout take.
pub(crate) fn batch_limit<B: Backend>(context: &Context<B>, layout: &Layout) -> u64 {
    let params = context.params();
    let limbs = params.basis_at(params.max_level()).limbs();
    let rows = layout.ciphertexts() * COMPONENTS;
    (rows * limbs * params.degree() * 8) as u64 + OVERHEAD
}
