//! A whole run in one process: two sides with nothing but bytes between them.

mod record;
mod stages;

pub use record::{Bytes, Record, Reference, Seconds};
pub use stages::{process_peak, stage};

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Instant;

use ckks_math::Error as SchemeError;
use ckks_math::keys::SecretKey;
use ckks_math::wire::WireFault;
use he_linalg::matrix::StoreOptions;

use crate::backends;
use crate::calibrate::Calibration;
use crate::encrypted::Event;
use crate::error::{Error, MessageFault, Result};
use crate::length::Length;
use crate::metrics::Agreement;
use crate::model::{Circuit, Exact, Llama, Twin};
use crate::protocol::client::{fresh_conversation, fresh_seed};
use crate::protocol::demand::Work;
use crate::protocol::{
    Cached, ClientSide, ClientSpec, Demand, Engine, ServerSide, Session, Setup, demand_of_text,
};
use crate::sampling::Sampler;
use crate::source::Source;
use crate::times::TimesInUse;
use stages::Watch;

/// How to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Name of the parameter set.
    pub preset: String,
    /// Name of the backend, for both sides.
    pub backend: String,
    /// Threads of each side; one for each core if `None`.
    pub threads: Option<usize>,
    /// Most tokens to generate.
    pub tokens: usize,
    /// How the server keeps encoded weights.
    pub store: StoreOptions,
    /// Whether the same model runs in the clear beside it, to be compared with.
    pub check: bool,
}

/// What a run reports as it goes on.
#[derive(Clone, Copy, Debug)]
pub enum Progress<'a> {
    /// Passes of the dry run done, of how many.
    Planning(usize, usize),
    /// The plan is made.
    Planned(&'a Setup, &'a Demand),
    /// Keys that have reached the server, of how many.
    Keys(usize, usize),
    /// A step of pass `pass`: step `done` of `total`.
    Step {
        /// Index of the pass.
        pass: usize,
        /// What happened.
        event: Event,
        /// Steps done in this pass.
        done: usize,
        /// Steps of this pass.
        total: usize,
    },
    /// A token was chosen.
    Token(u32),
}

/// Receives the progress of a run; its error stops the run before the next operation.
pub type Sink<'a> = dyn FnMut(Progress<'_>) -> Result<()> + 'a;

/// Generates up to `options.tokens` tokens behind the prompt `ids`, all of it encrypted.
///
/// Stops at the model's end-of-text token.
///
/// # Errors
///
/// Fails where planning, keys or a pass do, and with whatever `progress` returns.
pub fn generate(
    source: &Source,
    calibration: &Arc<Calibration>,
    ids: &[u32],
    options: &Options,
    sampler: &Sampler,
    progress: &mut Sink<'_>,
) -> Result<Record> {
    let engines = Engines::open(options)?;
    let clock = Instant::now();
    let (limits, times) = (
        engines.server.limits(),
        TimesInUse::of_device(&engines.server.name())?.times,
    );
    let text = Length::new(ids.len(), options.tokens)?;
    let preset = &options.preset;
    let setup = Setup::new(
        &source.llama,
        calibration,
        preset,
        text.positions(),
        limits,
        &times,
    )?;
    let planning = &mut |done, passes| progress(Progress::Planning(done, passes));
    let demand = demand_of_text(&setup, text, planning)?;
    progress(Progress::Planned(&setup, &demand))?;
    let mut seconds = Seconds {
        plan: clock.elapsed().as_secs_f64(),
        ..Seconds::default()
    };
    let clock = Instant::now();
    let (client, server) = connect(&setup, &demand, (&engines, options.store), progress)?;
    seconds.keygen = clock.elapsed().as_secs_f64();
    let mut run = Run {
        client,
        server,
        session: &setup.session,
        demand: &demand,
        work: Work::default(),
        layers: source.llama.config.layers,
        seconds,
        bytes: Bytes::default(),
    };
    let circuit = Circuit::exact(&source.llama.config);
    let twin = (options.check).then(|| Compared::new(&source.llama, &circuit, sampler));
    let tokens = (ids, options.tokens);
    let (chosen, reference) = run.tokens(source, tokens, sampler.clone(), twin, progress)?;
    record(source, &setup, &engines, ids, (chosen, reference), run)
}

/// Both sides of a run and what was measured.
struct Run<'a> {
    client: Box<dyn ClientSide>,
    server: Box<dyn ServerSide>,
    session: &'a Session,
    demand: &'a Demand,
    /// The work of all requests so far.
    work: Work,
    layers: usize,
    seconds: Seconds,
    bytes: Bytes,
}

impl Run<'_> {
    /// Chooses token after token behind a prompt, up to a number or the end of the text.
    fn tokens(
        &mut self,
        source: &Source,
        (ids, count): (&[u32], usize),
        mut sampler: Sampler,
        mut compared: Option<Compared<'_>>,
        progress: &mut Sink<'_>,
    ) -> Result<(Vec<u32>, Reference)> {
        let (mut text, mut cached) = (ids.to_vec(), Cached::default());
        let (mut chosen, mut conversation) = (Vec::new(), fresh_conversation());
        for pass in 0..count {
            let clock = Instant::now();
            let work = self.demand.of_request(self.session, cached, text.len())?;
            let request = self.client.request(&text, cached, &conversation)?;
            conversation = request.after;
            let encrypted = clock.elapsed().as_secs_f64();
            let response = self.respond((pass, work), &request.bytes, progress)?;
            let evaluated = clock.elapsed().as_secs_f64();
            let reply = self.client.open(&response, &conversation)?;
            let id = sampler.choose(&reply.logits)?;
            let finished = clock.elapsed().as_secs_f64();
            if pass == 0 {
                self.seconds.encrypt = encrypted;
                self.seconds.prefill = evaluated - encrypted;
                self.seconds.decrypt = finished - evaluated;
                self.bytes.request = request.bytes.len() as u64;
                self.bytes.response = response.len() as u64;
            } else {
                self.seconds.per_token.push(finished);
            }
            chosen.push(id);
            progress(Progress::Token(id))?;
            if let Some(compared) = &mut compared {
                compared.add(&text[cached.positions..], &reply.logits)?;
            }
            cached = request.cached;
            text.push(id);
            if source.llama.config.eos.contains(&id) {
                break;
            }
        }
        let reference = compared.map_or_else(Reference::default, Compared::finish);
        Ok((chosen, reference))
    }

    /// The server's part of one pass.
    fn respond(
        &mut self,
        (pass, work): (usize, Work),
        request: &[u8],
        progress: &mut Sink<'_>,
    ) -> Result<Vec<u8>> {
        let mut watch = Watch::new(self.layers);
        let (mut done, total) = (0, work.events);
        let response = self.server.respond(request, &mut |event| {
            done += 1;
            watch.see(event);
            progress(Progress::Step {
                pass,
                event,
                done,
                total,
            })
        })?;
        watch.add_to(&mut self.seconds.stages);
        self.work.bootstraps += work.bootstraps;
        self.work.key_switches += work.key_switches;
        Ok(response)
    }
}

/// The same model in the clear, run behind the same tokens.
struct Compared<'a> {
    twin: Twin<'a, Exact>,
    sampler: Sampler,
    ids: Vec<u32>,
    agreements: Vec<Agreement>,
}

impl<'a> Compared<'a> {
    fn new(llama: &'a Llama, circuit: &'a Circuit, sampler: &Sampler) -> Self {
        Self {
            twin: Twin::new(llama, circuit, Exact),
            sampler: sampler.clone(),
            ids: Vec::new(),
            agreements: Vec::new(),
        }
    }

    /// Compares the logits behind the tokens `next`.
    fn add(&mut self, next: &[u32], found: &[f64]) -> Result<()> {
        let expected = self.twin.advance(next)?;
        self.ids.push(self.sampler.choose(&expected)?);
        self.agreements.push(Agreement::of(&expected, found)?);
        Ok(())
    }

    fn finish(self) -> Reference {
        Reference::of(self.ids, &self.agreements)
    }
}

fn record(
    source: &Source,
    setup: &Setup,
    engines: &Engines,
    ids: &[u32],
    (chosen, reference): (Vec<u32>, Reference),
    run: Run<'_>,
) -> Result<Record> {
    let Run {
        demand,
        seconds,
        work,
        ..
    } = run;
    let bootstraps = work.bootstraps;
    let bytes = Bytes {
        keys: demand.sent_bytes(&setup.params)?,
        client_peak: engines.client.memory().peak,
        server_peak: engines.server.memory().peak,
        ..run.bytes
    };
    let mut stream = source.tokenizer.stream(ids)?;
    let mut text = String::new();
    for &id in &chosen {
        text.push_str(&stream.push(id)?);
    }
    text.push_str(&stream.finish()?);
    let params = &setup.params;
    Ok(Record {
        prompt_ids: ids.to_vec(),
        key_switches: work.key_switches,
        ids: chosen,
        reference,
        security_bits: params.security_bits(),
        log_n: params.literal().log_n,
        log_qp: params.log_qp(),
        bootstraps,
        peak_memory_bytes: process_peak().unwrap_or(bytes.client_peak + bytes.server_peak),
        text,
        preset: params.name().to_owned(),
        secret: params.secret().to_string(),
        backend: engines.server.name(),
        keys: demand.keys.len(),
        failure_log2: demand.failure_log2 + (bootstraps.max(1) as f64).log2(),
        seconds,
        bytes,
    })
}

/// A backend for each side.
struct Engines {
    client: Box<dyn Engine>,
    server: Box<dyn Engine>,
}

impl Engines {
    fn open(options: &Options) -> Result<Self> {
        let open = || backends::open(&options.backend, options.threads);
        Ok(Self {
            client: open()?,
            server: open()?,
        })
    }
}

/// Makes both sides; the keys go through a pipe, one at a time.
fn connect(
    setup: &Arc<Setup>,
    demand: &Demand,
    (engines, store): (&Engines, StoreOptions),
    progress: &mut dyn FnMut(Progress) -> Result<()>,
) -> Result<(Box<dyn ClientSide>, Box<dyn ServerSide>)> {
    let secret = SecretKey::from_seed(&setup.params, fresh_seed())?;
    let spec = Arc::new(ClientSpec::of(setup)?);
    let client = engines.client.client(&spec, secret)?;
    let host = engines.server.host(setup, demand.keys.clone(), store)?;
    let pipe = std::io::pipe();
    let (mut input, mut output) = pipe.map_err(|e| Error::System {
        what: "a pipe",
        reason: e.to_string(),
    })?;
    let (server, written) = std::thread::scope(|scope| {
        let client = &client;
        let writer = scope.spawn(move || client.write_keys(&demand.keys, &mut output));
        let server = host.session(&mut input, &mut |done, total| {
            progress(Progress::Keys(done, total))
        });
        // A writer that nobody reads any more stops.
        drop(input);
        (server, writer.join())
    });
    let written = written.map_err(|_| Error::System {
        what: "key generation",
        reason: "a panic".into(),
    })?;
    match (server, written) {
        (Ok(server), Ok(())) => Ok((client, server)),
        (Err(refused), Err(unread)) if is_broken_pipe(&unread) => Err(refused),
        (_, Err(error)) | (Err(error), Ok(())) => Err(error),
    }
}

fn is_broken_pipe(error: &Error) -> bool {
    let source = match error {
        Error::Message {
            fault: MessageFault::Io(source),
            ..
        }
        | Error::Scheme(SchemeError::Wire {
            fault: WireFault::Io { source, .. },
            ..
        }) => source,
        _ => return false,
    };
    source.kind() == ErrorKind::BrokenPipe
}
