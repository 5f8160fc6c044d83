//! A whole run in one process: two sides with nothing but bytes between them.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Instant;

use ckks_math::Error as SchemeError;
use ckks_math::keys::SecretKey;
use ckks_math::wire::WireFault;
use serde::Serialize;

use crate::backends;
use crate::calibrate::Calibration;
use crate::encrypted::Event;
use crate::error::{Error, MessageFault, Result};
use crate::metrics::Agreement;
use crate::model::{Circuit, Exact, Role, Site, Twin};
use crate::protocol::client::fresh_seed;
use crate::protocol::demand::{Demand, demand};
use crate::protocol::engine::{ClientSide, Engine, ServerSide};
use crate::protocol::session::Setup;
use crate::sampling::Sampler;
use crate::source::Source;
use crate::times::TimesInUse;

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
}

/// What a run tells while it goes on.
#[derive(Clone, Copy, Debug)]
pub enum Progress {
    /// Passes of the dry run done, of how many.
    Planning(usize, usize),
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

/// Seconds of the parts of a run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Seconds {
    /// Placing bootstraps and finding the keys.
    pub plan: f64,
    /// Making the keys, sending them, and setting up the server.
    pub keygen: f64,
    /// Encrypting the prompt.
    pub encrypt: f64,
    /// The server's pass over the prompt.
    pub prefill: f64,
    /// Decrypting the first logits and choosing the token.
    pub decrypt: f64,
    /// Each further token: encryption, the server's pass, decryption.
    pub per_token: Vec<f64>,
    /// The server's time by part of the model.
    pub stages: BTreeMap<&'static str, f64>,
}

/// Bytes of a run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Bytes {
    /// Evaluation keys as sent.
    pub keys: u64,
    /// The prompt's request.
    pub request: u64,
    /// Its response.
    pub response: u64,
    /// Largest memory of the client's backend.
    pub client_peak: u64,
    /// Largest memory of the server's backend.
    pub server_peak: u64,
}

/// The facts of a run, the shape of the `--json` file; field names are stable.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    /// Tokens of the prompt.
    pub prompt_ids: Vec<u32>,
    /// Tokens generated.
    pub ids: Vec<u32>,
    /// What the exact model chooses behind the same tokens with the same random numbers.
    pub reference_ids: Vec<u32>,
    /// Share of tokens with the same largest logit as the exact model.
    pub top1_agreement: f64,
    /// Largest divergence from the exact model of a token, in nats.
    pub kl: f64,
    /// Largest difference of a logit.
    pub max_logit_error: f64,
    /// Security in bits; `null` for insecure test sets.
    pub security_bits: Option<u32>,
    /// log2 of the ring degree.
    pub log_n: u32,
    /// Bits of the largest modulus that a key is published under.
    pub log_qp: f64,
    /// Ciphertexts bootstrapped.
    pub bootstraps: usize,
    /// Times.
    pub seconds: Seconds,
    /// Largest memory of the process; of both backends where the system does not tell.
    pub peak_memory_bytes: u64,
    /// Text of `ids`.
    pub text: String,
    /// Name of the parameter set.
    pub preset: String,
    /// Distribution of the secret.
    pub secret: String,
    /// The server's device.
    pub backend: String,
    /// Polynomials multiplied with a switching key.
    pub key_switches: u64,
    /// Evaluation keys.
    pub keys: usize,
    /// log2 of the bound on the probability that any of the bootstraps garbled its result.
    pub failure_log2: f64,
    /// Sizes.
    pub bytes: Bytes,
}

/// Generates up to `options.tokens` tokens behind the prompt `ids`, all of it encrypted.
///
/// Stops at the model's end-of-text token. `progress` may stop the run with an error.
pub fn generate(
    source: &Source,
    calibration: &Arc<Calibration>,
    ids: &[u32],
    options: &Options,
    sampler: &Sampler,
    progress: &mut dyn FnMut(Progress) -> Result<()>,
) -> Result<Record> {
    let engines = Engines::open(options)?;
    let clock = Instant::now();
    let limits = engines.server.limits();
    let length = (ids.len(), options.tokens);
    let times = TimesInUse::of_device(&engines.server.name())?.times;
    let preset = &options.preset;
    let setup = Setup::new(&source.llama, calibration, preset, length, limits, &times)?;
    let passes = setup.session.passes();
    let demand = demand(&setup, passes, &mut |done| {
        progress(Progress::Planning(done, passes))
    })?;
    let mut seconds = Seconds {
        plan: clock.elapsed().as_secs_f64(),
        ..Seconds::default()
    };

    let clock = Instant::now();
    let (mut client, mut server) = connect(&setup, &demand, &engines, progress)?;
    seconds.keygen = clock.elapsed().as_secs_f64();

    let mut bytes = Bytes {
        keys: demand.sent_bytes(&setup.params)?,
        ..Bytes::default()
    };
    let circuit = Circuit::exact(&source.llama.config);
    let mut exact = Twin::new(&source.llama, &circuit, Exact);
    let (mut choose, mut choose_reference) = (sampler.clone(), sampler.clone());
    let (mut chosen, mut reference_ids, mut agreements) = (Vec::new(), Vec::new(), Vec::new());
    let (mut bootstraps, mut key_switches) = (0, 0);
    let (mut next, mut position) = (ids.to_vec(), 0);
    for (pass, work) in demand.passes.iter().enumerate() {
        let clock = Instant::now();
        let request = client.request(&next, position)?;
        let encrypted = clock.elapsed().as_secs_f64();
        let mut watch = Watch::new(source.llama.config.layers);
        let mut done = 0;
        let response = server.respond(&request, &mut |event| {
            done += 1;
            if let Event::Refresh(_, count) = event {
                bootstraps += count;
            }
            watch.see(event);
            let total = work.events;
            progress(Progress::Step {
                pass,
                event,
                done,
                total,
            })
        })?;
        watch.add_to(&mut seconds.stages);
        let evaluated = clock.elapsed().as_secs_f64();
        let reply = client.open(&response)?;
        let id = choose.choose(&reply.logits)?;
        let finished = clock.elapsed().as_secs_f64();
        if pass == 0 {
            seconds.encrypt = encrypted;
            seconds.prefill = evaluated - encrypted;
            seconds.decrypt = finished - evaluated;
            (bytes.request, bytes.response) = (request.len() as u64, response.len() as u64);
        } else {
            seconds.per_token.push(finished);
        }
        key_switches += work.key_switches;
        chosen.push(id);
        progress(Progress::Token(id))?;

        let reference = exact.advance(&next)?;
        reference_ids.push(choose_reference.choose(&reference)?);
        agreements.push(Agreement::of(&reference, &reply.logits)?);
        position = reply.position + 1;
        next = vec![id];
        if source.llama.config.eos.contains(&id) {
            break;
        }
    }

    bytes.client_peak = engines.client.memory().peak;
    bytes.server_peak = engines.server.memory().peak;
    let most = |f: fn(&Agreement) -> f64| agreements.iter().map(f).fold(0.0, f64::max);
    let equal = agreements.iter().filter(|a| a.top1).count();
    let mut stream = source.tokenizer.stream(ids)?;
    let mut text = String::new();
    for &id in &chosen {
        text.push_str(&stream.push(id)?);
    }
    text.push_str(&stream.finish()?);
    let params = &setup.params;
    Ok(Record {
        prompt_ids: ids.to_vec(),
        top1_agreement: equal as f64 / agreements.len().max(1) as f64,
        kl: most(|a| a.kl),
        max_logit_error: most(|a| a.max_logit_error),
        ids: chosen,
        reference_ids,
        security_bits: params.security_bits(),
        log_n: params.literal().log_n,
        log_qp: params.log_qp(),
        bootstraps,
        peak_memory_bytes: process_peak().unwrap_or(bytes.client_peak + bytes.server_peak),
        text,
        preset: params.name().to_owned(),
        secret: params.secret().to_string(),
        backend: engines.server.name(),
        key_switches,
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
    engines: &Engines,
    progress: &mut dyn FnMut(Progress) -> Result<()>,
) -> Result<(Box<dyn ClientSide>, Box<dyn ServerSide>)> {
    let secret = SecretKey::from_seed(&setup.params, fresh_seed())?;
    let client = engines.client.client(setup, secret)?;
    let pipe = std::io::pipe();
    let (mut input, mut output) = pipe.map_err(|e| Error::System {
        what: "a pipe",
        reason: e.to_string(),
    })?;
    let (server, written) = std::thread::scope(|scope| {
        let client = &client;
        let writer = scope.spawn(move || client.write_keys(&demand.keys, &mut output));
        let server = engines
            .server
            .server(setup, &mut input, &demand.keys, &mut |done, total| {
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

/// The part of the model that a tensor belongs to, for `layers` decoder layers.
pub fn stage(site: Site, layers: usize) -> &'static str {
    match site.role {
        Role::LogitsRaw | Role::FinalMeanSquare => "head",
        _ if site.layer == layers => "head",
        Role::HiddenMiddle
        | Role::MlpMeanSquare
        | Role::GateRaw
        | Role::UpRaw
        | Role::Gate
        | Role::Up
        | Role::Product
        | Role::Down => "feed-forward",
        _ => "attention",
    }
}

/// Divides time among the parts of the model. The machine tells when it starts a bootstrap; the
/// time until its next report counts as the bootstrap's.
struct Watch {
    layers: usize,
    since: Instant,
    stages: BTreeMap<&'static str, f64>,
}

impl Watch {
    fn new(layers: usize) -> Self {
        let stages = BTreeMap::new();
        Self {
            layers,
            since: Instant::now(),
            stages,
        }
    }

    fn see(&mut self, event: Event) {
        // The time since the last event belongs to what this one ends.
        let name = match event {
            Event::Refreshed(_) => "bootstrap",
            Event::Reached(site) | Event::Refresh(site, _) => stage(site, self.layers),
        };
        let now = Instant::now();
        *self.stages.entry(name).or_default() += (now - self.since).as_secs_f64();
        self.since = now;
    }

    fn add_to(self, all: &mut BTreeMap<&'static str, f64>) {
        for (name, seconds) in self.stages {
            *all.entry(name).or_default() += seconds;
        }
    }
}

/// Largest resident memory of this process in bytes, where the system tells.
pub fn process_peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}
