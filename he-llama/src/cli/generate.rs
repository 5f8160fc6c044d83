//! `he-llama generate`.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

use crate::backends;
use crate::cli::args::GenerateArgs;
use crate::cli::output;
use crate::embedded;
use crate::encrypted::Event;
use crate::error::{Error, Result};
use crate::protocol::generate::{Options, Progress, Record, generate, stage};
use crate::protocol::session;

pub fn run(args: &GenerateArgs) -> Result<()> {
    let (text, run) = (&args.text, &args.run);
    let sampler = output::sampler(text.sampling)?;
    // Everything that can be wrong is found before the first key is made.
    session::parameters(
        &run.preset,
        backends::open(&run.backend, run.threads)?.limits(),
    )?;
    output::check_writable(text.json.as_deref())?;
    let source = output::open(text.model.as_deref())?;
    let prompt = text.prompt.as_deref().unwrap_or(embedded::PROMPT);
    let ids = source.prompt(prompt, text.tokens)?;
    output::warn_if_insecure(&run.preset);
    let calibration = output::calibration(&source, ids.len() + text.tokens, text.quiet)?;

    calibration.check_length(ids.len(), text.tokens)?;

    let options = Options {
        preset: run.preset.clone(),
        backend: run.backend.clone(),
        threads: run.threads,
        tokens: text.tokens,
    };
    let mut stream = source.tokenizer.stream(&ids)?;
    let mut screen = Screen::new(text.quiet);
    let layers = source.llama.config.layers;
    if !text.quiet {
        screen.show(prompt)?;
    }
    let mut watch = |progress| {
        match progress {
            Progress::Planning(done, total) => at(&screen.bar, done, total, "planning".into()),
            Progress::Keys(done, total) => {
                at(&screen.bar, done, total, format!("keys: {done} of {total}"));
            }
            Progress::Step {
                pass,
                event,
                done,
                total,
            } => {
                at(&screen.bar, done, total, describe(pass, event, layers));
            }
            Progress::Token(id) => {
                let new = stream.push(id)?;
                screen.show(&new)?;
            }
        }
        Ok::<(), Error>(())
    };
    let record = generate(&source, &calibration, &ids, &options, &sampler, &mut watch)?;
    screen.finish(&stream.finish()?)?;
    if !text.quiet {
        report(&record);
    }
    match &text.json {
        Some(path) => output::write_json(path, &record),
        None => Ok(()),
    }
}

/// The text and the bar. Where both go to one terminal they would write over each other, so there
/// the bar shows the text, and standard output gets it at the end.
struct Screen {
    bar: ProgressBar,
    together: Option<String>,
}

impl Screen {
    fn new(quiet: bool) -> Self {
        let bar = stages_bar(quiet);
        let terminal = std::io::stdout().is_terminal() && !bar.is_hidden();
        Self {
            bar,
            together: terminal.then(String::new),
        }
    }

    /// Adds text, at once.
    fn show(&mut self, new: &str) -> Result<()> {
        let Some(text) = &mut self.together else {
            return output::show(new);
        };
        text.push_str(new);
        self.bar.set_prefix(format!("{text}\n"));
        Ok(())
    }

    /// Adds the last of the text and leaves it alone on the screen.
    fn finish(self, rest: &str) -> Result<()> {
        self.bar.finish_and_clear();
        output::show(&format!("{}{rest}\n", self.together.unwrap_or_default()))
    }
}

/// A bar on standard error with a message that changes; hidden when `quiet` or not on a terminal.
pub fn stages_bar(quiet: bool) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{prefix}[{bar:30}] {elapsed} {msg}")
        .expect("the template is constant and valid");
    ProgressBar::new(1).with_style(style)
}

/// Moves the bar.
pub fn at(bar: &ProgressBar, done: usize, total: usize, message: String) {
    bar.set_length(total as u64);
    bar.set_position(done as u64);
    bar.set_message(message);
}

/// A step in words.
pub fn describe(pass: usize, event: Event, layers: usize) -> String {
    let (site, what) = match event {
        Event::Reached(site) | Event::Refreshed(site) => (site, String::new()),
        Event::Refresh(site, count) => {
            let plural = if count == 1 { "" } else { "s" };
            (site, format!(", bootstrapping {count} ciphertext{plural}"))
        }
    };
    let part = stage(site, layers);
    let place = match part {
        "head" => part.to_owned(),
        _ => format!("layer {} of {layers}, {part}", site.layer + 1),
    };
    format!("token {}: {place}: {}{what}", pass + 1, site.role)
}

fn report(record: &Record) {
    let seconds = &record.seconds;
    let security = record
        .security_bits
        .map_or("NONE".to_owned(), |bits| format!("{bits} bits"));
    println!();
    let line = |name: &str, value: String| println!("{name:22} {value}");
    line("parameters", record.preset.clone());
    line("ring degree", format!("2^{}", record.log_n));
    line("log QP", format!("{:.1}", record.log_qp));
    line("secret", record.secret.clone());
    line("security", security);
    line("backend", record.backend.clone());
    line("bootstraps", format!("{} ciphertexts", record.bootstraps));
    line(
        "failure probability",
        format!("at most 2^{:.1}, all bootstraps", record.failure_log2),
    );
    line("key switches", record.key_switches.to_string());
    line(
        "evaluation keys",
        format!("{}, {} sent", record.keys, output::size(record.bytes.keys)),
    );
    line(
        "seconds",
        format!(
            "plan {:.1}, keys {:.1}, encrypt {:.2}, first token {:.1}, decrypt {:.2}",
            seconds.plan, seconds.keygen, seconds.encrypt, seconds.prefill, seconds.decrypt
        ),
    );
    if !seconds.per_token.is_empty() {
        let each: Vec<String> = seconds
            .per_token
            .iter()
            .map(|s| format!("{s:.1}"))
            .collect();
        line("  further tokens", each.join(", "));
    }
    for (stage, time) in &seconds.stages {
        line(&format!("  {stage}"), format!("{time:.1}"));
    }
    let bytes = &record.bytes;
    line(
        "peak memory",
        format!(
            "{} (client's backend {}, server's {})",
            output::size(record.peak_memory_bytes),
            output::size(bytes.client_peak),
            output::size(bytes.server_peak)
        ),
    );
    let count = record.ids.len();
    println!("agreement with the same model in the clear over {count} tokens:");
    line(
        "  same likeliest token",
        format!("{:.1} %", 100.0 * record.top1_agreement),
    );
    line(
        "  same token chosen",
        (record.ids == record.reference_ids).to_string(),
    );
    line(
        "  largest logit error",
        format!("{:.2e}", record.max_logit_error),
    );
    line("  largest divergence", format!("{:.2e} nats", record.kl));
}
