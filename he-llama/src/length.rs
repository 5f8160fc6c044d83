//! Lengths of runs, added up without overflow.

use crate::error::{Error, Result};

/// The tokens of a run: those of its prompt, and those to generate behind it.
///
/// Invariant: both are positive, and their sum is a `usize`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Length {
    prompt: usize,
    tokens: usize,
}

impl Length {
    /// A prompt of `prompt` tokens with `tokens` new ones behind it.
    ///
    /// # Errors
    ///
    /// [`Error::EmptyPrompt`] without a prompt; [`Error::Argument`] for no token, and for more
    /// than can be counted.
    pub fn new(prompt: usize, tokens: usize) -> Result<Self> {
        let refuse = |name, found: usize| {
            Err(Error::Argument {
                name,
                found: found.to_string(),
                expected: "at least 1, and within the context of the model",
            })
        };
        if tokens == 0 {
            return refuse("tokens", tokens);
        }
        if prompt.checked_add(tokens).is_none() {
            let longer = prompt > tokens;
            return match longer {
                true => refuse("prompt-tokens", prompt),
                false => refuse("tokens", tokens),
            };
        }
        if prompt == 0 {
            return Err(Error::EmptyPrompt);
        }
        Ok(Self { prompt, tokens })
    }

    /// Tokens of the prompt.
    pub fn prompt(self) -> usize {
        self.prompt
    }

    /// Tokens to generate.
    pub fn tokens(self) -> usize {
        self.tokens
    }

    /// Both together.
    pub fn total(self) -> usize {
        self.prompt + self.tokens
    }

    /// Positions of the text that a server takes: the last token is never fed back.
    pub fn positions(self) -> usize {
        self.total() - 1
    }

    /// Checks that both together fit into `limit` positions; `of` says what sets the limit, and
    /// the way out.
    ///
    /// # Errors
    ///
    /// [`Error::ContextExceeded`] when they do not.
    pub fn check(self, limit: usize, of: &'static str) -> Result<Self> {
        if self.total() <= limit {
            return Ok(self);
        }
        Err(Error::ContextExceeded {
            prompt: self.prompt,
            tokens: self.tokens,
            limit,
            of,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_do_not_wrap() {
        let length = Length::new(5, 3).expect("small");
        assert_eq!(length.check(8, "").expect("fits").total(), 8);
        assert!(matches!(
            length.check(7, "here"),
            Err(Error::ContextExceeded {
                prompt: 5,
                tokens: 3,
                limit: 7,
                of: "here"
            })
        ));
        for tokens in [0, usize::MAX, usize::MAX - 4] {
            let found = Length::new(5, tokens);
            assert!(matches!(found, Err(Error::Argument { .. })), "{tokens}");
        }
        assert!(matches!(Length::new(0, 1), Err(Error::EmptyPrompt)));
        assert_eq!(
            Length::new(5, usize::MAX - 5).expect("counts").total(),
            usize::MAX
        );
    }
}
