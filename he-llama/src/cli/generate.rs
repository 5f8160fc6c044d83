//! `he-llama generate`.

use std::io::IsTerminal;

use crate::cli::args::GenerateArgs;
use crate::cli::progress::{announce, describe};
use crate::cli::screen::{self, size};
use crate::cli::targets::{check_record, write_record};
use crate::cli::{device, memory, sources};
use crate::error::Result;
use crate::protocol::session;
use crate::runner::{Options, Progress, Record, Reference, generate};

/// Generates text with both sides in this process.
///
/// # Errors
///
/// Fails for wrong options before a key is made, where the run does, and, with `--check`, when a
/// token differs from that of the model in the clear.
pub fn run(args: &GenerateArgs) -> Result<()> {
    let (text, run) = (&args.text, &args.run);
    let sampler = sources::sampler(text.sampling)?;
    // Everything that can be wrong is found before the first key is made.
    session::parameters(&run.preset, run.engine()?.limits())?;
    check_record(text.json.as_deref(), text.force)?;
    let source = sources::open_to_run(text.model.as_deref(), args.any_size)?;
    let prompt = text.prompt.text_or_default()?;
    let ids = source.prompt(&prompt, text.tokens)?;
    sources::warn_if_insecure(&run.preset)?;
    let calibration = sources::calibration(&source, ids.len() + text.tokens, text.quiet)?;

    calibration.check_length(ids.len(), text.tokens)?;

    let options = Options {
        preset: run.preset.clone(),
        backend: run.backend.clone(),
        threads: device::threads(run.threads)?,
        tokens: text.tokens,
        check: text.check,
        store: memory::store(args.memory, run.threads),
    };
    let mut stream = source.tokenizer.stream(&ids)?;
    let mut screen = Screen::new(text.quiet);
    let layers = source.llama.config.layers;
    if !text.quiet {
        screen.show(&prompt)?;
    }
    let mut watch = |progress: Progress<'_>| match progress {
        Progress::Planning(done, total) => screen.bar.at(done, total, &|| "planning".into()),
        Progress::Planned(setup, demand) => announce(setup, demand, text.quiet),
        Progress::Keys(done, total) => {
            let message = || format!("keys: {done} of {total}");
            screen.bar.at(done, total, &message)
        }
        Progress::Step {
            pass,
            event,
            done,
            total,
        } => screen
            .bar
            .at(done, total, &|| describe(pass, event, layers)),
        Progress::Token(id) => screen.show(&stream.push(id)?),
    };
    let record = generate(&source, &calibration, &ids, &options, &sampler, &mut watch)?;
    screen.finish(&stream.finish()?)?;
    if !text.quiet {
        report(&record)?;
    }
    if let Some(path) = &text.json {
        write_record(path, &record)?;
    }
    record.reference.expect(&record.ids)
}

/// The text and the bar. Where both go to one terminal they would write over each other, so there
/// the bar shows the text, and standard output gets it at the end.
struct Screen {
    bar: screen::Progress,
    together: Option<String>,
}

impl Screen {
    fn new(quiet: bool) -> Self {
        let bar = screen::Progress::new(quiet);
        let terminal = std::io::stdout().is_terminal() && bar.is_on_screen();
        Self {
            bar,
            together: terminal.then(String::new),
        }
    }

    /// Adds text, at once.
    fn show(&mut self, new: &str) -> Result<()> {
        let Some(text) = &mut self.together else {
            return screen::show(new);
        };
        text.push_str(new);
        self.bar.set_prefix(format!("{text}\n"));
        Ok(())
    }

    /// Adds the last of the text and leaves it alone on the screen.
    fn finish(self, rest: &str) -> Result<()> {
        self.bar.clear();
        screen::show(&format!("{}{rest}\n", self.together.unwrap_or_default()))
    }
}

fn report(record: &Record) -> Result<()> {
    let security = record
        .security_bits
        .map_or("NONE".to_owned(), |bits| format!("{bits} bits"));
    say!()?;
    line("parameters", &record.preset)?;
    line("ring degree", &format!("2^{}", record.log_n))?;
    line("log QP", &format!("{:.1}", record.log_qp))?;
    line("secret", &record.secret)?;
    line("security", &security)?;
    line("backend", &record.backend)?;
    line("bootstraps", &format!("{} ciphertexts", record.bootstraps))?;
    let failure = record.failure_log2;
    let failure = format!("at most 2^{failure:.1}, all bootstraps");
    line("failure probability", &failure)?;
    line("key switches", &record.key_switches.to_string())?;
    let keys = format!("{}, {} sent", record.keys, size(record.bytes.keys));
    line("evaluation keys", &keys)?;
    report_times(record)?;
    let bytes = &record.bytes;
    let peak = format!(
        "{} (client's backend {}, server's {})",
        size(record.peak_memory_bytes),
        size(bytes.client_peak),
        size(bytes.server_peak)
    );
    line("peak memory", &peak)?;
    report_reference(&record.reference, &record.ids)
}

fn report_times(record: &Record) -> Result<()> {
    let seconds = &record.seconds;
    let times = format!(
        "plan {:.1}, keys {:.1}, encrypt {:.2}, first token {:.1}, decrypt {:.2}",
        seconds.plan, seconds.keygen, seconds.encrypt, seconds.prefill, seconds.decrypt
    );
    line("seconds", &times)?;
    if !seconds.per_token.is_empty() {
        let each = seconds.per_token.iter().map(|s| format!("{s:.1}"));
        line("  further tokens", &each.collect::<Vec<_>>().join(", "))?;
    }
    let mut stages = seconds.stages.iter();
    stages.try_for_each(|(stage, time)| line(&format!("  {stage}"), &format!("{time:.1}")))
}

fn report_reference(reference: &Reference, ids: &[u32]) -> Result<()> {
    let Reference {
        reference_ids: Some(expected),
        top1_agreement: Some(top1),
        kl: Some(kl),
        max_logit_error: Some(error),
    } = reference
    else {
        return say!("not compared with the same model in the clear: --check does that");
    };
    let count = ids.len();
    say!("agreement with the same model in the clear over {count} tokens:")?;
    line("  same likeliest token", &format!("{:.1} %", 100.0 * top1))?;
    line("  same token chosen", &(ids == expected).to_string())?;
    line("  largest logit error", &format!("{error:.2e}"))?;
    line("  largest divergence", &format!("{kl:.2e} nats"))
}

fn line(name: &str, value: &str) -> Result<()> {
    say!("{name:22} {value}")
}
