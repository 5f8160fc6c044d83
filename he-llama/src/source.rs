//! A model with its tokenizer, from a Hugging Face directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::checkpoint::Weights;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::model::Llama;
use crate::tokenizer::Tokenizer;

/// Everything that a model directory holds.
pub struct Source {
    /// Weights and sizes.
    pub llama: Arc<Llama>,
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
    /// Where it was read from; `None` for the embedded model.
    pub directory: Option<PathBuf>,
}

impl Source {
    /// Reads `config.json`, the safetensors and `tokenizer.json` of `directory`.
    pub fn open(directory: &Path) -> Result<Self> {
        let config = Config::read(&directory.join("config.json"))?;
        let tokenizer = Tokenizer::read(&directory.join("tokenizer.json"))?;
        let weights = Weights::read(directory, &config)?;
        let directory = Some(directory.to_path_buf());
        Ok(Self {
            llama: Arc::new(Llama::new(config, weights)),
            tokenizer,
            directory,
        })
    }

    /// Tokens of a prompt.
    ///
    /// Fails when there is none, when `tokens` is 0, and when both exceed the model's context.
    pub fn prompt(&self, text: &str, tokens: usize) -> Result<Vec<u32>> {
        if tokens == 0 {
            let (found, expected) = ("0".into(), "at least 1");
            return Err(Error::Argument {
                name: "tokens",
                found,
                expected,
            });
        }
        let ids = self.tokenizer.encode(text)?;
        let limit = self.llama.config.positions;
        if ids.is_empty() {
            return Err(Error::EmptyPrompt);
        }
        if ids.len() + tokens > limit {
            let (prompt, of) = (
                ids.len(),
                "of the model: shorten the prompt or ask for fewer",
            );
            return Err(Error::ContextExceeded {
                prompt,
                tokens,
                limit,
                of,
            });
        }
        Ok(ids)
    }
}
