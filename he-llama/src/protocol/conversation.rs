//! Conversations: what binds requests, responses and states to each other.
//!
//! A conversation is a random name and the digest of all requests so far, in order:
//!
//! ```text
//! h_0 = H(name),   h_k = H(h_(k-1), digest of request k)
//! ```
//!
//! Request `k` carries `h_(k-1)`, its response and the state that it leaves carry `h_k`. So a
//! response is accepted only for the request that the client waits for, and a request only behind
//! the state that it was made for.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::{Digest, Digester, parse_hex};
use crate::error::{Error, Result};

/// The random name of a conversation, 128 bits; written as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ConversationId([u8; 16]);

impl ConversationId {
    /// A name from bytes, which must be random for it to be a name of its own.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<ConversationId> for String {
    fn from(id: ConversationId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for ConversationId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut bytes = [0; 16];
        parse_hex(&text, &mut bytes).ok_or("not 32 lower-case hexadecimal digits")?;
        Ok(Self(bytes))
    }
}

fn history() -> Digester {
    Digester::new("he-llama 0.1 history of a conversation")
}

/// A conversation at some moment: its name and the requests so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conversation {
    /// Its name.
    pub id: ConversationId,
    /// The digest of its name and of all requests so far, in order.
    pub history: Digest,
}

impl Conversation {
    /// A conversation before its first request.
    pub fn start(id: ConversationId) -> Self {
        let history = history().field(&id.0).finish();
        Self { id, history }
    }

    /// The conversation behind one more request, of which `request` is the digest.
    pub fn after(&self, request: &Digest) -> Self {
        let mut history = history();
        history.field(self.history.as_bytes());
        history.field(request.as_bytes());
        Self {
            history: history.finish(),
            ..*self
        }
    }

    /// Whether no request was made yet.
    pub fn is_new(&self) -> bool {
        *self == Self::start(self.id)
    }

    /// Fails unless `found`, read from `what`, is this very moment of this conversation.
    ///
    /// # Errors
    ///
    /// [`Error::Session`] with both names, or with both histories where the names agree.
    pub fn expect(&self, found: &Self, what: &'static str) -> Result<()> {
        let (field, [found, expected], way_out) = if self.id != found.id {
            let names = [found.id, self.id].map(|id| id.to_string());
            ("conversation", names, "give the file of this conversation")
        } else if self.history != found.history {
            let histories = [found.history, self.history].map(|h| h.to_string());
            let way_out = "give the file that belongs to the last request of this conversation";
            ("history", histories, way_out)
        } else {
            return Ok(());
        };
        Err(Error::Session {
            what,
            field,
            found,
            expected,
            way_out,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_order_and_number_of_requests_decide() {
        let [one, other] = [1, 2].map(|b| Conversation::start(ConversationId([b; 16])));
        let [x, y] = [1, 2].map(|b| Digest::from_bytes([b; 32]));
        assert!(one.is_new() && !one.after(&x).is_new());
        let xy = one.after(&x).after(&y);
        for (found, field) in [
            (other.after(&x).after(&y), "conversation"),
            (one.after(&y).after(&x), "history"),
            (one.after(&x), "history"),
            (xy.after(&y), "history"),
        ] {
            let refused = xy.expect(&found, "response").expect_err(field).to_string();
            let [a, b] = match field {
                "history" => [found.history.to_string(), xy.history.to_string()],
                _ => [found.id.to_string(), xy.id.to_string()],
            };
            for part in [field, &a, &b] {
                assert!(refused.contains(part), "{part} is not in {refused}");
            }
        }
        xy.expect(&one.after(&x).after(&y), "response")
            .expect("the same");
    }
}
