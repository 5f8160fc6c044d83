//! `he-llama inspect`.

use ckks_math::params::Params;

use crate::backends;
use crate::cli::args::InspectArgs;
use crate::cli::generate::stages_bar;
use crate::cli::keygen::follow;
use crate::cli::outline::{FOLLOWED, outline};
use crate::cli::output::{self, size};
use crate::config::Config;
use crate::encrypted::{Placed, Refresh};
use crate::error::Result;
use crate::model::Site;
use crate::protocol::{Demand, Setup, session};
use crate::times::TimesInUse;

/// Tokens of a prompt that nobody gave and no tokenizer counts.
const OUTLINED_PROMPT: usize = 16;

pub fn run(args: &InspectArgs) -> Result<()> {
    let engine = backends::open(&args.run.backend, args.run.threads)?;
    let params = session::parameters(&args.run.preset, engine.limits())?;
    output::warn_if_insecure(&args.run.preset);
    if let Some(directory) = &args.model {
        let config = Config::read(&directory.join("config.json"))?;
        if !has_weights(directory) || config.parameters() > FOLLOWED {
            shapes(&config);
            scheme(&params);
            let prompt = args.prompt_tokens.unwrap_or(OUTLINED_PROMPT);
            let (preset, length) = (&args.run.preset, (prompt, args.tokens));
            return outline(&config, directory, engine.as_ref(), preset, length);
        }
    }
    let source = output::open(args.model.as_deref())?;
    shapes(&source.llama.config);
    let (prompt, tokens) = (args.prompt.as_deref(), args.tokens);
    let prompt = output::prompt_length(&source, prompt, args.prompt_tokens, tokens)?;
    let calibration = output::calibration(&source, prompt + tokens, false)?;
    let length = (prompt, tokens);
    let preset = &args.run.preset;
    let (limits, in_use) = (engine.limits(), TimesInUse::of_device(&engine.name())?);
    let times = &in_use.times;
    let setup = Setup::new(&source.llama, &calibration, preset, length, limits, times)?;
    ranges(&setup)?;
    scheme(&params);
    println!("\nplanned by {in_use}");
    show_plan(&setup, tokens);
    let bar = stages_bar(false);
    let demand = follow(&setup, &bar)?;
    bar.finish_and_clear();
    costs(&setup, &demand)
}

fn has_weights(directory: &std::path::Path) -> bool {
    ["model.safetensors", "model.safetensors.index.json"]
        .iter()
        .any(|name| directory.join(name).exists())
}

fn scheme(params: &Params) {
    println!("\nparameters {}", params.name());
    println!(
        "  ring degree 2^{}, log QP {:.1}",
        params.literal().log_n,
        params.log_qp()
    );
    let security = params
        .security_bits()
        .map_or("NONE".into(), |bits| format!("{bits} bits"));
    println!("  {}, security {security}", params.secret());
}

fn shapes(c: &Config) {
    println!("model of {} parameters", c.parameters());
    println!(
        "  hidden {}, intermediate {}, layers {}",
        c.hidden, c.intermediate, c.layers
    );
    println!(
        "  heads {}, key/value heads {}, head dim {}",
        c.heads, c.kv_heads, c.head_dim
    );
    let head = if c.tied { "tied" } else { "own" };
    println!(
        "  vocabulary {} ({head} head), context {}",
        c.vocabulary, c.positions
    );
}

fn ranges(setup: &Setup) -> Result<()> {
    println!(
        "\nranges (calibrated for texts of up to {} tokens)",
        setup.calibration.positions
    );
    println!("  {:28} {:>12} {:>12}", "tensor", "bound", "unit");
    let mut sites: Vec<(&Site, &f64)> = setup.calibration.bounds.iter().collect();
    sites.sort_by_key(|(site, _)| **site);
    for (site, bound) in sites {
        let unit = setup.units.of(*site)?;
        println!("  {:28} {bound:>12.5} {unit:>12.5}", site.to_string());
    }
    Ok(())
}

/// Prints where bootstraps go and the levels they leave.
pub fn show_plan(setup: &Setup, tokens: usize) {
    let prompt = format!("prompt of {} tokens", setup.session.prompt);
    places(&prompt, setup, &setup.plan.prompt);
    if tokens > 1 {
        places("each further token", setup, &setup.plan.step);
    }
}

fn places(pass: &str, setup: &Setup, placed: &Placed) {
    let Refresh { slots, bottom } = placed.refresh;
    println!(
        "\n{pass}: {} bootstraps of up to {slots} slots, from level {bottom} to level {}",
        placed.bootstraps, setup.budget.top
    );
    for (site, level) in &placed.sites {
        println!("  {:28} to level {level}", site.to_string());
    }
}

fn costs(setup: &Setup, demand: &Demand) -> Result<()> {
    let switches: Vec<String> = demand
        .passes
        .iter()
        .map(|w| w.key_switches.to_string())
        .collect();
    println!("key switches by pass: {}", switches.join(", "));
    let held = demand.device_bytes(&setup.params);
    println!("\nevaluation keys: {}", demand.keys.len());
    for (level, (count, bytes)) in demand.by_level(&setup.params) {
        println!("  {count:4} up to level {level:2}: {}", size(bytes));
    }
    println!(
        "  {} sent, {} in memory",
        size(demand.sent_bytes(&setup.params)?),
        size(held)
    );
    println!("ciphertexts at work: up to {}", size(demand.working_bytes));
    let all = held + demand.working_bytes;
    println!("memory of a server: about {}", size(all));
    println!(
        "failure probability of a bootstrap: at most 2^{:.1}",
        demand.failure_log2
    );
    Ok(())
}
