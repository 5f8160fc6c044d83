//! Progress of planning, keys and passes in words.

use crate::cli::screen::{Progress, size, time};
use crate::encrypted::Event;
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
    let passes = setup.session.passes();
    demand(setup, passes, &mut |done| {
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
    let seconds = |pass: usize| {
        let work = demand.passes.get(pass).map_or(0.0, |work| work.seconds);
        Duration::try_from_secs_f64(work).map_or_else(|_| "unknown".into(), time)
    };
    note!(
        "about {} of memory at the server, {} of keys to make and send",
        size(memory),
        size(keys)
    )?;
    let later = match demand.passes.len() {
        0 | 1 => String::new(),
        _ => format!(", {} for each further one", seconds(1)),
    };
    note!(
        "about {} for the first token{later}, by the times of kernels on one core",
        seconds(0)
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
