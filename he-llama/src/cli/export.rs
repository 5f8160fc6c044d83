//! `he-llama export-client`.

use crate::cli::args::ExportArgs;
use crate::cli::progress::follow;
use crate::cli::screen::{Progress, size};
use crate::cli::sources;
use crate::embedded;
use crate::error::Result;
use crate::protocol::package::FILE;
use crate::protocol::{ClientPackage, ClientSpec, session};
use crate::tokenizer::Stored;

/// Writes a client package.
///
/// # Errors
///
/// Fails where planning does, when the tokenizer cannot be read, and when the package cannot be
/// written.
pub fn run(args: &ExportArgs) -> Result<()> {
    let engine = args.run.engine()?;
    session::parameters(&args.run.preset, engine.limits())?;
    crate::outputs::check_absent(&args.out.join(FILE), args.force)?;
    let source = sources::open_to_run(args.model.as_deref(), args.any_size)?;
    let capacity = args.length.capacity(&source)?;
    let setup = sources::setup(
        &source,
        engine.as_ref(),
        &args.run.preset,
        capacity,
        args.quiet,
    )?;
    let progress = Progress::new(args.quiet);
    let demand = follow(&setup, &progress)?;
    progress.clear();
    let spec = ClientSpec::of(&setup)?;
    let tokenizer = match &source.directory {
        Some(directory) => Stored::read(directory)?,
        None => embedded::tokenizer(),
    };
    ClientPackage::write(&args.out, &spec, &demand.keys, &tokenizer, args.force)?;
    if args.quiet {
        return Ok(());
    }
    say!("client package  {}", args.out.display())?;
    say!(
        "for             conversations of up to {} tokens, preset {}",
        capacity + 1,
        args.run.preset
    )?;
    let sent = size(demand.sent_bytes(&setup.params)?);
    say!(
        "keys            {}, {sent} to make and send",
        demand.keys.len()
    )?;
    say!("plan            {}", setup.session.agreement)
}
