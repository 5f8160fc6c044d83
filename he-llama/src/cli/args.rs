//! Options.

use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand};

use crate::backends::BUILT_IN;
use crate::cli::memory::bytes;
use crate::protocol::session::DEFAULT_PRESET;

/// How the commands with files follow each other.
const FLOW: &str = "\
Client and server as separate programs, for the embedded model:
  client  keygen --prompt TEXT --tokens 8     secret.key (stays here), server.keys (to the server)
  client  encrypt --prompt TEXT               request.bin (to the server), text.json (stays here)
  server  eval                                response.bin (to the client), state.bin (stays here)
  client  decrypt                             shows the token and appends it to text.json
then for each further token: encrypt, eval, decrypt; `show` prints the text.

For a model that only the server has:
  server  export-client --model DIR --prompt-tokens 16 --tokens 8 --out client
  client  keygen --client client, then encrypt and decrypt with --client client
  server  eval --model DIR";

/// A Llama on encrypted prompts.
#[derive(Debug, Parser)]
#[command(version, about, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Generate text on an encrypted prompt: client and server in one process.
    Generate(GenerateArgs),
    /// Write what a client needs of a model: no layer's weights.
    #[command(after_help = FLOW)]
    ExportClient(ExportArgs),
    /// Make a secret key and the server's keys for prompts of one length.
    #[command(after_help = FLOW)]
    Keygen(KeygenArgs),
    /// Encrypt the prompt, or the token that was decrypted last.
    Encrypt(EncryptArgs),
    /// Run the model on a request, without the secret key.
    Eval(EvalArgs),
    /// Decrypt a response and choose the token.
    Decrypt(DecryptArgs),
    /// Print the text of a conversation.
    Show(ShowArgs),
    /// Show what a run would be: shapes, ranges, plan, keys and memory.
    Inspect(InspectArgs),
    /// List the backends and what they can do, or measure one.
    Devices(DevicesArgs),
    /// Generate text in the clear with the polynomials, ranges and noise of an encrypted run.
    Simulate(SimulateArgs),
    /// Find ranges, degrees and the softmax of a model on text, and store them beside it.
    Calibrate(CalibrateArgs),
}

/// Where and with which parameters to run.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// Parameter set.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_PRESET)]
    pub preset: String,
    /// Backend, see `he-llama devices`; a card's number and options follow, as in
    /// `cuda:0,graphs,keys=fused`.
    #[arg(long, value_name = "NAME", default_value = BUILT_IN[0])]
    pub backend: String,
    /// Threads; without it, one for each core.
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
}

/// How tokens are chosen, at the client.
#[derive(Clone, Copy, Debug, Args)]
pub struct SamplingArgs {
    /// Draw tokens at this temperature; 0 takes the likeliest.
    #[arg(
        long,
        value_name = "T",
        default_value_t = 0.0,
        allow_negative_numbers = true
    )]
    pub temperature: f64,
    /// Draw from the likeliest tokens that together have this probability.
    #[arg(long, value_name = "P", default_value_t = 1.0)]
    pub top_p: f64,
    /// Seed of the draws.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

/// A prompt, given in one of two ways.
#[derive(Clone, Debug, Args)]
pub struct PromptArgs {
    /// Text to continue; without any, the embedded model's default prompt.
    #[arg(long, value_name = "TEXT")]
    pub prompt: Option<String>,
    /// Read the text to continue from this file, `-` for standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "prompt")]
    pub prompt_file: Option<PathBuf>,
}

/// Numbers from `least` on.
fn at_least(least: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(least..)
}

/// The length that keys or a plan are made for: that of a prompt, or a number.
#[derive(Clone, Debug, Args)]
pub struct LengthArgs {
    /// The prompt, of which only the length in tokens counts.
    #[command(flatten)]
    pub prompt: PromptArgs,
    /// The length of the prompt in tokens.
    #[arg(
        long,
        value_name = "N",
        value_parser = at_least(1),
        conflicts_with_all = ["prompt", "prompt_file"]
    )]
    pub prompt_tokens: Option<usize>,
    /// Most tokens generated behind it.
    #[arg(long, value_name = "K", default_value_t = 8)]
    pub tokens: usize,
    /// Most positions of a conversation, whatever its prompts and answers: all of its tokens but
    /// the last one chosen. Without it those of the prompt and the tokens behind it.
    #[arg(
        long,
        value_name = "N",
        value_parser = at_least(1),
        conflicts_with_all = ["prompt", "prompt_file", "prompt_tokens"]
    )]
    pub capacity: Option<usize>,
}

/// What to generate, and how tokens are chosen at the client.
#[derive(Clone, Debug, Args)]
pub struct TextArgs {
    /// Text to continue.
    #[command(flatten)]
    pub prompt: PromptArgs,
    /// Number of tokens to generate.
    #[arg(long, value_name = "K", default_value_t = 8)]
    pub tokens: usize,
    /// A Hugging Face Llama directory; without it, the model built in.
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// How tokens are chosen.
    #[command(flatten)]
    pub sampling: SamplingArgs,
    /// Write ids, agreement and figures to this file, which only its owner may read.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Replace the file of --json, whatever it holds.
    #[arg(long)]
    pub force: bool,
    /// Compare with the same model in the clear (`simulate` always does): a token that differs is
    /// reported on standard error and ends the program with exit code 3.
    #[arg(long)]
    pub check: bool,
    /// Print the text only.
    #[arg(long)]
    pub quiet: bool,
}

/// Options of `generate`.
#[derive(Clone, Debug, Args)]
pub struct GenerateArgs {
    /// Text and model.
    #[command(flatten)]
    pub text: TextArgs,
    /// Parameters and backend.
    #[command(flatten)]
    pub run: RunArgs,
    /// Memory for encoded weights, as in 2GiB: those that fit are kept from pass to pass. Without
    /// it each product encodes its weights, ahead while the one before it runs.
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    pub memory: Option<u64>,
    /// Run a model of any size, however long it takes.
    #[arg(long)]
    pub any_size: bool,
}

/// Options of `export-client`.
#[derive(Clone, Debug, Args)]
pub struct ExportArgs {
    /// A Hugging Face Llama directory; without it, the model built in.
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// Write the package to this directory.
    #[arg(long, value_name = "DIR", default_value = "client")]
    pub out: PathBuf,
    /// The texts that it is for.
    #[command(flatten)]
    pub length: LengthArgs,
    /// Replace the files of a package that is there.
    #[arg(long)]
    pub force: bool,
    /// Parameters and backend.
    #[command(flatten)]
    pub run: RunArgs,
    /// Run a model of any size, however long it takes.
    #[arg(long)]
    pub any_size: bool,
    /// Print nothing.
    #[arg(long)]
    pub quiet: bool,
}

/// Options of `keygen`.
#[derive(Clone, Debug, Args)]
pub struct KeygenArgs {
    /// A client package, which says what keys are for; without it, the model built in.
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with_all = ["prompt", "prompt_file", "prompt_tokens", "tokens", "preset"]
    )]
    pub client: Option<PathBuf>,
    /// The texts that the keys are for.
    #[command(flatten)]
    pub length: LengthArgs,
    /// Write the secret key here; nobody but its owner may read it.
    #[arg(long, value_name = "FILE", default_value = "secret.key")]
    pub secret_key: PathBuf,
    /// Write the server's keys here.
    #[arg(long, value_name = "FILE", default_value = "server.keys")]
    pub server_key: PathBuf,
    /// Replace files that exist.
    #[arg(long)]
    pub force: bool,
    /// Parameters and backend.
    #[command(flatten)]
    pub run: RunArgs,
    /// Print nothing.
    #[arg(long)]
    pub quiet: bool,
}

/// Backend and threads of the commands whose parameters come from key files.
#[derive(Clone, Debug, Args)]
pub struct DeviceArgs {
    /// Backend, see `he-llama devices`; a card's number and options follow, as in
    /// `cuda:0,graphs,keys=fused`.
    #[arg(long, value_name = "NAME", default_value = BUILT_IN[0])]
    pub backend: String,
    /// Threads; without it, one for each core.
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Print nothing but results.
    #[arg(long)]
    pub quiet: bool,
}

/// Options of `encrypt`.
#[derive(Clone, Debug, Args)]
pub struct EncryptArgs {
    /// The owner's secret key file.
    #[arg(long, value_name = "FILE", default_value = "secret.key")]
    pub secret_key: PathBuf,
    /// The client package that the keys were made with; without it, the model built in.
    #[arg(long, value_name = "DIR")]
    pub client: Option<PathBuf>,
    /// The tokens of this text so far, kept by the client: made when there is none.
    #[arg(long, value_name = "FILE", default_value = "text.json")]
    pub text: PathBuf,
    /// Start a new text with this prompt.
    #[command(flatten)]
    pub prompt: PromptArgs,
    /// Give up the text that is in the file, and replace the request, whatever it is.
    #[arg(long)]
    pub force: bool,
    /// Write the request here.
    #[arg(long, value_name = "FILE", default_value = "request.bin")]
    pub out: PathBuf,
    /// Backend.
    #[command(flatten)]
    pub device: DeviceArgs,
}

/// Options of `eval`.
#[derive(Clone, Debug, Args)]
pub struct EvalArgs {
    /// A Hugging Face Llama directory; without it, the model built in.
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// Memory for encoded weights, as in 2GiB: those that fit are kept from pass to pass. Without
    /// it each product encodes its weights, ahead while the one before it runs.
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    pub memory: Option<u64>,
    /// The server's keys.
    #[arg(long, value_name = "FILE", default_value = "server.keys")]
    pub server_key: PathBuf,
    /// The request.
    #[arg(long, value_name = "FILE", default_value = "request.bin")]
    pub request: PathBuf,
    /// The encrypted cache: written, and read for every request but a prompt's.
    #[arg(long, value_name = "FILE", default_value = "state.bin")]
    pub state: PathBuf,
    /// Write the response here.
    #[arg(long, value_name = "FILE", default_value = "response.bin")]
    pub out: PathBuf,
    /// Replace the state and the response of other conversations.
    #[arg(long)]
    pub force: bool,
    /// Run a model of any size, however long it takes.
    #[arg(long)]
    pub any_size: bool,
    /// Model and backend.
    #[command(flatten)]
    pub device: DeviceArgs,
}

/// Options of `decrypt`.
#[derive(Clone, Debug, Args)]
pub struct DecryptArgs {
    /// The client package that the keys were made with; without it, the model built in.
    #[arg(long, value_name = "DIR")]
    pub client: Option<PathBuf>,
    /// The owner's secret key file.
    #[arg(long, value_name = "FILE", default_value = "secret.key")]
    pub secret_key: PathBuf,
    /// The tokens of this text so far: the new one is appended.
    #[arg(long, value_name = "FILE", default_value = "text.json")]
    pub text: PathBuf,
    /// The response.
    #[arg(long, value_name = "FILE", default_value = "response.bin")]
    pub response: PathBuf,
    /// How the token is chosen.
    #[command(flatten)]
    pub sampling: SamplingArgs,
    /// Backend.
    #[command(flatten)]
    pub device: DeviceArgs,
}

/// Options of `show`.
#[derive(Clone, Debug, Args)]
pub struct ShowArgs {
    /// The client package of the text's model; without it, the model built in.
    #[arg(long, value_name = "DIR")]
    pub client: Option<PathBuf>,
    /// The text.
    #[arg(value_name = "FILE", default_value = "text.json")]
    pub text: PathBuf,
}

/// Options of `inspect`.
#[derive(Clone, Debug, Args)]
pub struct InspectArgs {
    /// A Hugging Face Llama directory; without it, the model built in.
    #[arg(value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// The texts to plan for.
    #[command(flatten)]
    pub length: LengthArgs,
    /// Parameters and backend.
    #[command(flatten)]
    pub run: RunArgs,
}

/// Options of `devices`.
#[derive(Clone, Debug, Args)]
pub struct DevicesArgs {
    /// Measure the kernels of a backend and keep their times: runs on it are planned by them.
    #[arg(long)]
    pub measure: bool,
    /// The backend that is measured.
    #[arg(long, value_name = "NAME", default_value = BUILT_IN[0], requires = "measure")]
    pub backend: String,
    /// Its threads; without it, one for each core.
    #[arg(long, value_name = "N", requires = "measure")]
    pub threads: Option<usize>,
    /// Write the times here, not into the cache directory.
    #[arg(long, value_name = "FILE", requires = "measure")]
    pub out: Option<PathBuf>,
    /// Replace what `--out` names, even if it is no file of times.
    #[arg(long, requires = "out")]
    pub force: bool,
}

/// Options of `simulate`.
#[derive(Clone, Debug, Args)]
pub struct SimulateArgs {
    /// Text and model.
    #[command(flatten)]
    pub text: TextArgs,
    /// Parameters that the run is planned for.
    #[command(flatten)]
    pub run: RunArgs,
    /// Precision of a bootstrap in bits, relative to each tensor's range.
    #[arg(long, value_name = "BITS", default_value_t = 20.0)]
    pub noise_bits: f64,
}

/// Options of `calibrate`.
#[derive(Clone, Debug, Args)]
pub struct CalibrateArgs {
    /// A Hugging Face Llama directory; without it, the model built in.
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// Text like that the model will see; without it, a text built in.
    #[arg(long, value_name = "FILE")]
    pub text: Option<PathBuf>,
    /// Longest text in tokens, prompt and answer together, that the ranges shall hold for.
    /// Without it 64, or the context of the model where that is less.
    #[arg(long, value_name = "N", value_parser = at_least(8))]
    pub positions: Option<usize>,
    /// Number of text windows.
    #[arg(long, value_name = "N", default_value_t = 320)]
    pub windows: usize,
    /// Replace the calibration that is stored for the model, which makes its keys useless.
    #[arg(long)]
    pub force: bool,
    /// Print nothing.
    #[arg(long)]
    pub quiet: bool,
}
