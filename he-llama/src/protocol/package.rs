//! The client package: all that a client needs of a model, in a directory.
//!
//! | file | holds |
//! |---|---|
//! | `client.json` | parameters, layouts, capacity, plan hash, keys, digests of the others |
//! | `embedding.safetensors` | the token embeddings, in the format of the checkpoint |
//! | `tokenizer.json`, `tokenizer_config.json` | the tokenizer, as the model has it |
//!
//! Nothing in it is secret, and nothing in it is trusted: a reader checks the digests, then every
//! number, and takes parameters only that it knows itself by their name.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use ckks_math::backend::{Limits, RingSpec};
use ckks_math::keys::{GaloisElement, KeyPurpose, KeyRequest};
use ckks_math::wire::KeySetWriter;
use serde::{Deserialize, Serialize};

use crate::checkpoint::read_matrix;
use crate::digest::{Digest, Digester};
use crate::error::{Error, Result};
use crate::files;
use crate::length::Length;
use crate::matrix::{Format, Matrix};
use crate::outputs::{Access, Output, check_absent};
use crate::protocol::agreement::Agreement;
use crate::protocol::envelope;
use crate::protocol::spec::{ClientSpec, Ends};
use crate::tokenizer::{Stored, Tokenizer};

/// Format of `client.json`.
const VERSION: u32 = 1;
/// Name of the file with everything but the embeddings and the tokenizer.
pub const FILE: &str = "client.json";
/// Longest `client.json` that is read: a list of a million keys.
const LIMIT: u64 = 1 << 26;
const EMBEDDING: &str = "embedding.safetensors";
const TENSOR: &str = "embedding";

/// A client package in memory.
pub struct ClientPackage {
    /// What the client knows of the session.
    pub spec: Arc<ClientSpec>,
    /// The keys that the server needs.
    pub keys: Vec<KeyRequest>,
    /// The model's tokenizer.
    pub tokenizer: Tokenizer,
}

/// The file: facts with the digest of their JSON text.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    digest: Digest,
    facts: Facts,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    agreement: Agreement,
    vocabulary: usize,
    hidden: usize,
    positions: usize,
    norm_epsilon: f64,
    eos: Vec<u32>,
    /// Identity of the embeddings, see [`Matrix::identity`].
    embedding: Digest,
    /// Digests of the tokenizer's files.
    tokenizer: BTreeMap<String, Digest>,
    /// Purpose, Galois element (0 for the other purposes) and level of each key.
    keys: Vec<(Purpose, u64, usize)>,
}

/// A purpose of a key by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Purpose {
    Relinearization,
    Galois,
    ToEphemeral,
    FromEphemeral,
}

impl ClientPackage {
    /// Writes a package to `directory`, which is made where it does not exist. `client.json` is
    /// written last: without it there is no package.
    ///
    /// # Errors
    ///
    /// Fails for a file that exists, unless `force` allows to replace it, and when one cannot be
    /// written.
    pub fn write(
        directory: &Path,
        spec: &ClientSpec,
        keys: &[KeyRequest],
        tokenizer: &Stored,
        force: bool,
    ) -> Result<()> {
        std::fs::create_dir_all(directory).map_err(Error::write(directory))?;
        let path = |name: &str| directory.join(name);
        for name in [FILE, EMBEDDING].iter().chain(&Stored::NAMES) {
            check_absent(&path(name), force)?;
        }
        let ends = spec.ends();
        let facts = Facts {
            agreement: spec.agreement().clone(),
            vocabulary: ends.embedding.nrows(),
            hidden: ends.embedding.ncols(),
            positions: ends.positions,
            norm_epsilon: ends.norm_epsilon,
            eos: ends.eos.clone(),
            embedding: ends.embedding.identity()?,
            tokenizer: tokenizer
                .files()
                .map(|(name, bytes)| (name.to_owned(), digest_of(bytes)))
                .collect(),
            keys: keys.iter().map(fact_of).collect(),
        };
        write_embedding(&path(EMBEDDING), &ends.embedding)?;
        for (name, bytes) in tokenizer.files() {
            Output::write(&path(name), Access::Umask, bytes)?;
        }
        let file = File {
            version: VERSION,
            digest: facts.digest(),
            facts,
        };
        let text = serde_json::to_vec(&file).expect("numbers, strings and lists serialize");
        Output::write(&path(FILE), Access::Umask, &text)
    }

    /// Reads the package in `directory` for a backend of these limits.
    ///
    /// # Errors
    ///
    /// Fails for files that are absent, damaged or of another version of this program, and for
    /// values that no model of a known parameter set has; the reason is in the error.
    pub fn read(directory: &Path, limits: Limits) -> Result<Self> {
        let path = directory.join(FILE);
        let facts = Facts::parse(&files::read(&path, LIMIT)?, &path)?;
        let refuse = |reason| Error::Package {
            path: path.clone(),
            reason,
        };
        let tokenizer = tokenizer_of(&facts, directory)?.tokenizer()?;
        let shape = [facts.vocabulary, facts.hidden];
        let embedding = read_matrix(&directory.join(EMBEDDING), TENSOR, shape)?;
        let found = embedding.identity()?;
        check(&directory.join(EMBEDDING), found, facts.embedding)?;
        let (spec, keys) = facts.open(embedding, limits).map_err(refuse)?;
        Ok(Self {
            spec: Arc::new(spec),
            keys,
            tokenizer,
        })
    }

    /// Tokens of a prompt.
    ///
    /// # Errors
    ///
    /// Fails for an empty prompt and for one that is longer than the model's context.
    pub fn prompt(&self, text: &str) -> Result<Vec<u32>> {
        let ids = self.tokenizer.encode(text)?;
        let length = Length::new(ids.len(), 1)?;
        let limit = self.spec.ends().positions;
        length.check(limit, "of the model: shorten the prompt or ask for fewer")?;
        Ok(ids)
    }
}

impl Facts {
    /// Parses `client.json`; `path` is named in errors.
    fn parse(bytes: &[u8], path: &Path) -> Result<Self> {
        /// What every version starts with.
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let damaged = |source| Error::Json {
            path: path.to_path_buf(),
            what: "client package",
            source,
        };
        let Versioned { version } = serde_json::from_slice(bytes).map_err(damaged)?;
        let refuse = |reason| Error::Package {
            path: path.to_path_buf(),
            reason,
        };
        if version != VERSION {
            let reason = format!("version {version}, but this program reads {VERSION}");
            return Err(refuse(reason));
        }
        let file: File = serde_json::from_slice(bytes).map_err(damaged)?;
        check(path, file.facts.digest(), file.digest)?;
        let protocol = file.facts.agreement.protocol;
        if protocol != envelope::VERSION {
            let own = envelope::VERSION;
            let reason =
                format!("version {protocol} of the protocol, but this program speaks {own}");
            return Err(refuse(reason));
        }
        Ok(file.facts)
    }

    /// Checks every number.
    fn open(
        self,
        embedding: Matrix,
        limits: Limits,
    ) -> Result<(ClientSpec, Vec<KeyRequest>), String> {
        let ends = Ends {
            embedding,
            norm_epsilon: self.norm_epsilon,
            eos: self.eos,
            positions: self.positions,
        };
        let spec = ClientSpec::from_parts(self.agreement, ends, limits)?;
        let keys = self
            .keys
            .iter()
            .map(|fact| request_of(spec.params().ring(), fact))
            .collect::<Result<Vec<_>, _>>()?;
        // What lists keys on the wire checks each of them.
        let mut nowhere = std::io::sink();
        let listed = KeySetWriter::new(spec.params(), &keys, &mut nowhere).map(drop);
        listed.map_err(|e| e.to_string())?;
        Ok((spec, keys))
    }

    fn digest(&self) -> Digest {
        Digester::new("he-llama 0.1 client package")
            .json(self)
            .finish()
    }
}

fn fact_of(request: &KeyRequest) -> (Purpose, u64, usize) {
    let (purpose, galois) = match request.purpose {
        KeyPurpose::Relinearization => (Purpose::Relinearization, 0),
        KeyPurpose::Galois(element) => (Purpose::Galois, element.get()),
        KeyPurpose::ToEphemeral => (Purpose::ToEphemeral, 0),
        KeyPurpose::FromEphemeral => (Purpose::FromEphemeral, 0),
    };
    (purpose, galois, request.level)
}

fn request_of(
    ring: &RingSpec,
    &(purpose, galois, level): &(Purpose, u64, usize),
) -> Result<KeyRequest, String> {
    let purpose = match (purpose, galois) {
        (Purpose::Galois, element) => {
            KeyPurpose::Galois(GaloisElement::new(ring, element).map_err(|e| e.to_string())?)
        }
        (Purpose::Relinearization, 0) => KeyPurpose::Relinearization,
        (Purpose::ToEphemeral, 0) => KeyPurpose::ToEphemeral,
        (Purpose::FromEphemeral, 0) => KeyPurpose::FromEphemeral,
        _ => {
            return Err(format!(
                "a key of purpose {purpose:?} with the element {galois}"
            ));
        }
    };
    Ok(KeyRequest { purpose, level })
}

/// The files of the tokenizer that a package names, with the contents that were written.
fn tokenizer_of(facts: &Facts, directory: &Path) -> Result<Stored> {
    let refuse = |reason| Error::Package {
        path: directory.join(FILE),
        reason,
    };
    let [needed, settings] = Stored::NAMES;
    let mut names = facts.tokenizer.keys();
    if let Some(name) = names.find(|name| !Stored::NAMES.contains(&name.as_str())) {
        return Err(refuse(format!("{name:?} is no file of a tokenizer")));
    }
    if !facts.tokenizer.contains_key(needed) {
        return Err(refuse(format!("it names no {needed}")));
    }
    let stored = Stored::read_only(directory, facts.tokenizer.contains_key(settings))?;
    for (name, bytes) in stored.files() {
        let written = facts.tokenizer[name];
        check(&directory.join(name), digest_of(bytes), written)?;
    }
    Ok(stored)
}

/// Fails unless the contents of a file are those that were written.
fn check(path: &Path, computed: Digest, stored: Digest) -> Result<()> {
    if computed == stored {
        return Ok(());
    }
    Err(Error::Package {
        path: path.to_path_buf(),
        reason: format!("its contents have the digest {computed}, {stored} was written"),
    })
}

fn digest_of(bytes: &[u8]) -> Digest {
    let mut digester = Digester::new("he-llama 0.1 file of a client package");
    digester.field(bytes).finish()
}

/// Writes a safetensors file of one tensor, as it is stored.
fn write_embedding(path: &Path, matrix: &Matrix) -> Result<()> {
    let dtype = match matrix.format() {
        Format::F64 => "F64",
        Format::F32 => "F32",
        Format::F16 => "F16",
        Format::Bf16 => "BF16",
    };
    let (rows, columns, bytes) = (matrix.nrows(), matrix.ncols(), matrix.stored_range());
    let end = bytes.len();
    let tensor = serde_json::json!({
        "dtype": dtype, "shape": [rows, columns], "data_offsets": [0, end],
    });
    let mut header = serde_json::json!({ TENSOR: tensor }).to_string();
    // The data start at a multiple of 8.
    while !header.len().is_multiple_of(8) {
        header.push(' ');
    }
    let mut out = Output::create(path, Access::Umask)?;
    let length = (header.len() as u64).to_le_bytes();
    for part in [&length[..], header.as_bytes(), bytes] {
        out.write_all(part).map_err(Error::write(path))?;
    }
    out.commit()
}

#[cfg(test)]
#[path = "package_tests.rs"]
mod tests;
