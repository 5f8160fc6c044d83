//! Lengths of texts, whose sums cannot overflow.

use crate::error::{Error, Result};

/// Tokens of a prompt and most tokens generated behind it: at least one of each, and at most
/// [`Length::LIMIT`] together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Length {
    prompt: usize,
    tokens: usize,
}

impl Length {
    /// Most tokens of prompt and answer together. No model is near it.
    pub const LIMIT: usize = 1 << 30;

    /// The length of a prompt of `prompt` tokens with up to `tokens` behind it.
    ///
    /// # Errors
    ///
    /// Fails when there is no prompt or no token to generate, and for sums above
    /// [`Length::LIMIT`].
    pub fn new(prompt: usize, tokens: usize) -> Result<Self> {
        if tokens == 0 {
            let (found, expected) = ("0".into(), "at least 1");
            return Err(Error::Argument {
                name: "tokens",
                found,
                expected,
            });
        }
        if prompt == 0 {
            return Err(Error::EmptyPrompt);
        }
        let length = Self { prompt, tokens };
        length.check(Self::LIMIT, "that any model may have: ask for fewer")?;
        Ok(length)
    }

    /// Tokens of the prompt.
    pub fn prompt(self) -> usize {
        self.prompt
    }

    /// Most tokens generated behind it.
    pub fn tokens(self) -> usize {
        self.tokens
    }

    /// Tokens of the longest text.
    pub fn total(self) -> usize {
        self.prompt + self.tokens
    }

    /// Positions that enter the cache: the last token is never fed back.
    pub fn positions(self) -> usize {
        self.total() - 1
    }

    /// Fails for texts longer than `limit` tokens; `of` says what sets the limit, and the way out.
    ///
    /// # Errors
    ///
    /// [`Error::ContextExceeded`] with all three numbers.
    pub fn check(self, limit: usize, of: &'static str) -> Result<()> {
        let Self { prompt, tokens } = self;
        if prompt.checked_add(tokens).is_some_and(|sum| sum <= limit) {
            return Ok(());
        }
        Err(Error::ContextExceeded {
            prompt,
            tokens,
            limit,
            of,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_that_overflow_are_refused() {
        let big = [Length::LIMIT, usize::MAX - 15, usize::MAX];
        for (prompt, tokens) in big.into_iter().flat_map(|n| [(1, n), (n, 1), (n, n)]) {
            let refused = Length::new(prompt, tokens).expect_err("too long");
            assert!(
                refused.to_string().contains(&tokens.to_string()),
                "{refused}"
            );
        }
        let longest = Length::new(1, Length::LIMIT - 1).expect("at the limit");
        assert_eq!(longest.total(), Length::LIMIT);
        assert_eq!(longest.positions(), Length::LIMIT - 1);
    }

    #[test]
    fn nothing_to_start_from_and_nothing_to_generate_are_refused() {
        assert!(matches!(Length::new(0, 1), Err(Error::EmptyPrompt)));
        assert!(matches!(Length::new(1, 0), Err(Error::Argument { .. })));
    }
}
