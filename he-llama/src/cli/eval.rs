//! `he-llama eval`: the server's side, with files.

use std::fs::File;
use std::io::BufReader;

use crate::cli::args::EvalArgs;
use crate::cli::generate::{at, describe, stages_bar};
use crate::cli::keygen::follow;
use crate::cli::output;
use crate::error::{Error, Result};
use crate::protocol::envelope::Kind;
use crate::protocol::key_file::{header_of, read_message, replace};

/// Longest request that is read, in bytes.
const REQUEST_LIMIT: u64 = 1 << 32;
/// Buffer of the key file, in bytes.
const BUFFER: usize = 1 << 20;

pub fn run(args: &EvalArgs) -> Result<()> {
    // Every file is checked as far as it can be before the keys are read, which takes long.
    let keys = header_of(Kind::EvaluationKeys, &args.server_key)?;
    let request = header_of(Kind::Request, &args.request)?;
    let checked = request.expect(Kind::Request, &keys.session, &keys.key);
    checked.map_err(|e| e.in_file(&args.request))?;
    let continues = request.position > 0;
    if continues {
        let state = header_of(Kind::State, &args.state)?;
        let checked = state
            .expect(Kind::State, &keys.session, &keys.key)
            .and_then(|()| {
                let wanted = request.conversation(Kind::Request)?;
                wanted.expect(&state.conversation(Kind::State)?, Kind::State.name())
            });
        checked.map_err(|e| e.in_file(&args.state))?;
    }
    for path in [&args.out, &args.state] {
        output::check_writable(Some(path))?;
    }
    let device = &args.device;
    let (source, engine, setup) =
        output::restore(device, &keys.session, Kind::EvaluationKeys.name())?;
    let pass = setup.session.pass_at(request.position).unwrap_or(0);
    let request = read_message(&args.request, REQUEST_LIMIT)?;

    let bar = stages_bar(device.quiet);
    let demand = follow(&setup, &bar)?;
    let file = File::open(&args.server_key).map_err(Error::read(&args.server_key))?;
    let mut input = BufReader::with_capacity(BUFFER, file);
    let host = engine.host(&setup, demand.keys.clone())?;
    let made = host.session(&mut input, &mut |done, total| {
        at(&bar, done, total, format!("keys: {done} of {total}"));
        Ok(())
    });
    let mut server = made.map_err(|e| e.in_file(&args.server_key))?;
    if continues {
        let file = File::open(&args.state).map_err(Error::read(&args.state))?;
        let loaded = server.load(&mut BufReader::with_capacity(BUFFER, file));
        loaded.map_err(|e| e.in_file(&args.state))?;
    }
    let (layers, total) = (source.llama.config.layers, demand.passes[pass].events);
    let mut done = 0;
    let response = server.respond(&request, &mut |event| {
        done += 1;
        at(&bar, done, total, describe(pass, event, layers));
        Ok(())
    });
    bar.finish_and_clear();
    let response = response.map_err(|e| e.in_file(&args.request))?;
    // The state last: without a response the request can be run again.
    replace(&args.out, |out| {
        out.write_all(&response).map_err(Error::write(&args.out))
    })?;
    replace(&args.state, |out| server.save(out))?;
    if !device.quiet {
        let size = output::size(response.len() as u64);
        println!("response written to {}, {size}", args.out.display());
    }
    Ok(())
}
