//! `he-llama keygen`.

use std::io::Write;
use std::sync::Arc;

use ckks_math::keys::SecretKey;
use ckks_math::wire::key_set_len;

use crate::cli::args::KeygenArgs;
use crate::cli::progress::follow;
use crate::cli::screen::{Progress, size};
use crate::cli::sources::{self, warn_if_insecure};
use crate::embedded;
use crate::error::Result;
use crate::outputs::{Access, Output, check_absent, check_distinct, check_target};
use crate::protocol::client::fresh_seed;
use crate::protocol::key_file::write_secret;
use crate::protocol::{ClientPackage, ClientSpec, Engine, session};

/// Makes both key files.
///
/// # Errors
///
/// Fails for paths that cannot be written before a key is made; old files are then as before.
pub fn run(args: &KeygenArgs) -> Result<()> {
    let engine = args.run.engine()?;
    session::parameters(&args.run.preset, engine.limits())?;
    check_distinct(&[
        ("--secret-key", &args.secret_key),
        ("--server-key", &args.server_key),
    ])?;
    for path in [&args.secret_key, &args.server_key] {
        check_target(path)?;
        check_absent(path, args.force)?;
    }
    let progress = Progress::new(args.quiet);
    let package = package(args, engine.as_ref(), &progress)?;
    let (spec, keys) = (&package.spec, &package.keys);
    let secret = SecretKey::from_seed(spec.params(), fresh_seed())?;
    // Both files are complete before the first of the old ones is replaced.
    let secret_file = write_secret(&args.secret_key, spec.session(), spec.params(), &secret)?;
    let total = key_set_len(spec.params(), keys)?;
    let mut out = Counting {
        file: Output::create(&args.server_key, Access::Umask)?,
        progress: &progress,
        done: 0,
        total,
        keys: keys.len(),
    };
    let client = engine.client(spec, secret)?;
    let written = client.write_keys(keys, &mut out);
    progress.clear();
    written.map_err(|e| e.in_file(&args.server_key))?;
    let server_file = out.file.finish()?;
    server_file.publish()?;
    secret_file.publish()?;
    if args.quiet {
        return Ok(());
    }
    say!(
        "secret key   {} (keep it to yourself)",
        args.secret_key.display()
    )?;
    let (path, count) = (args.server_key.display(), keys.len());
    say!("server keys  {path}: {count} keys, {}", size(total))?;
    let session = spec.session();
    say!(
        "for          conversations of up to {} tokens",
        session.capacity + 1
    )
}

/// What the client knows and the keys to make: from its package, or from the embedded model.
fn package(args: &KeygenArgs, engine: &dyn Engine, progress: &Progress) -> Result<ClientPackage> {
    if let Some(directory) = &args.client {
        let package = ClientPackage::read(directory, engine.limits())?;
        warn_if_insecure(package.spec.params().name())?;
        return Ok(package);
    }
    let source = embedded::source()?;
    let capacity = args.length.capacity(&source)?;
    let setup = sources::setup(&source, engine, &args.run.preset, capacity, args.quiet)?;
    Ok(ClientPackage {
        spec: Arc::new(ClientSpec::of(&setup)?),
        keys: follow(&setup, progress)?.keys,
        tokenizer: source.tokenizer,
    })
}

/// A file of keys with progress by the bytes written.
struct Counting<'a> {
    file: Output,
    progress: &'a Progress,
    done: u64,
    total: u64,
    keys: usize,
}

impl Write for Counting<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.done += count as u64;
        let message = || format!("making {} keys", self.keys);
        // In megabytes, so that the numbers in lines of progress can be read.
        let [done, total] = [self.done, self.total].map(|bytes| (bytes >> 20) as usize);
        let shown = self.progress.at(done, total, &message);
        shown.map_err(|e| std::io::Error::other(e.to_string()))?;
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}
