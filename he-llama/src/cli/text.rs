//! The text of a conversation in the clear, kept by the client between requests.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::digest::{Digest, Digester};
use crate::error::{Error, Result};
use crate::outputs::{Access, Output};
use crate::protocol::{Cached, Conversation};

/// Format of the file.
const VERSION: u32 = 3;

/// The tokens of a text and where its conversation stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// Name of the key that it is encrypted under.
    pub key: String,
    /// How many of the tokens are the prompt's.
    pub prompt: usize,
    /// All tokens.
    pub ids: Vec<u32>,
    /// The conversation behind the last response that was decrypted.
    pub conversation: Conversation,
    /// The conversation behind the last request, while its response is awaited.
    pub pending: Option<(Conversation, Cached)>,
    /// What the server's cache holds behind the last response that was decrypted.
    pub cached: Cached,
}

/// The file: a text with the digest of its contents.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    digest: Digest,
    text: Text,
}

impl Text {
    /// A text that starts with a prompt.
    pub fn start(key: &str, ids: Vec<u32>, conversation: Conversation) -> Self {
        Self {
            key: key.to_owned(),
            prompt: ids.len(),
            ids,
            conversation,
            pending: None,
            cached: Cached::default(),
        }
    }

    /// The conversation that a response must carry.
    ///
    /// # Errors
    ///
    /// Fails when no response is awaited.
    pub fn awaited(&self) -> Result<Conversation> {
        let pending = self.pending.map(|(conversation, _)| conversation);
        pending.ok_or_else(|| Error::Session {
            what: "text",
            field: "awaited response",
            found: "none".into(),
            expected: "that of a request".into(),
            way_out: "encrypt a request first, and decrypt each response once",
        })
    }

    /// Appends the token that was chosen from the awaited response.
    pub fn push(&mut self, id: u32) {
        self.ids.push(id);
        if let Some((conversation, cached)) = self.pending.take() {
            (self.conversation, self.cached) = (conversation, cached);
        }
    }

    /// Reads a text that is encrypted under the key named `key`.
    ///
    /// # Errors
    ///
    /// Fails for files that are damaged, of another version, or of another key.
    pub fn read(path: &Path, key: &str) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(Error::read(path))?;
        let text = Self::parse(&bytes, path)?;
        if text.key == key {
            return Ok(text);
        }
        let (found, expected) = (text.key, key.to_owned());
        let way_out = "give its secret key, or another file with --text";
        Err(Error::Session {
            what: "text",
            field: "key",
            found,
            expected,
            way_out,
        })
    }

    /// Parses the contents of a file; `path` is named in errors.
    ///
    /// # Errors
    ///
    /// Fails for texts that are damaged or of another version.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Self> {
        let file: File = serde_json::from_slice(bytes).map_err(|source| Error::Json {
            path: path.to_path_buf(),
            what: "text of this program",
            source,
        })?;
        let differs = |field, found, expected| {
            let way_out = "restore the file from a copy, or start a new text in another";
            let what = "text";
            let differs = Error::Session {
                what,
                field,
                found,
                expected,
                way_out,
            };
            Err(differs.in_file(path))
        };
        if file.version != VERSION {
            return differs("version", file.version.to_string(), VERSION.to_string());
        }
        let computed = file.text.digest();
        if file.digest != computed {
            return differs("digest", computed.to_string(), file.digest.to_string());
        }
        if file.text.prompt == 0 || file.text.ids.len() < file.text.prompt {
            return Err(Error::EmptyPrompt.in_file(path));
        }
        Ok(file.text)
    }

    /// Writes or replaces the file, which only its owner may read.
    ///
    /// # Errors
    ///
    /// Fails when it cannot be written; the old one is then as before.
    pub fn write(&self, path: &Path) -> Result<()> {
        Output::write(path, Access::Owner, &self.to_bytes())
    }

    /// The contents of a file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let file = File {
            version: VERSION,
            digest: self.digest(),
            text: self.clone(),
        };
        serde_json::to_vec(&file).expect("numbers and strings serialize")
    }

    fn digest(&self) -> Digest {
        Digester::new("he-llama 0.1 text").json(self).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::conversation::ConversationId;

    const CACHED: Cached = Cached {
        windows: 3,
        positions: 3,
    };

    fn text() -> Text {
        let start = Conversation::start(ConversationId::from_bytes([3; 16]));
        Text {
            pending: Some((start.after(&Digest::from_bytes([4; 32])), CACHED)),
            ..Text::start("00ff", vec![0, 50, 60], start)
        }
    }

    fn parse(bytes: &[u8]) -> Result<Text> {
        Text::parse(bytes, Path::new("text.json"))
    }

    #[test]
    fn a_text_grows_by_the_answers_to_its_requests() {
        let mut text = text();
        let awaited = text.awaited().expect("a request was made");
        text.push(70);
        assert_eq!((&text.ids[..], text.prompt), (&[0, 50, 60, 70][..], 3));
        assert_eq!((text.conversation, text.cached), (awaited, CACHED));
        assert!(text.awaited().is_err(), "the response was decrypted");
        assert_eq!(parse(&text.to_bytes()).expect("own bytes"), text);
    }

    /// What is still valid JSON after damage would be another text: the digest finds it.
    #[test]
    fn every_flipped_bit_is_refused() {
        let good = text().to_bytes();
        for bit in 0..8 * good.len() {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            if let Ok(found) = parse(&bad) {
                assert_eq!(found, text(), "bit {bit}");
            }
        }
    }

    #[test]
    fn other_versions_keys_and_empty_texts_are_named() {
        let good = String::from_utf8(text().to_bytes()).expect("JSON");
        let of = |version: u32| format!("\"version\":{version},");
        let older = good.replace(&of(VERSION), &of(VERSION - 1));
        let refused = parse(older.as_bytes())
            .expect_err("an older one")
            .to_string();
        assert!(refused.contains("version"), "{refused}");
        for bad in [
            Text {
                prompt: 0,
                ..text()
            },
            Text {
                prompt: 4,
                ..text()
            },
        ] {
            assert!(parse(&bad.to_bytes()).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn texts_are_read_back(
            ids in prop::collection::vec(any::<u32>(), 1..50),
            share in 0.0_f64..1.0,
            name in any::<[u8; 16]>(),
            history in any::<[u8; 32]>(),
            pending in prop::option::of(any::<[u8; 32]>()),
        ) {
            let start = Conversation::start(ConversationId::from_bytes(name));
            let text = Text {
                prompt: 1 + (share * (ids.len() - 1) as f64) as usize,
                pending: pending.map(|p| (start.after(&Digest::from_bytes(p)), CACHED)),
                ..Text::start("00ff", ids, start.after(&Digest::from_bytes(history)))
            };
            prop_assert_eq!(parse(&text.to_bytes()).expect("own bytes"), text);
        }

        #[test]
        fn no_bytes_are_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(parse(&bytes).is_err());
        }
    }
}
