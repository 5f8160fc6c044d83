//! A model with its tokenizer, from a Hugging Face directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::checkpoint::Weights;
use crate::config::Config;
use crate::error::Result;
use crate::length::Length;
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
    /// Reads `config.json`, the safetensors and `tokenizer.json` of `directory`, and what
    /// `generation_config.json` and `tokenizer_config.json` add.
    ///
    /// # Errors
    ///
    /// Those of [`Config::read`], [`Config::read_generation`], [`Tokenizer::open`] and
    /// [`Weights::read`].
    pub fn open(directory: &Path) -> Result<Self> {
        let mut config = Config::read(&directory.join("config.json"))?;
        config.read_generation(directory)?;
        let tokenizer = Tokenizer::open(directory)?;
        let weights = Weights::read(directory, &config)?;
        let directory = Some(directory.to_path_buf());
        Ok(Self {
            llama: Arc::new(Llama::new(config, weights)),
            tokenizer,
            directory,
        })
    }

    /// Tokens of a prompt, with `tokens` new ones to come behind them.
    ///
    /// # Errors
    ///
    /// [`crate::Error::EmptyPrompt`] when there is none, [`crate::Error::Argument`] when `tokens`
    /// is 0, [`crate::Error::ContextExceeded`] when both exceed the model's context,
    /// [`crate::Error::TokenId`] when the tokenizer knows a token that the model does not.
    pub fn prompt(&self, text: &str, tokens: usize) -> Result<Vec<u32>> {
        let ids = self.tokenizer.encode(text)?;
        Length::new(ids.len(), tokens)?.check(
            self.llama.config.positions,
            "of the model: shorten the prompt or ask for fewer",
        )?;
        self.llama.check_ids(&ids)?;
        Ok(ids)
    }
}
