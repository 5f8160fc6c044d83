//! `he-llama simulate`.

use crate::cli::args::SimulateArgs;
use crate::cli::inspect::show_plan;
use crate::cli::screen::show;
use crate::cli::sources;
use crate::cli::targets::{check_record, write_record};
use crate::error::{Error, Result};
use crate::length::Length;
use crate::model::NoiseModel;
use crate::protocol::session;
use crate::runner::Reference;
use crate::simulate::{Record, Run, simulate};

/// Generates text with the simulated twin.
///
/// # Errors
///
/// Fails where planning or the model do, and, with `--check`, when a token differs.
pub fn run(args: &SimulateArgs) -> Result<()> {
    let text = &args.text;
    if !(4.0..=52.0).contains(&args.noise_bits) {
        let (found, expected) = (args.noise_bits.to_string(), "from 4 to 52");
        return Err(Error::Argument {
            name: "noise-bits",
            found,
            expected,
        });
    }
    let sampler = sources::sampler(text.sampling)?;
    let engine = args.run.engine()?;
    session::parameters(&args.run.preset, engine.limits())?;
    check_record(text.json.as_deref(), text.force)?;
    let source = sources::open(text.model.as_deref())?;
    let prompt = text.prompt.text_or_default()?;
    let ids = source.prompt(&prompt, text.tokens)?;
    let capacity = Length::new(ids.len(), text.tokens)?.positions();
    let preset = &args.run.preset;
    let setup = sources::setup(&source, engine.as_ref(), preset, capacity, text.quiet)?;

    let noise = NoiseModel {
        refresh_bits: args.noise_bits,
        operation_bits: args.noise_bits + 8.0,
        seed: text.sampling.seed,
    };
    let mut stream = source.tokenizer.stream(&ids)?;
    let mut generated = String::new();
    if !text.quiet {
        show(&prompt)?;
    }
    let run = simulate(
        &source,
        &setup,
        &ids,
        text.tokens,
        &sampler,
        noise,
        &mut |step| {
            let new = stream.push(step.id)?;
            generated.push_str(&new);
            show(&new)
        },
    )?;
    let rest = stream.finish()?;
    generated.push_str(&rest);
    show(&(rest + "\n"))?;

    if !text.quiet {
        report(&run, noise)?;
        show_plan(&setup)?;
    }
    let record = record(run, ids, generated, noise);
    if let Some(path) = &text.json {
        write_record(path, &record)?;
    }
    let reference = Reference {
        reference_ids: Some(record.reference_ids),
        ..Reference::default()
    };
    match reference.expect(&record.ids) {
        Err(differs) if !text.check => note!("{differs}"),
        result => result,
    }
}

fn report(run: &Run, noise: NoiseModel) -> Result<()> {
    let (top1_agreement, max_logit_error, kl) = run.worst();
    let (count, bits) = (run.steps.len(), noise.refresh_bits);
    say!("\nagreement with the exact model over {count} tokens:")?;
    say!("  same likeliest token  {:.1} %", 100.0 * top1_agreement)?;
    say!("  largest logit error   {max_logit_error:.2e}")?;
    say!("  largest divergence    {kl:.2e} nats")?;
    say!("  noise modelled        2^-{bits} of each range")?;
    for (site, e) in &run.escapes {
        let (count, worst, lo, hi) = (e.count, e.worst, e.lo, e.hi);
        say!("warning: {count} values at {site} left [{lo:.3}, {hi:.3}], worst {worst:.3}")?;
    }
    Ok(())
}

fn record(run: Run, prompt_ids: Vec<u32>, text: String, noise: NoiseModel) -> Record {
    let (top1_agreement, max_logit_error, kl) = run.worst();
    Record {
        prompt_ids,
        ids: run.steps.iter().map(|s| s.id).collect(),
        reference_ids: run.steps.iter().map(|s| s.reference_id).collect(),
        top1_agreement,
        kl,
        max_logit_error,
        text,
        noise,
        escapes: run.escapes,
    }
}
