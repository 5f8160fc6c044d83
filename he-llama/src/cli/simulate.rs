//! `he-llama simulate`.

use crate::backends;
use crate::cli::args::SimulateArgs;
use crate::cli::inspect::show_plan;
use crate::cli::output;
use crate::embedded;
use crate::error::{Error, Result};
use crate::model::NoiseModel;
use crate::protocol::{Setup, session};
use crate::simulate::{Record, simulate};
use crate::times::TimesInUse;

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
    let sampler = output::sampler(text.sampling)?;
    let engine = backends::open(&args.run.backend, args.run.threads)?;
    let limits = engine.limits();
    session::parameters(&args.run.preset, limits)?;
    output::check_writable(text.json.as_deref())?;
    let source = output::open(text.model.as_deref())?;
    let prompt = text.prompt.as_deref().unwrap_or(embedded::PROMPT);
    let ids = source.prompt(prompt, text.tokens)?;
    let calibration = output::calibration(&source, ids.len() + text.tokens, text.quiet)?;

    let noise = NoiseModel {
        refresh_bits: args.noise_bits,
        operation_bits: args.noise_bits + 8.0,
        seed: text.sampling.seed,
    };
    output::warn_if_insecure(&args.run.preset);
    let length = (ids.len(), text.tokens);
    let setup = Setup::new(
        &source.llama,
        &calibration,
        &args.run.preset,
        length,
        limits,
        &TimesInUse::of_device(&engine.name())?.times,
    )?;
    let mut stream = source.tokenizer.stream(&ids)?;
    let mut generated = String::new();
    if !text.quiet {
        output::show(prompt)?;
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
            output::show(&new)
        },
    )?;
    let rest = stream.finish()?;
    generated.push_str(&rest);
    output::show(&(rest + "\n"))?;

    let (top1_agreement, max_logit_error, kl) = run.worst();
    if !text.quiet {
        println!(
            "\nagreement with the exact model over {} tokens:",
            run.steps.len()
        );
        println!("  same likeliest token  {:.1} %", 100.0 * top1_agreement);
        println!("  largest logit error   {max_logit_error:.2e}");
        println!("  largest divergence    {kl:.2e} nats");
        println!(
            "  noise modelled        2^-{} of each range",
            args.noise_bits
        );
        show_plan(&setup, text.tokens);
        for (site, e) in &run.escapes {
            let (count, worst, lo, hi) = (e.count, e.worst, e.lo, e.hi);
            println!("warning: {count} values at {site} left [{lo:.3}, {hi:.3}], worst {worst:.3}");
        }
    }
    let Some(path) = &text.json else {
        return Ok(());
    };
    let record = Record {
        prompt_ids: ids,
        ids: run.steps.iter().map(|s| s.id).collect(),
        reference_ids: run.steps.iter().map(|s| s.reference_id).collect(),
        top1_agreement,
        kl,
        max_logit_error,
        text: generated,
        noise,
        escapes: run.escapes,
    };
    output::write_json(path, &record)
}
