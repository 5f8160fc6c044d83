//! `he-llama encrypt`, `decrypt` and `show`: the client's side, with files.

use crate::cli::args::{DecryptArgs, EncryptArgs, PromptArgs, ShowArgs};
use crate::cli::screen::{show, size};
use crate::cli::targets::check_message;
use crate::cli::text::Text;
use crate::cli::{device, sources};
use crate::embedded;
use crate::error::{Error, Result};
use crate::outputs::{Access, Lock, Output, check_absent, check_distinct, check_target};
use crate::protocol::client::fresh_conversation;
use crate::protocol::envelope::Kind;
use crate::protocol::key_file::{SecretFile, header_of, read_message};
use crate::tokenizer::Tokenizer;

/// Encrypts what the server needs next of a text.
///
/// # Errors
///
/// Fails for files that do not fit each other, and rather than give up a text unasked.
pub fn encrypt(args: &EncryptArgs) -> Result<()> {
    check_distinct(&[
        ("--secret-key", &args.secret_key),
        ("--text", &args.text),
        ("--out", &args.out),
    ])?;
    let file = SecretFile::open(&args.secret_key)?;
    check_target(&args.text)?;
    let _lock = Lock::take(&args.text)?;
    let known = known_text(args, file.key())?;
    let conversation = known
        .as_ref()
        .map_or_else(fresh_conversation, |t| t.conversation);
    check_message(&args.out, Kind::Request, Some(conversation.id), args.force)?;
    let session = file.session.clone();
    let engine = device::open(&args.device.backend, args.device.threads)?;
    let package = sources::client(
        args.client.as_deref(),
        engine.as_ref(),
        &session,
        args.device.quiet,
    )?;
    let mut text = match known {
        Some(text) => text,
        None => {
            let ids = package.prompt(&args.prompt.text_or_default()?)?;
            Text::start(file.key(), ids, conversation)
        }
    };
    let secret = file.secret(package.spec.params());
    let secret = secret.map_err(|e| e.in_file(&args.secret_key))?;
    let (count, position) = (
        text.ids.len() - text.cached.positions,
        text.cached.positions,
    );
    let mut client = engine.client(&package.spec, secret)?;
    let request = client.request(&text.ids, text.cached, &text.conversation)?;
    text.pending = Some((request.after, request.cached));
    // The text first: a request whose text is lost is of no use, and another can be made.
    text.write(&args.text)?;
    Output::write(&args.out, Access::Umask, &request.bytes)?;
    if args.device.quiet {
        return Ok(());
    }
    let (size, out) = (size(request.bytes.len() as u64), args.out.display());
    say!("{count} tokens from position {position} on encrypted to {out}, {size}")
}

/// The text that goes on; `None` where a new one starts.
fn known_text(args: &EncryptArgs, key: &str) -> Result<Option<Text>> {
    let PromptArgs {
        prompt,
        prompt_file,
    } = &args.prompt;
    let starts = prompt.is_some() || prompt_file.is_some();
    if !starts && args.text.exists() {
        return Text::read(&args.text, key).map(Some);
    }
    // What is there may be the only copy of a text.
    check_absent(&args.text, args.force)?;
    Ok(None)
}

/// Decrypts a response and appends the token that is chosen to the text.
///
/// # Errors
///
/// Fails for any response but that to the last request; the text is then as before.
pub fn decrypt(args: &DecryptArgs) -> Result<()> {
    let mut sampler = sources::sampler(args.sampling)?;
    check_distinct(&[
        ("--secret-key", &args.secret_key),
        ("--text", &args.text),
        ("--response", &args.response),
    ])?;
    let file = SecretFile::open(&args.secret_key)?;
    let session = file.session.clone();
    let header = header_of(Kind::Response, &args.response)?;
    let checked = header.expect(Kind::Response, &session, file.key());
    checked.map_err(|e| e.in_file(&args.response))?;
    check_target(&args.text)?;
    let _lock = Lock::take(&args.text)?;
    let mut text = Text::read(&args.text, file.key())?;
    let awaited = text.awaited().map_err(|e| e.in_file(&args.text))?;
    let found = header.conversation(Kind::Response)?;
    let checked = awaited.expect(&found, Kind::Response.name());
    checked.map_err(|e| e.in_file(&args.response))?;
    let (device, quiet) = (&args.device, args.device.quiet);
    let engine = device::open(&device.backend, device.threads)?;
    let package = sources::client(args.client.as_deref(), engine.as_ref(), &session, quiet)?;
    let secret = file.secret(package.spec.params());
    let secret = secret.map_err(|e| e.in_file(&args.secret_key))?;
    let bytes = read_message(
        Kind::Response,
        &args.response,
        package.spec.response_limit(),
    )?;
    let client = engine.client(&package.spec, secret)?;
    let opened = client.open(&bytes, &awaited);
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
    let mut stream = package.tokenizer.stream(&text.ids[..text.prompt])?;
    for &id in &text.ids[text.prompt..] {
        stream.push(id)?;
    }
    sampler.skip(text.ids.len() - text.prompt);
    let id = sampler.choose(&reply.logits)?;
    let new = stream.push(id)?;
    text.push(id);
    text.write(&args.text)?;
    show(&(new + "\n"))?;
    if quiet {
        return Ok(());
    }
    let made = text.ids.len() - text.prompt;
    let most = session.capacity + 1 - text.prompt;
    note!("token {id}, number {made} of at most {most}")?;
    if package.spec.ends().eos.contains(&id) {
        note!("this token ends the text")?;
    }
    Ok(())
}

/// Prints a text.
///
/// # Errors
///
/// Fails for damaged files, and when standard output cannot be written.
pub fn print(args: &ShowArgs) -> Result<()> {
    let bytes = std::fs::read(&args.text).map_err(Error::read(&args.text))?;
    let text = Text::parse(&bytes, &args.text)?;
    let tokenizer = match &args.client {
        Some(directory) => Tokenizer::open(directory)?,
        None => embedded::source()?.tokenizer,
    };
    say!("{}", tokenizer.decode(&text.ids)?)?;
    let made = text.ids.len() - text.prompt;
    let waits = match text.pending {
        Some(_) => ", a response is awaited",
        None => "",
    };
    let prompt = text.prompt;
    note!("{prompt} tokens of the prompt, {made} behind it{waits}")
}
