//! `he-llama keygen`.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use ckks_math::backend::dry_run::KernelTimes;
use ckks_math::keys::SecretKey;
use indicatif::ProgressBar;

use crate::backends;
use crate::cli::args::KeygenArgs;
use crate::cli::generate::{at, stages_bar};
use crate::cli::output;
use crate::error::{Error, Result};
use crate::protocol::client::fresh_seed;
use crate::protocol::key_file::{check_absent, write_secret};
use crate::protocol::{ClientSide, ClientSpec, Demand, Setup, demand, session};

pub fn run(args: &KeygenArgs) -> Result<()> {
    let engine = backends::open(&args.run.backend, args.run.threads)?;
    session::parameters(&args.run.preset, engine.limits())?;
    if args.secret_key == args.server_key {
        return Err(Error::Argument {
            name: "server-key",
            found: args.server_key.display().to_string(),
            expected: "another file than --secret-key",
        });
    }
    for path in [&args.secret_key, &args.server_key] {
        check_absent(path, args.force)?;
        output::check_writable(Some(path))?;
    }
    let source = output::open(args.model.as_deref())?;
    let (prompt, tokens) = (args.prompt.as_deref(), args.tokens);
    let prompt = output::prompt_length(&source, prompt, args.prompt_tokens, tokens)?;
    output::warn_if_insecure(&args.run.preset);
    let calibration = output::calibration(&source, prompt + tokens, args.quiet)?;
    let (preset, limits) = (&args.run.preset, engine.limits());
    let setup = Setup::new(
        &source.llama,
        &calibration,
        preset,
        (prompt, tokens),
        limits,
        &KernelTimes::default(),
    )?;

    let bar = stages_bar(args.quiet);
    let demand = follow(&setup, &bar)?;
    let secret = SecretKey::from_seed(&setup.params, fresh_seed())?;
    write_secret(
        &args.secret_key,
        args.force,
        &setup.session,
        &setup.params,
        &secret,
    )?;
    let spec = Arc::new(ClientSpec::of(&setup)?);
    let client = engine.client(&spec, secret)?;
    let written = write_keys(client.as_ref(), &setup, &demand, &args.server_key, &bar);
    bar.finish_and_clear();
    if written.is_err() {
        // Half a set of keys is of no use; the first error is the one to tell.
        let _ = std::fs::remove_file(&args.server_key);
    }
    written?;
    if !args.quiet {
        let bytes = output::size(demand.sent_bytes(&setup.params)?);
        println!(
            "secret key   {} (keep it to yourself)",
            args.secret_key.display()
        );
        println!(
            "server keys  {}: {} keys, {bytes}",
            args.server_key.display(),
            demand.keys.len()
        );
        println!("for          prompts of {prompt} tokens and up to {tokens} behind them");
    }
    Ok(())
}

/// The keys of a whole session, with a bar.
pub fn follow(setup: &Setup, bar: &ProgressBar) -> Result<Demand> {
    let passes = setup.session.passes();
    demand(setup, passes, &mut |done| {
        at(bar, done, passes, "planning".into());
        Ok(())
    })
}

fn write_keys(
    client: &dyn ClientSide,
    setup: &Setup,
    demand: &Demand,
    path: &Path,
    bar: &ProgressBar,
) -> Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    let file = options.open(path).map_err(Error::write(path))?;
    let total = demand.sent_bytes(&setup.params)?;
    bar.set_length(total);
    bar.set_position(0);
    bar.set_message(format!("making {} keys", demand.keys.len()));
    let mut out = Counting { file, bar };
    client
        .write_keys(&demand.keys, &mut out)
        .map_err(|e| e.in_file(path))
}

/// Moves the bar by the bytes written.
struct Counting<'a> {
    file: std::fs::File,
    bar: &'a ProgressBar,
}

impl Write for Counting<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.bar.inc(count as u64);
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}
