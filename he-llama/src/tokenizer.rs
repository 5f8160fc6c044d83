//! Text to token ids and back, by a Hugging Face `tokenizer.json`.

use std::path::Path;

use crate::error::{Error, Result};

/// A tokenizer of a model.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
}

impl Tokenizer {
    /// Reads `tokenizer.json`.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(Error::read(path))?;
        Self::parse(&bytes, path)
    }

    /// Parses the text of a `tokenizer.json`; `path` is named in errors.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Self> {
        let inner = tokenizers::Tokenizer::from_bytes(bytes).map_err(|e| Error::Tokenizer {
            path: path.to_path_buf(),
            reason: e.to_string(),
        })?;
        Ok(Self { inner })
    }

    /// Token ids of `text`, with the special tokens (BOS) that the post-processor adds.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let encoding = self.inner.encode_fast(text, true).map_err(failed)?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The special tokens alone that open every text: the ids of the empty text.
    pub fn opening(&self) -> Result<Vec<u32>> {
        self.encode("")
    }

    /// Text of `ids` without special tokens; incomplete UTF-8 shows as U+FFFD.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        self.inner.decode(ids, true).map_err(failed)
    }

    /// Text of one token as stored in the vocabulary; `None` outside it.
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// A decoder of the tokens that follow `prompt`, one at a time.
    pub fn stream<'a>(&'a self, prompt: &[u32]) -> Result<Stream<'a>> {
        let shown = self.decode(prompt)?;
        Ok(Stream {
            tokenizer: self,
            ids: prompt.to_vec(),
            shown: settled(&shown).to_owned(),
        })
    }
}

fn failed(e: impl std::fmt::Display) -> Error {
    Error::Tokenizer {
        path: "tokenizer.json".into(),
        reason: e.to_string(),
    }
}

/// Decodes token by token. What [`Stream::push`] and [`Stream::finish`] return, concatenated, is
/// what the tokens add to the decoded prompt.
///
/// Decoders join bytes and strip blanks across tokens, so each step decodes the whole text and
/// returns what is new, holding back characters whose bytes are not complete.
pub struct Stream<'a> {
    tokenizer: &'a Tokenizer,
    ids: Vec<u32>,
    shown: String,
}

impl Stream<'_> {
    /// Adds one token; returns the text that is complete with it, perhaps empty.
    pub fn push(&mut self, id: u32) -> Result<String> {
        self.ids.push(id);
        let text = self.tokenizer.decode(&self.ids)?;
        Ok(self.advance(settled(&text)))
    }

    /// The text that was held back.
    pub fn finish(mut self) -> Result<String> {
        let text = self.tokenizer.decode(&self.ids)?;
        Ok(self.advance(&text))
    }

    fn advance(&mut self, text: &str) -> String {
        let Some(new) = text.strip_prefix(self.shown.as_str()) else {
            return String::new();
        };
        let new = new.to_owned();
        self.shown.push_str(&new);
        new
    }
}

/// `text` without trailing replacement characters: the bytes of an unfinished character.
fn settled(text: &str) -> &str {
    text.trim_end_matches(char::REPLACEMENT_CHARACTER)
}
