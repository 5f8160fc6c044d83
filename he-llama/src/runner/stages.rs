//! The server's time by part of the model, and the memory of the process.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::encrypted::Event;
use crate::model::{Role, Site};

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

/// Divides time among the parts of the model. The machine reports when it starts a bootstrap; the
/// time until its next report counts as the bootstrap's.
pub struct Watch {
    layers: usize,
    since: Instant,
    stages: BTreeMap<&'static str, f64>,
}

impl Watch {
    /// A watch that starts now, for `layers` decoder layers.
    pub fn new(layers: usize) -> Self {
        let stages = BTreeMap::new();
        Self {
            layers,
            since: Instant::now(),
            stages,
        }
    }

    /// Counts the time since the last report.
    pub fn see(&mut self, event: Event) {
        // The time since the last event belongs to what this one ends.
        let name = match event {
            Event::Refreshed(_) => "bootstrap",
            Event::Reached(site) | Event::Refresh(site, _) => stage(site, self.layers),
        };
        let now = Instant::now();
        *self.stages.entry(name).or_default() += (now - self.since).as_secs_f64();
        self.since = now;
    }

    /// Adds the times to `all`.
    pub fn add_to(self, all: &mut BTreeMap<&'static str, f64>) {
        for (name, seconds) in self.stages {
            *all.entry(name).or_default() += seconds;
        }
    }
}

/// Largest resident memory of this process in bytes, where the system says it.
pub fn process_peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}
