//! `he-llama inspect`.

use ckks_math::params::Params;

use crate::cli::args::InspectArgs;
use crate::cli::outline::{FOLLOWED, outline};
use crate::cli::progress::follow;
use crate::cli::screen::{Progress, size};
use crate::cli::sources;
use crate::config::Config;
use crate::encrypted::{PassKind, Placed, Refresh, Shape};
use crate::error::Result;
use crate::length::Length;
use crate::model::Site;
use crate::protocol::{Demand, Setup, session};
use crate::times::TimesInUse;

/// Tokens of a prompt that nobody gave and no tokenizer counts.
const OUTLINED_PROMPT: usize = 16;

/// Shows what a run would be.
///
/// # Errors
///
/// Fails for models that cannot be read or planned.
pub fn run(args: &InspectArgs) -> Result<()> {
    let engine = args.run.engine()?;
    let params = session::parameters(&args.run.preset, engine.limits())?;
    sources::warn_if_insecure(&args.run.preset)?;
    if let Some(directory) = &args.model {
        let config = Config::read(&directory.join("config.json"))?;
        if !has_weights(directory) || config.parameters() > FOLLOWED {
            shapes(&config)?;
            scheme(&params)?;
            let prompt = args.length.prompt_tokens.unwrap_or(OUTLINED_PROMPT);
            let length = match args.length.capacity {
                Some(capacity) => Length::new(capacity, 1)?,
                None => Length::new(prompt, args.length.tokens)?,
            };
            length.check(config.positions, "of the model: ask for fewer")?;
            let (preset, capacity) = (&args.run.preset, length.positions());
            return outline(&config, directory, engine.as_ref(), preset, capacity);
        }
    }
    let source = sources::open(args.model.as_deref())?;
    let capacity = args.length.capacity(&source)?;
    shapes(&source.llama.config)?;
    let calibration = sources::calibration(&source, capacity, false)?;
    let preset = &args.run.preset;
    let (limits, in_use) = (engine.limits(), TimesInUse::of_device(&engine.name())?);
    let times = &in_use.times;
    let setup = Setup::new(&source.llama, &calibration, preset, capacity, limits, times)?;
    ranges(&setup)?;
    scheme(&params)?;
    say!("\nplanned by {in_use}")?;
    show_plan(&setup)?;
    let progress = Progress::new(false);
    let demand = follow(&setup, &progress)?;
    progress.clear();
    costs(&setup, &demand)
}

fn has_weights(directory: &std::path::Path) -> bool {
    ["model.safetensors", "model.safetensors.index.json"]
        .iter()
        .any(|name| directory.join(name).exists())
}

fn scheme(params: &Params) -> Result<()> {
    say!("\nparameters {}", params.name())?;
    say!(
        "  ring degree 2^{}, log QP {:.1}",
        params.literal().log_n,
        params.log_qp()
    )?;
    let security = params
        .security_bits()
        .map_or("NONE".into(), |bits| format!("{bits} bits"));
    say!("  {}, security {security}", params.secret())?;
    Ok(())
}

fn shapes(c: &Config) -> Result<()> {
    say!("model of {} parameters", c.parameters())?;
    say!(
        "  hidden {}, intermediate {}, layers {}",
        c.hidden,
        c.intermediate,
        c.layers
    )?;
    say!(
        "  heads {}, key/value heads {}, head dim {}",
        c.heads,
        c.kv_heads,
        c.head_dim
    )?;
    let head = if c.tied { "tied" } else { "own" };
    say!(
        "  vocabulary {} ({head} head), context {}",
        c.vocabulary,
        c.positions
    )?;
    Ok(())
}

fn ranges(setup: &Setup) -> Result<()> {
    say!(
        "\nranges (calibrated for texts of up to {} tokens)",
        setup.calibration.positions
    )?;
    say!("  {:28} {:>12} {:>12}", "tensor", "bound", "unit")?;
    let mut sites: Vec<(&Site, &f64)> = setup.calibration.bounds.iter().collect();
    sites.sort_by_key(|(site, _)| **site);
    for (site, bound) in sites {
        let unit = setup.units.of(*site)?;
        say!("  {:28} {bound:>12.5} {unit:>12.5}", site.to_string())?;
    }
    Ok(())
}

/// Prints where bootstraps go and the levels they leave.
///
/// # Errors
///
/// Fails when standard output cannot be written.
pub fn show_plan(setup: &Setup) -> Result<()> {
    let capacity = setup.session.capacity;
    let window = Shape::window_tokens(capacity);
    say!("\nconversations of up to {capacity} positions, in windows of {window} tokens")?;
    for (kind, placed) in setup.plan.kinds() {
        let name = match kind {
            PassKind::First => "the first window",
            PassKind::Later => "each further window",
            PassKind::Step => "each further token",
        };
        places(name, setup, placed)?;
    }
    Ok(())
}

fn places(pass: &str, setup: &Setup, placed: &Placed) -> Result<()> {
    let Refresh { slots, bottom } = placed.refresh;
    say!(
        "\n{pass}: {} bootstraps of up to {slots} slots, from level {bottom} to level {}",
        placed.bootstraps,
        setup.budget.top
    )?;
    for (site, level) in &placed.sites {
        say!("  {:28} to level {level}", site.to_string())?;
    }
    Ok(())
}

fn costs(setup: &Setup, demand: &Demand) -> Result<()> {
    say!()?;
    for (stage, work) in &demand.work {
        let name = match (stage.kind, stage.output) {
            (PassKind::Step, _) if stage.behind_window => "a token behind a window",
            (PassKind::Step, _) => "a token behind another",
            (PassKind::First, true) => "the first window",
            (PassKind::First, false) => "the first window, before another",
            (PassKind::Later, true) => "a further window",
            (PassKind::Later, false) => "a further window, before another",
        };
        let (switches, bootstraps) = (work.key_switches, work.bootstraps);
        say!("{name:34} {switches:6} key switches, {bootstraps} bootstraps")?;
    }
    let held = demand.device_bytes(&setup.params);
    say!("\nevaluation keys: {}", demand.keys.len())?;
    for (level, (count, bytes)) in demand.by_level(&setup.params) {
        say!("  {count:4} up to level {level:2}: {}", size(bytes))?;
    }
    say!(
        "  {} sent, {} in memory",
        size(demand.sent_bytes(&setup.params)?),
        size(held)
    )?;
    say!("ciphertexts at work: up to {}", size(demand.working_bytes))?;
    let all = held + demand.working_bytes;
    say!("memory of a server: about {}", size(all))?;
    say!(
        "failure probability of a bootstrap: at most 2^{:.1}",
        demand.failure_log2
    )?;
    Ok(())
}
