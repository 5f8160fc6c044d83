//! Times every workload and writes records: `cargo xtask bench`.

use ckks_math::Params;
use ckks_math::backend::{Backend, Limits};
use clap::Parser;
use he_bench::compare::{Comparison, duration, table};
use he_bench::measure::{Budget, Samples};
use he_bench::record::{self, Origin, Record, RecordFile};
use he_bench::workload::{self, Body, Filter, Group, Harness};
use he_bench::{Error, Result, exit_status, select, sets};
use std::path::PathBuf;
use std::process::ExitCode;

/// Times the library's operations.
///
/// Without --params: the scheme on N = 2^16, log Q about 1380, five digits, in 60-bit and in
/// 49-bit primes; bootstrapping and a decoder layer on n16-boot.
#[derive(Parser)]
#[command(bin_name = "cargo xtask bench")]
struct Arguments {
    /// Take few samples: all benchmarks in a few minutes.
    #[arg(long)]
    quick: bool,
    /// Write the records to this file, as a JSON array.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Threads of the backend; without it, one for each core.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Only the benchmark of this id, or those below this path (such as `ntt`).
    #[arg(long, value_name = "ID")]
    filter: Option<String>,
    /// Only this parameter set: a preset, n16-deep-w49, or a ring for tests as insecure-n11-boot.
    #[arg(long, value_name = "NAME")]
    params: Option<String>,
    /// The backend: cpu, cuda or wgpu; a card's options follow behind commas, as in cuda,graphs.
    #[arg(long, value_name = "NAME", default_value = "cpu")]
    backend: String,
    /// List the ids and stop.
    #[arg(long, exclusive = true)]
    list: bool,
    /// Measure nothing: print a file of records as a Markdown table.
    #[arg(long, value_name = "FILE", exclusive = true)]
    table: Option<PathBuf>,
    /// Measure nothing: compare two files of records.
    #[arg(long, num_args = 2, value_names = ["OLD", "NEW"], exclusive = true)]
    compare: Option<Vec<PathBuf>>,
}

impl Arguments {
    fn nothing_to_run(&self) -> Error {
        Error::NothingToRun {
            filter: self.filter.clone().unwrap_or_default(),
            params: self.params.clone().unwrap_or_default(),
        }
    }
}

/// Takes samples within a budget and keeps the records.
struct Recorder {
    filter: Filter,
    budget: Budget,
    threads: usize,
    backend: String,
    origin: Origin,
    records: Vec<Record>,
}

impl Harness for Recorder {
    fn wants(&self, id: &str) -> bool {
        self.filter.admits(id)
    }

    fn time(&mut self, id: &'static str, params: &Params, body: &mut Body<'_>) -> Result<()> {
        let samples = Samples::take(self.budget, body)?;
        let (threads, backend) = (self.threads, &self.backend);
        let record = Record::new(id, params.name(), threads, backend, &samples, &self.origin);
        println!(
            "{:30} {:14} {:>10} median {:>10} min {:>5} samples",
            record.id,
            record.params,
            duration(record.median_ns),
            duration(record.min_ns),
            record.samples
        );
        self.records.push(record);
        Ok(())
    }
}

fn main() -> ExitCode {
    exit_status(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<()> {
    if arguments.list {
        workload::IDS.iter().for_each(|id| println!("{id}"));
        return Ok(());
    }
    if let Some(path) = &arguments.table {
        print!("{}", table(&record::read(path)?));
        return Ok(());
    }
    if let Some([old, new]) = arguments.compare.as_deref() {
        println!(
            "{}",
            Comparison::new(&record::read(old)?, &record::read(new)?)
        );
        return Ok(());
    }
    let filter = Filter::new(arguments.filter.as_deref())?;
    let run = Run { arguments, filter };
    select::visit(&arguments.backend, arguments.threads, run)?
}

/// A run of benchmarks on the backend that was asked for.
struct Run<'a> {
    arguments: &'a Arguments,
    filter: Filter,
}

impl select::Visitor for Run<'_> {
    type Output = Result<()>;

    fn visit<B: Backend>(self, backend: B, threads: usize) -> Result<()> {
        let Self { arguments, filter } = self;
        let plan = plan(arguments.params.as_deref(), &filter, backend.limits())?;
        if !plan
            .iter()
            .any(|&(_, group)| workload::ids_of(group).any(|id| filter.admits(id)))
        {
            return Err(arguments.nothing_to_run());
        }
        let mut recorder = Recorder {
            filter,
            budget: if arguments.quick {
                Budget::QUICK
            } else {
                Budget::FULL
            },
            threads,
            backend: backend.name(),
            origin: Origin::here(),
            records: Vec::new(),
        };
        let file = arguments
            .json
            .as_deref()
            .map(RecordFile::create)
            .transpose()?;
        println!(
            "{}, {}, commit {}",
            recorder.backend, recorder.origin.cpu, recorder.origin.commit
        );
        let outcome = plan
            .iter()
            .try_for_each(|(params, group)| workload::run(&backend, params, *group, &mut recorder));
        // What was measured before a failure is kept.
        file.map_or(Ok(()), |file| file.write(&recorder.records))
            .and(outcome)?;
        // Some ids are of one ring alone.
        if recorder.records.is_empty() {
            return Err(arguments.nothing_to_run());
        }
        Ok(())
    }
}

/// Parameter sets with what runs on them: the defaults, or all that one set admits.
fn plan(only: Option<&str>, filter: &Filter, limits: Limits) -> Result<Vec<(Params, Group)>> {
    let check = |name: &str| sets::parameters(name, limits);
    let mut plan = Vec::new();
    if let Some(name) = only {
        let params = check(name)?;
        plan.push((params.clone(), Group::Scheme));
        if params.literal().bootstrap.is_some() {
            plan.push((params.clone(), Group::Bootstrap));
            let wanted = workload::ids_of(Group::Layer).any(|id| filter.admits(id));
            if wanted && workload::runs_layer(name, limits)? {
                plan.push((params, Group::Layer));
            }
        }
        return Ok(plan);
    }
    let sets = sets::Sets::of(limits);
    for name in sets.scheme {
        plan.push((check(name)?, Group::Scheme));
    }
    for name in sets.bootstrap {
        plan.push((check(name)?, Group::Bootstrap));
    }
    if workload::runs_layer(sets.layer, limits)? {
        plan.push((check(sets.layer)?, Group::Layer));
    }
    Ok(plan)
}
