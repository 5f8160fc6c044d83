//! `he-llama encrypt` and `he-llama decrypt`: the client's side, with files.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::cli::args::{DecryptArgs, EncryptArgs};
use crate::cli::output;
use crate::embedded;
use crate::error::{Error, Result};
use crate::protocol::envelope::Kind;
use crate::protocol::key_file::{SecretFile, header_of, read_message, replace};

/// Longest response that is read, in bytes.
const RESPONSE_LIMIT: u64 = 1 << 32;

/// The tokens of a text, kept by the client between requests.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    /// Name of the key that it is encrypted under.
    key: String,
    /// How many of the tokens are the prompt's.
    prompt: usize,
    /// All tokens.
    ids: Vec<u32>,
}

impl Text {
    fn read(path: &Path, key: &str) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(Error::read(path))?;
        let text: Self = serde_json::from_slice(&bytes).map_err(|source| Error::Json {
            path: path.to_path_buf(),
            what: "text of this program",
            source,
        })?;
        if text.key != key {
            let (found, expected) = (text.key, key.to_owned());
            let way_out = "give its secret key, or start a new text with --prompt";
            return Err(Error::Session {
                what: "text",
                field: "key",
                found,
                expected,
                way_out,
            });
        }
        if text.prompt == 0 || text.ids.len() < text.prompt {
            return Err(Error::EmptyPrompt.in_file(path));
        }
        Ok(text)
    }

    fn write(&self, path: &Path) -> Result<()> {
        let bytes = serde_json::to_vec(self).expect("numbers and strings serialize");
        replace(path, |out| {
            out.write_all(&bytes).map_err(Error::write(path))
        })
    }
}

pub fn encrypt(args: &EncryptArgs) -> Result<()> {
    let file = SecretFile::open(&args.secret_key)?;
    for path in [&args.out, &args.text] {
        output::check_writable(Some(path))?;
    }
    let session = file.session.clone();
    let known = match (&args.prompt, args.text.exists()) {
        (None, true) => Some(Text::read(&args.text, file.key())?),
        _ => None,
    };
    let (source, engine, setup) = output::restore(&args.device, &session, Kind::SecretKey.name())?;
    let text = match known {
        Some(text) => text,
        None => {
            let prompt = args.prompt.as_deref().unwrap_or(embedded::PROMPT);
            let ids = source.prompt(prompt, session.tokens)?;
            Text {
                key: file.key().to_owned(),
                prompt: ids.len(),
                ids,
            }
        }
    };
    let (ids, position) = match text.ids.len() > text.prompt {
        true => (&text.ids[text.ids.len() - 1..], text.ids.len() - 1),
        false => (&text.ids[..], 0),
    };
    let secret = file
        .secret(&setup.params)
        .map_err(|e| e.in_file(&args.secret_key))?;
    let request = engine.client(&setup, secret)?.request(ids, position)?;
    replace(&args.out, |out| {
        out.write_all(&request).map_err(Error::write(&args.out))
    })?;
    text.write(&args.text)?;
    if !args.device.quiet {
        let (size, out) = (output::size(request.len() as u64), args.out.display());
        println!(
            "{} tokens at position {position} encrypted to {out}, {size}",
            ids.len()
        );
    }
    Ok(())
}

pub fn decrypt(args: &DecryptArgs) -> Result<()> {
    let mut sampler = output::sampler(args.sampling)?;
    let file = SecretFile::open(&args.secret_key)?;
    let session = file.session.clone();
    let header = header_of(Kind::Response, &args.response)?;
    let checked = header.expect(Kind::Response, &session, file.key());
    checked.map_err(|e| e.in_file(&args.response))?;
    output::check_writable(Some(&args.text))?;
    let mut text = Text::read(&args.text, file.key())?;
    let (source, engine, setup) = output::restore(&args.device, &session, Kind::SecretKey.name())?;
    let secret = file
        .secret(&setup.params)
        .map_err(|e| e.in_file(&args.secret_key))?;
    let bytes = read_message(&args.response, RESPONSE_LIMIT)?;
    let opened = engine.client(&setup, secret)?.open(&bytes);
    let reply = opened.map_err(|e| e.in_file(&args.response))?;
    if reply.position + 1 != text.ids.len() {
        return Err(Error::Session {
            what: "response",
            field: "number of tokens",
            found: (reply.position + 1).to_string(),
            expected: text.ids.len().to_string(),
            way_out: "decrypt each response once, in order",
        });
    }
    let mut stream = source.tokenizer.stream(&text.ids[..text.prompt])?;
    for &id in &text.ids[text.prompt..] {
        stream.push(id)?;
    }
    sampler.skip(text.ids.len() - text.prompt);
    let id = sampler.choose(&reply.logits)?;
    let new = stream.push(id)?;
    text.ids.push(id);
    text.write(&args.text)?;
    output::show(&(new + "\n"))?;
    if !args.device.quiet {
        let made = text.ids.len() - text.prompt;
        eprintln!("token {id}, number {made} of at most {}", session.tokens);
        if source.llama.config.eos.contains(&id) {
            eprintln!("this token ends the text");
        }
    }
    Ok(())
}
