//! Options.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

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
    /// Generate text in the clear with the polynomials, ranges and noise of an encrypted run.
    Simulate(SimulateArgs),
    /// Find ranges, degrees and the softmax of a model on text, and store them beside it.
    Calibrate(CalibrateArgs),
}

/// What to generate, and how tokens are chosen at the client.
#[derive(Clone, Debug, Args)]
pub struct TextArgs {
    /// Text to continue; the default model has a default prompt.
    #[arg(long, value_name = "TEXT")]
    pub prompt: Option<String>,
    /// Number of tokens to generate.
    #[arg(long, value_name = "K", default_value_t = 8)]
    pub tokens: usize,
    /// A Hugging Face Llama directory; without it, the model built in.
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
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
    /// Write ids, agreement and figures to this file.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Print the text only.
    #[arg(long)]
    pub quiet: bool,
}

/// Options of `simulate`.
#[derive(Clone, Debug, Args)]
pub struct SimulateArgs {
    /// Text and model.
    #[command(flatten)]
    pub text: TextArgs,
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
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub positions: usize,
    /// Number of text windows.
    #[arg(long, value_name = "N", default_value_t = 320)]
    pub windows: usize,
    /// Print nothing.
    #[arg(long)]
    pub quiet: bool,
}
