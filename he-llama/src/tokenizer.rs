//! Text to token ids and back, by a Hugging Face `tokenizer.json`.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::guarded::guarded;

mod stored;

pub use stored::Stored;

/// A tokenizer of a model.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    path: PathBuf,
    opening: Opening,
}

/// What is done to the token that opens a text.
enum Opening {
    /// What `tokenizer.json` says.
    AsStored,
    /// It is put before the text.
    Added(u32),
    /// It is taken away.
    Dropped(u32),
}

/// The fields of a `tokenizer_config.json` that decide about the opening token.
#[derive(Deserialize)]
struct Settings {
    tokenizer_class: Option<String>,
    add_bos_token: Option<bool>,
    bos_token: Option<Value>,
}

impl Tokenizer {
    /// Reads `tokenizer.json` of `directory`, and `tokenizer_config.json` where there is one.
    ///
    /// # Errors
    ///
    /// Those of [`Stored::read`] and of [`Stored::tokenizer`].
    pub fn open(directory: &Path) -> Result<Self> {
        Stored::read(directory)?.tokenizer()
    }

    /// Parses the text of a `tokenizer.json`; `path` is named in errors.
    ///
    /// Truncation and padding that were saved with it are not used: they belong to its training.
    ///
    /// # Errors
    ///
    /// [`Error::Tokenizer`] when the library cannot use it.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Self> {
        let failed = |reason: String| Error::Tokenizer {
            path: path.to_path_buf(),
            reason,
        };
        let parsed =
            guarded(|| tokenizers::Tokenizer::from_bytes(bytes).map_err(|e| e.to_string()));
        let mut inner = parsed.and_then(|result| result).map_err(failed)?;
        inner.with_padding(None);
        let reset = inner.with_truncation(None).map(drop);
        reset.map_err(|e| failed(e.to_string()))?;
        Ok(Self {
            inner,
            path: path.to_path_buf(),
            opening: Opening::AsStored,
        })
    }

    /// Follows `add_bos_token` of the text of a `tokenizer_config.json` where the class of the
    /// tokenizer does (Llama's), and warns where it and `tokenizer.json` differ.
    ///
    /// # Errors
    ///
    /// [`Error::Json`] when it is not JSON, and those of [`Tokenizer::encode`].
    pub fn apply_settings(&mut self, bytes: &[u8], path: &Path) -> Result<()> {
        let settings: Settings = serde_json::from_slice(bytes).map_err(|source| Error::Json {
            path: path.to_path_buf(),
            what: "tokenizer_config.json",
            source,
        })?;
        let token = settings.bos_token.as_ref();
        let text = token.and_then(|token| token.get("content").unwrap_or(token).as_str());
        let (Some(wanted), Some(text)) = (settings.add_bos_token, text) else {
            return Ok(());
        };
        let Some(id) = self.inner.token_to_id(text) else {
            tracing::warn!("{path:?}: bos_token {text:?} is not in tokenizer.json");
            return Ok(());
        };
        if (self.opening()?.first() == Some(&id)) == wanted {
            return Ok(());
        }
        let class = settings.tokenizer_class.as_deref().unwrap_or_default();
        let followed = class.trim_end_matches("Fast").ends_with("LlamaTokenizer");
        tracing::warn!(
            "tokenizer_config.json says add_bos_token {wanted}, tokenizer.json says {}: {} is used",
            !wanted,
            if followed { wanted } else { !wanted }
        );
        self.opening = match (followed, wanted) {
            (false, _) => Opening::AsStored,
            (true, true) => Opening::Added(id),
            (true, false) => Opening::Dropped(id),
        };
        Ok(())
    }

    /// Token ids of `text`, with the special tokens (BOS) that open a text.
    ///
    /// # Errors
    ///
    /// [`Error::Tokenizer`] when the library fails on it.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let encoding = self.call(|inner| inner.encode_fast(text, true))?;
        let mut ids = encoding.get_ids().to_vec();
        match self.opening {
            Opening::AsStored => (),
            Opening::Added(id) => ids.insert(0, id),
            Opening::Dropped(id) => {
                if ids.first() == Some(&id) {
                    ids.remove(0);
                }
            }
        }
        Ok(ids)
    }

    /// The special tokens alone that open every text: the ids of the empty text.
    ///
    /// # Errors
    ///
    /// Those of [`Tokenizer::encode`].
    pub fn opening(&self) -> Result<Vec<u32>> {
        self.encode("")
    }

    /// Text of `ids` without special tokens; incomplete UTF-8 shows as U+FFFD.
    ///
    /// # Errors
    ///
    /// [`Error::Tokenizer`] when the library fails on them.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        self.call(|inner| inner.decode(ids, true))
    }

    /// Text of one token as stored in the vocabulary; `None` outside it.
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// A decoder of the tokens that follow `prompt`, one at a time.
    ///
    /// # Errors
    ///
    /// Those of [`Tokenizer::decode`].
    pub fn stream<'a>(&'a self, prompt: &[u32]) -> Result<Stream<'a>> {
        Ok(Stream {
            tokenizer: self,
            ids: prompt.to_vec(),
            shown: self.decode(prompt)?,
        })
    }

    /// Runs the library, whose panics on damaged vocabularies become errors as well.
    fn call<T, E: Display>(
        &self,
        work: impl FnOnce(&tokenizers::Tokenizer) -> Result<T, E>,
    ) -> Result<T> {
        let result = guarded(|| work(&self.inner).map_err(|e| e.to_string()));
        result
            .and_then(|result| result)
            .map_err(|reason| Error::Tokenizer {
                path: self.path.clone(),
                reason,
            })
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
    ///
    /// # Errors
    ///
    /// Those of [`Tokenizer::decode`].
    pub fn push(&mut self, id: u32) -> Result<String> {
        self.ids.push(id);
        let text = self.tokenizer.decode(&self.ids)?;
        Ok(self.advance(settled(&text)))
    }

    /// The text that was held back.
    ///
    /// # Errors
    ///
    /// Those of [`Tokenizer::decode`].
    pub fn finish(mut self) -> Result<String> {
        let text = self.tokenizer.decode(&self.ids)?;
        Ok(self.advance(&text))
    }

    /// What `text` adds to what was shown. A prompt may end in replacement characters: its own, or
    /// those of a character that later tokens complete.
    fn advance(&mut self, text: &str) -> String {
        let known = [self.shown.as_str(), settled(&self.shown)];
        let new = known.iter().find_map(|known| text.strip_prefix(known));
        let Some(new) = new.filter(|new| !new.is_empty()) else {
            return String::new();
        };
        let new = new.to_owned();
        self.shown = text.to_owned();
        new
    }
}

/// `text` without trailing replacement characters: the bytes of an unfinished character.
fn settled(text: &str) -> &str {
    text.trim_end_matches(char::REPLACEMENT_CHARACTER)
}

#[cfg(test)]
#[path = "tokenizer_tests.rs"]
mod tests;
