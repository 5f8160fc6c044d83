//! `he-llama encrypt` and `he-llama decrypt`: the client's side, with files.

use std::sync::Arc;

use crate::cli::args::{DecryptArgs, EncryptArgs};
use crate::cli::output;
use crate::cli::text::Text;
use crate::embedded;
use crate::error::{Error, Result};
use crate::protocol::ClientSpec;
use crate::protocol::client::fresh_conversation;
use crate::protocol::envelope::Kind;
use crate::protocol::key_file::{SecretFile, header_of, read_message, replace};

/// Longest response that is read, in bytes.
const RESPONSE_LIMIT: u64 = 1 << 32;

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
    let mut text = match known {
        Some(text) => text,
        None => {
            let prompt = args.prompt.as_deref().unwrap_or(embedded::PROMPT);
            let ids = source.prompt(prompt, session.tokens)?;
            Text::start(file.key(), ids, fresh_conversation())
        }
    };
    let (ids, position) = text.next();
    let count = ids.len();
    let secret = file
        .secret(&setup.params)
        .map_err(|e| e.in_file(&args.secret_key))?;
    let spec = Arc::new(ClientSpec::of(&setup)?);
    let mut client = engine.client(&spec, secret)?;
    let request = client.request(ids, position, &text.conversation)?;
    text.pending = Some(request.after);
    replace(&args.out, |out| {
        out.write_all(&request.bytes)
            .map_err(Error::write(&args.out))
    })?;
    text.write(&args.text)?;
    if !args.device.quiet {
        let (size, out) = (output::size(request.bytes.len() as u64), args.out.display());
        println!(
            "{} tokens at position {position} encrypted to {out}, {size}",
            count
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
    let awaited = text.awaited().map_err(|e| e.in_file(&args.text))?;
    let found = header.conversation(Kind::Response)?;
    let checked = awaited.expect(&found, Kind::Response.name());
    checked.map_err(|e| e.in_file(&args.response))?;
    let (source, engine, setup) = output::restore(&args.device, &session, Kind::SecretKey.name())?;
    let secret = file
        .secret(&setup.params)
        .map_err(|e| e.in_file(&args.secret_key))?;
    let bytes = read_message(&args.response, RESPONSE_LIMIT)?;
    let spec = Arc::new(ClientSpec::of(&setup)?);
    let opened = engine.client(&spec, secret)?.open(&bytes, &awaited);
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
    text.push(id);
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
