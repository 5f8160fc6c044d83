//! Llama inference on encrypted prompts.
//!
//! * [`config`], [`checkpoint`], [`tokenizer`], [`source`], [`embedded`]: a model from Hugging Face
//!   files, or the one built in.
//! * [`matrix`], [`mapping`], [`digest`]: weights that stay in their files, and names of contents.
//! * [`model`]: one description of the computation, and the machines that run it.
//! * [`calibrate`]: ranges, degrees and softmax schedules, found on text and stored by the model.
//! * [`sampling`], [`metrics`]: choosing a token, and how far two rows of logits are apart.
//! * [`encrypted`]: the machine on ciphertexts, and where its bootstraps go.
//! * [`backends`], [`times`]: the backends by name, and what their kernels take.
//! * [`protocol`]: client and server, and the bytes between them.
//! * [`simulate`]: text from the simulated twin.
//! * [`runner`]: client and server in one process.
//! * [`cli`]: the command line.

// Weights files are mapped into memory: `mapping` has the one expected exception.
#![deny(unsafe_code)]

pub mod backends;
pub mod calibrate;
pub mod checkpoint;
pub mod cli;
pub mod config;
pub mod digest;
pub mod embedded;
pub mod encrypted;
pub mod error;
mod files;
mod guarded;
pub mod length;
pub mod mapping;
pub mod matrix;
pub mod metrics;
pub mod model;
mod outputs;
pub mod protocol;
pub mod runner;
pub mod sampling;
pub mod simulate;
pub mod source;
pub mod times;
pub mod tokenizer;

pub use error::{Error, Result};
