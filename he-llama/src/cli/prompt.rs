//! Prompts: from an option, a file, or standard input.

use std::io::Read;
use std::path::Path;

use crate::cli::args::PromptArgs;
use crate::embedded;
use crate::error::{Error, Result};

/// Longest prompt that is read, in bytes: more than any model's context.
const LIMIT: u64 = 1 << 24;

impl PromptArgs {
    /// The text of the prompt; `None` when none was given.
    ///
    /// # Errors
    ///
    /// Fails when the file cannot be read, is longer than 16 MiB, or is not UTF-8.
    pub fn text(&self) -> Result<Option<String>> {
        match (&self.prompt, &self.prompt_file) {
            (Some(text), _) => Ok(Some(text.clone())),
            (None, Some(path)) if path == Path::new("-") => {
                read(Path::new("standard input"), &mut std::io::stdin().lock()).map(Some)
            }
            (None, Some(path)) => {
                let mut file = std::fs::File::open(path).map_err(Error::read(path))?;
                read(path, &mut file).map(Some)
            }
            (None, None) => Ok(None),
        }
    }

    /// The text of the prompt, or that of the embedded model.
    ///
    /// # Errors
    ///
    /// Those of [`PromptArgs::text`].
    pub fn text_or_default(&self) -> Result<String> {
        Ok(self.text()?.unwrap_or_else(|| embedded::PROMPT.to_owned()))
    }
}

/// All of a text; the end of its last line does not count.
fn read(path: &Path, input: &mut dyn Read) -> Result<String> {
    let mut text = String::new();
    let read = input.take(LIMIT + 1).read_to_string(&mut text);
    read.map_err(Error::read(path))?;
    if text.len() as u64 > LIMIT {
        return Err(Error::Argument {
            name: "prompt-file",
            found: format!("{} of more than {LIMIT} bytes", path.display()),
            expected: "a text of at most 16 MiB",
        });
    }
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> Result<String> {
        read(Path::new("p"), &mut &bytes[..])
    }

    #[test]
    fn the_end_of_the_last_line_does_not_count() {
        for text in ["a\nb", "a\nb\n", "a\nb\r\n"] {
            assert_eq!(of(text.as_bytes()).expect("UTF-8"), "a\nb");
        }
        assert_eq!(of(b"a\n\n").expect("UTF-8"), "a\n", "one of them");
        assert_eq!(of(b"").expect("UTF-8"), "");
    }

    #[test]
    fn other_bytes_than_text_and_too_many_of_them_are_refused() {
        assert!(matches!(of(&[0xff, 0xfe]), Err(Error::Read { .. })));
        let endless = read(Path::new("p"), &mut std::io::repeat(b'a'));
        assert!(matches!(endless, Err(Error::Argument { .. })));
    }
}
