//! `he-llama eval`: the server's side, with files.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use crate::cli::args::EvalArgs;
use crate::cli::progress::{announce, describe, follow};
use crate::cli::screen::{Progress, size};
use crate::cli::targets::check_message;
use crate::cli::{device, memory, sources};
use crate::error::{Error, Result};
use crate::outputs::{
    Access, Lock, Output, check_absent, check_distinct, check_target, with_suffix,
};
use crate::protocol::conversation::Conversation;
use crate::protocol::envelope::{Header, Kind};
use crate::protocol::key_file::{header_of, read_message};
use crate::protocol::{ClientSpec, ServerSide};

/// Buffer of the key file, in bytes.
const BUFFER: usize = 1 << 20;

/// Answers a request.
///
/// # Errors
///
/// Fails for files that do not fit each other, before the keys are read, and where the pass does;
/// the state is then as before.
pub fn run(args: &EvalArgs) -> Result<()> {
    // Every file is checked as far as it can be before the keys are read, which takes long.
    let previous = with_suffix(&args.state, ".previous");
    check_distinct(&[
        ("--server-key", &args.server_key),
        ("--request", &args.request),
        ("--state", &args.state),
        ("--state with .previous", &previous),
        ("--out", &args.out),
    ])?;
    let keys = header_of(Kind::EvaluationKeys, &args.server_key)?;
    let request = header_of(Kind::Request, &args.request)?;
    let checked = request.expect(Kind::Request, &keys.session, &keys.key);
    checked.map_err(|e| e.in_file(&args.request))?;
    let _lock = Lock::take(&args.state)?;
    let states = States::find(args, &request)?;
    let conversation = request.conversation(Kind::Request)?;
    check_message(&args.out, Kind::Response, Some(conversation.id), args.force)?;

    let quiet = args.device.quiet;
    let engine = device::open(&args.device.backend, args.device.threads)?;
    let source = sources::open_to_run(args.model.as_deref(), args.any_size)?;
    let origin = (Kind::EvaluationKeys, quiet);
    let setup = sources::restore(&source, engine.as_ref(), &keys.session, origin)?;
    let positions = request.cached.positions;
    let limit = ClientSpec::of(&setup)?.request_limit();
    let request = read_message(Kind::Request, &args.request, limit)?;

    let progress = Progress::new(quiet);
    let demand = follow(&setup, &progress)?;
    announce(&setup, &demand, quiet)?;
    let options = memory::store(args.memory, args.device.threads);
    let host = engine.host(&setup, demand.keys.clone(), options)?;
    let mut input = open(&args.server_key)?;
    let made = host.session(&mut input, &mut |done, total| {
        progress.at(done, total, &|| format!("keys: {done} of {total}"))
    });
    let mut server = made.map_err(|e| e.in_file(&args.server_key))?;
    if let Some(path) = &states.read {
        server.load(&mut open(path)?).map_err(|e| e.in_file(path))?;
    }
    let layers = source.llama.config.layers;
    let total = demand.of_request(&setup.session, server.cached(), positions)?;
    let (total, token) = (total.events, positions.saturating_sub(1));
    let mut done = 0;
    let response = server.respond(&request, &mut |event| {
        done += 1;
        progress.at(done, total, &|| describe(token, event, layers))
    });
    progress.clear();
    let response = response.map_err(|e| e.in_file(&args.request))?;
    // The state last: without a response the request can be run again.
    Output::write(&args.out, Access::Umask, &response)?;
    states.save(server.as_ref())?;
    if quiet {
        return Ok(());
    }
    let size = size(response.len() as u64);
    say!("response written to {}, {size}", args.out.display())
}

fn open(path: &Path) -> Result<BufReader<File>> {
    let file = File::open(path).map_err(Error::read(path))?;
    Ok(BufReader::with_capacity(BUFFER, file))
}

/// The states of a conversation: the one behind the last request, and the one before it, from which
/// that request is answered again when its response was lost.
struct States {
    /// The state that the request goes behind; none for a prompt.
    read: Option<PathBuf>,
    state: PathBuf,
    previous: PathBuf,
    /// Whether the state becomes the previous one.
    moves_on: bool,
}

impl States {
    /// Finds the state that a request goes behind.
    fn find(args: &EvalArgs, request: &Header) -> Result<Self> {
        let (state, previous) = (args.state.clone(), with_suffix(&args.state, ".previous"));
        check_target(&state)?;
        check_target(&previous)?;
        let wanted = request.conversation(Kind::Request)?;
        let states = |read, moves_on| Self {
            read,
            state: state.clone(),
            previous: previous.clone(),
            moves_on,
        };
        if wanted.is_new() {
            // A prompt needs no state; the one that is there may be of its own first answer.
            check_absent(&state, args.force || replaceable(&state, &wanted, request))?;
            return Ok(states(None, false));
        }
        let last = moment(&state, request)?;
        if last == Some(wanted) {
            // What is replaced is an earlier state of this conversation, or nothing.
            let earlier = header_of(Kind::State, &previous)
                .is_ok_and(|found| found.conversation.is_some_and(|c| c.id == wanted.id));
            check_absent(&previous, args.force || earlier)?;
            return Ok(states(Some(state.clone()), true));
        }
        if moment(&previous, request)? == Some(wanted) {
            return Ok(states(Some(previous.clone()), false));
        }
        match last {
            Some(last) => last
                .expect(&wanted, Kind::Request.name())
                .map(|()| states(None, false))
                .map_err(|e| e.in_file(&args.request)),
            None => {
                let absent = std::io::Error::from(std::io::ErrorKind::NotFound);
                Err(Error::read(&state)(absent))
            }
        }
    }

    /// Replaces the state.
    fn save(&self, server: &dyn ServerSide) -> Result<()> {
        let mut file = Output::create(&self.state, Access::Umask)?;
        server.save(&mut file).map_err(|e| e.in_file(&self.state))?;
        let file = file.finish()?;
        if self.moves_on {
            std::fs::rename(&self.state, &self.previous).map_err(Error::write(&self.previous))?;
        }
        file.publish()
    }
}

/// Where the conversation of a state file stands; `None` when there is no such file.
fn moment(path: &Path, request: &Header) -> Result<Option<Conversation>> {
    if !path.exists() {
        return Ok(None);
    }
    let state = header_of(Kind::State, path)?;
    let checked = state.expect(Kind::State, &request.session, &request.key);
    checked.map_err(|e| e.in_file(path))?;
    state.conversation(Kind::State).map(Some)
}

/// Whether a state is that behind the prompt of the same conversation, and no further.
fn replaceable(state: &Path, wanted: &Conversation, request: &Header) -> bool {
    let Ok(found) = header_of(Kind::State, state) else {
        return false;
    };
    let same = found.conversation.is_some_and(|c| c.id == wanted.id);
    same && found.cached == request.cached
}
