//! The errors of this crate. Each names what was found, what was expected, and the way out.

use std::path::PathBuf;

mod code;
mod fault;

pub use fault::MessageFault;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong outside the ciphertexts.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file could not be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A JSON file does not have the expected form.
    #[error("{path} is not a valid {what}: {}", source.to_string().escape_debug())]
    Json {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// Where the parser stopped.
        source: serde_json::Error,
    },
    /// The configuration asks for something that is not implemented.
    #[error("{file}: {field} is {found}, only {supported} is supported")]
    Unsupported {
        /// The file that asks.
        file: &'static str,
        /// Its field.
        field: &'static str,
        /// Its value.
        found: String,
        /// What would be accepted.
        supported: &'static str,
    },
    /// The configuration contradicts itself.
    #[error("config.json: {reason}")]
    Config {
        /// Which fields, with their values.
        reason: String,
    },
    /// A stand-in of Git LFS where a file should be.
    #[error("{path} is a pointer of Git LFS, not the file: run `git lfs pull` where it was cloned")]
    LfsPointer {
        /// The file.
        path: PathBuf,
    },
    /// A file that is longer than anything of its kind.
    #[error("{path} has {found} bytes, at most {limit} are read: is it another file?")]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Its length.
        found: u64,
        /// The longest admitted.
        limit: u64,
    },
    /// A model directory without a file that a model needs.
    #[error("{directory} has no {expected}{found}: {way_out}")]
    Incomplete {
        /// The directory.
        directory: PathBuf,
        /// Name of the file looked for.
        expected: &'static str,
        /// What is there instead, as ", but ...", or nothing.
        found: String,
        /// What to do.
        way_out: &'static str,
    },
    /// The index of the shards cannot be followed.
    #[error("{path}: {reason}")]
    Index {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A tensor that changes what a model computes, in a way that is not supported.
    #[error("tensor {name} would change what the model computes, but {reason}")]
    ExtraTensor {
        /// Name of the tensor.
        name: String,
        /// Why it is not used.
        reason: &'static str,
    },
    /// A weights file is damaged or truncated.
    #[error("{path} is not a complete safetensors file ({reason}): download it again")]
    Weights {
        /// The file.
        path: PathBuf,
        /// What the parser found.
        reason: String,
    },
    /// A tensor that the configuration asks for is in no weights file.
    #[error("tensor {name} (shape {expected:?}) is in none of the weights files")]
    MissingTensor {
        /// Name of the tensor.
        name: String,
        /// Shape by the configuration.
        expected: Vec<usize>,
    },
    /// A tensor does not have the shape that the configuration asks for.
    #[error("tensor {name} has shape {found:?}, config.json asks for {expected:?}")]
    Shape {
        /// Name of the tensor.
        name: String,
        /// Shape by the configuration.
        expected: Vec<usize>,
        /// Shape in the file.
        found: Vec<usize>,
    },
    /// A tensor has a number format that is not supported.
    #[error("tensor {name} is {found}, only F64, F32, F16 and BF16 are supported")]
    NumberFormat {
        /// Name of the tensor.
        name: String,
        /// Its format.
        found: String,
    },
    /// A tensor holds a number that is not finite.
    #[error("tensor {name} holds {value} at index {index}: the weights are damaged")]
    NotFinite {
        /// Name of the tensor.
        name: String,
        /// Flat index of the first such number.
        index: usize,
        /// The number.
        value: f64,
    },
    /// A weights file was written by another program while it was in use.
    #[error(
        "{path} was changed while it was in use ({before} bytes at its opening, {after} now): \
         start again, and replace weights by renaming a finished file over them"
    )]
    Changed {
        /// The file.
        path: PathBuf,
        /// Its length when it was opened.
        before: u64,
        /// Its length now.
        after: u64,
    },
    /// The tokenizer file could not be used.
    #[error("tokenizer {path}: {reason}")]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// What the tokenizer library said.
        reason: String,
    },
    /// A token id outside the vocabulary.
    #[error("token {id} is outside the vocabulary of {vocabulary}")]
    TokenId {
        /// The id.
        id: u32,
        /// Number of tokens of the model.
        vocabulary: usize,
    },
    /// Nothing to start from.
    #[error("the prompt has no token: give some text, or a model whose tokenizer adds a BOS token")]
    EmptyPrompt,
    /// Prompt and answer do not fit.
    #[error("prompt of {prompt} tokens plus {tokens} new ones exceed the {limit} positions {of}")]
    ContextExceeded {
        /// Tokens of the prompt.
        prompt: usize,
        /// Tokens to generate.
        tokens: usize,
        /// Positions that there are.
        limit: usize,
        /// What sets the limit, and the way out.
        of: &'static str,
    },
    /// A command-line value outside its range.
    #[error("{name} is {found}, must be {expected}")]
    Argument {
        /// Name of the option.
        name: &'static str,
        /// The value given.
        found: String,
        /// The values allowed.
        expected: &'static str,
    },
    /// No logit to choose from, or one that is not a number.
    #[error("cannot choose a token: logit {index} of {len} is {value}")]
    Logits {
        /// Index of the first bad logit.
        index: usize,
        /// Number of logits.
        len: usize,
        /// Its value.
        value: f64,
    },
    /// A polynomial could not be fitted.
    #[error(
        "no polynomial of {function} on [{lo}, {hi}] reaches {wanted:.1e}: best is {found:.1e} at degree {degree}"
    )]
    Fit {
        /// Name of the function.
        function: String,
        /// Left end of the interval.
        lo: f64,
        /// Right end of the interval.
        hi: f64,
        /// Highest degree tried.
        degree: usize,
        /// Error asked for.
        wanted: f64,
        /// Error reached.
        found: f64,
    },
    /// An interval on which a function cannot be fitted.
    #[error("{function} cannot be fitted on [{lo}, {hi}]: {reason}")]
    Interval {
        /// Name of the function.
        function: String,
        /// Left end.
        lo: f64,
        /// Right end.
        hi: f64,
        /// Why not.
        reason: &'static str,
    },
    /// The model was used with polynomials before calibration.
    #[error("{site} has no calibrated range: run `he-llama calibrate` on this model first")]
    Uncalibrated {
        /// The place in the model.
        site: String,
    },
    /// A calibration file of other weights or of another version.
    #[error(
        "{path} was made for {found}, this model is {expected}: delete it, or run `he-llama \
         calibrate --force`"
    )]
    StaleCalibration {
        /// The file.
        path: PathBuf,
        /// Hash or version of this model.
        expected: String,
        /// Hash or version in the file.
        found: String,
    },
    /// A file of measured times of another version.
    #[error(
        "{path} holds measured times of format {found}, this program reads format {expected}: \
         delete it or run `he-llama devices --measure`"
    )]
    StaleTimes {
        /// The file.
        path: PathBuf,
        /// Format of the file.
        found: u32,
        /// Format that is read.
        expected: u32,
    },
    /// A calibration file whose contents cannot be used.
    #[error("{path} cannot be used ({source}): delete it, or run `he-llama calibrate --force`")]
    DamagedCalibration {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// The contents of a calibration file are not those that were written.
    #[error("digest {found}, but {stored} was stored: the file was changed")]
    CalibrationDigest {
        /// Digest of the contents.
        found: String,
        /// Digest in the file.
        stored: String,
    },
    /// A calibration that cannot be one of this model.
    #[error("calibration of {site}: {reason}")]
    InvalidCalibration {
        /// The place in the model.
        site: String,
        /// What is wrong there.
        reason: String,
    },
    /// No polynomial holds the values at a place of the model.
    #[error("{site} cannot be calibrated: {source}; {cause}")]
    Unfit {
        /// The place in the model.
        site: String,
        /// What was tried.
        source: Box<Error>,
        /// Which token is the cause, and the way out.
        cause: String,
    },
    /// Values that leave the interval of their polynomial however it is widened.
    #[error(
        "{count} values at {site} leave the interval [{lo}, {hi}] of their polynomial, the worst is \
         {worst}: calibrate on more windows, or on text like that to be served"
    )]
    Escapes {
        /// The place in the model.
        site: String,
        /// How many.
        count: usize,
        /// The one farthest out.
        worst: f64,
        /// Left end of the interval.
        lo: f64,
        /// Right end of the interval.
        hi: f64,
    },
    /// Something is wrong with a file.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: Box<Error>,
    },
    /// A file that must not be overwritten.
    #[error("{path} exists: choose another name, or give --force to replace it")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A name that no file of this program may take.
    #[error("{path} is {found}: only plain files are replaced, give the name of one")]
    NotPlain {
        /// The name.
        path: PathBuf,
        /// What has it.
        found: &'static str,
    },
    /// Two files that must be different.
    #[error("{first} and {second} are one file, {path}: give different ones")]
    SameFile {
        /// Role of one.
        first: &'static str,
        /// Role of the other.
        second: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// A file that another process works on.
    #[error("{path} is in use by another process: wait until that has ended")]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// A client package that cannot be used.
    #[error(
        "{path}: {}: export the package again with `he-llama export-client`", reason.escape_debug()
    )]
    Package {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A model beyond this program.
    #[error(
        "a model of {parameters} parameters is beyond this program, which encodes all weights for \
         each token: take one of at most {limit}, or give --any-size and a day for each token"
    )]
    TooLarge {
        /// Its parameters.
        parameters: usize,
        /// Those of the largest that is run unasked.
        limit: usize,
    },
    /// Tokens that differ from those of the same model in the clear.
    #[error("{differing} of {tokens} tokens differ from those of the same model in the clear")]
    Disagreement {
        /// Number of tokens that differ.
        differing: usize,
        /// Number of tokens compared.
        tokens: usize,
    },
    /// Nobody reads what is printed.
    #[error("the output was closed")]
    Closed,
    /// No backend of this name.
    #[error("no backend {name:?} in this build: choose one of {built} ({why})")]
    Backend {
        /// The name given.
        name: String,
        /// Names of the backends built in.
        built: String,
        /// Why it is absent.
        why: &'static str,
    },
    /// A parameter set that cannot run a model.
    #[error(
        "preset {name} cannot run a model, which needs bootstraps on the standard ring: choose one of \
         {others}"
    )]
    Preset {
        /// The name given.
        name: String,
        /// Names of the presets that can, with their levels between bootstraps.
        others: String,
    },
    /// A message between client and server that cannot be read.
    #[error("{what}: {fault}")]
    Message {
        /// What it should be.
        what: &'static str,
        /// What is wrong.
        fault: MessageFault,
    },
    /// A message that is longer than its objects can be.
    #[error("a message of {found} bytes, at most {limit} are expected: this is no such message")]
    MessageLength {
        /// Its length.
        found: u64,
        /// The longest that is read.
        limit: u64,
    },
    /// A message or file of another session.
    #[error(
        "the {what} has {field} {}, but {} is expected: {way_out}",
        found.escape_debug(), expected.escape_debug()
    )]
    Session {
        /// What was read.
        what: &'static str,
        /// What differs.
        field: &'static str,
        /// Its value in what was read.
        found: String,
        /// The value in use.
        expected: String,
        /// What to do.
        way_out: &'static str,
    },
    /// Whoever started the work asked for its end.
    #[error("stopped on request: nothing of it was kept")]
    Cancelled,
    /// Keys that do not suffice for what the server computes.
    #[error(
        "the server key file lacks {missing} of the {needed} keys that this server's plan needs, the \
         {key} up to level {level} among them: make keys again, with the client package of this server"
    )]
    MissingKeys {
        /// Number of keys that are not there.
        missing: usize,
        /// Number of keys needed.
        needed: usize,
        /// The first that is missing.
        key: String,
        /// Highest level that it must serve.
        level: usize,
    },
    /// A thread or pipe of this program failed.
    #[error("{what} failed: {reason}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the operating system said.
        reason: String,
    },
    /// The scheme refused an operation.
    #[error(transparent)]
    Scheme(#[from] ckks_math::Error),
    /// A packed tensor does not fit an operation.
    #[error(transparent)]
    Linear(#[from] he_linalg::Error),
    /// No placement of bootstraps makes the model fit the levels of the preset.
    #[error(
        "{site} needs more levels than a bootstrap of preset {preset} leaves ({levels}): choose a preset with more levels"
    )]
    Unplannable {
        /// Where levels run out.
        site: String,
        /// The preset.
        preset: String,
        /// Levels that a bootstrap leaves.
        levels: usize,
    },
    /// A pass that does not follow what the cache holds.
    #[error(
        "the pass starts at position {found}, the cache ends at {expected}: run the positions between first"
    )]
    Position {
        /// Where the pass starts.
        found: usize,
        /// Where the cache ends.
        expected: usize,
    },
    /// More positions than a session has.
    #[error(
        "{found} positions are more than the {capacity} of this session: make keys with a larger --capacity"
    )]
    Capacity {
        /// Positions asked for.
        found: usize,
        /// Those of the session.
        capacity: usize,
    },
    /// Calibration text that is too short.
    #[error("calibration text has {found} tokens, at least {needed} are needed")]
    CalibrationText {
        /// Tokens found.
        found: usize,
        /// Tokens needed.
        needed: usize,
    },
    /// No softmax schedule within the precision asked for.
    #[error("layer {layer}: no softmax of at most {rounds} rounds spans scores of width {span:.0}")]
    Softmax {
        /// The layer.
        layer: usize,
        /// Width of the scores.
        span: f64,
        /// Most rounds tried.
        rounds: usize,
    },
}

impl Error {
    /// The code that the program ends with: 3 for tokens that differ from the reference, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Disagreement { .. } => 3,
            _ => 1,
        }
    }

    /// Whether an operation had too few levels left: more bootstraps may help. Below the levels
    /// that products may leave, scales and constants no longer fit either.
    pub(crate) fn lacks_levels(&self) -> bool {
        use ckks_math::Error::{
            Constant, LevelExhausted, LevelMismatch, ScaleMismatch, ScaleOutOfRange,
        };
        let error = match self {
            Self::Scheme(error) => error,
            Self::Linear(he_linalg::Error::Scheme(error)) => error.inner(),
            _ => return false,
        };
        matches!(
            error,
            LevelExhausted { .. }
                | LevelMismatch { .. }
                | ScaleMismatch { .. }
                | ScaleOutOfRange { .. }
                | Constant { .. }
        )
    }

    /// Names the file that an error is about.
    pub(crate) fn in_file(self, path: &std::path::Path) -> Self {
        Self::File {
            path: path.to_path_buf(),
            source: Box::new(self),
        }
    }

    /// Turns an i/o error on reading `path` into [`Error::Read`].
    pub(crate) fn read(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Read { path, source }
    }

    /// Turns an i/o error on writing `path` into [`Error::Write`].
    pub(crate) fn write(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Write { path, source }
    }
}
