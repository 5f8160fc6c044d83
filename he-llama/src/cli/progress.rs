//! Progress of planning, keys and passes in words.

use crate::cli::screen::{Progress, size, time};
use crate::encrypted::{Event, PassKind, Shape};
use crate::error::Result;
use crate::protocol::{Demand, Setup, demand};
use crate::runner::stage;
use std::time::Duration;

/// The keys and the work of a whole session, with progress.
///
/// # Errors
///
/// Fails where planning does.
pub fn follow(setup: &Setup, progress: &Progress) -> Result<Demand> {
    demand(setup, &mut |done, passes| {
        progress.at(done, passes, &|| "planning".into())
    })
}

/// Says before a run what it will take, unless `quiet`.
///
/// # Errors
///
/// Fails when standard error cannot be written.
pub fn announce(setup: &Setup, demand: &Demand, quiet: bool) -> Result<()> {
    if quiet {
        return Ok(());
    }
    let memory = demand.device_bytes(&setup.params) + demand.working_bytes;
    let keys = demand.sent_bytes(&setup.params)?;
    let in_words =
        |seconds| Duration::try_from_secs_f64(seconds).map_or_else(|_| "unknown".into(), time);
    let of_kind = |kind| {
        let mut stages = demand
            .work
            .iter()
            .filter(|(stage, _)| stage.kind == kind && stage.output);
        stages.next().map(|(_, work)| in_words(work.seconds))
    };
    note!(
        "about {} of memory at the server, {} of keys to make and send",
        size(memory),
        size(keys)
    )?;
    let tokens = Shape::window_tokens(setup.session.capacity);
    let kinds = [
        (
            PassKind::First,
            format!("the first {tokens} tokens of a prompt"),
        ),
        (PassKind::Later, format!("each further {tokens}")),
        (PassKind::Step, "each token behind".to_owned()),
    ];
    let parts = kinds.into_iter();
    let parts = parts.filter_map(|(kind, what)| Some(format!("{} for {what}", of_kind(kind)?)));
    let parts: Vec<String> = parts.collect();
    note!(
        "about {}, by the times of kernels on one core",
        parts.join(", ")
    )
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
