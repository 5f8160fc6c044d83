//! The workloads under Criterion: `cargo bench -p he-bench -- rotate`.
//!
//! Names are `params/id`; the first argument that is no option chooses the ids, as `--filter` of
//! `cargo xtask bench` does, so that keys of what is not asked for are not made.

use ckks_math::Params;
use ckks_math::backend::Device as _;
use criterion::Criterion;
use he_bench::workload::{self, Body, Filter, Group, Harness};
use he_bench::{Result, select, sets};

struct UnderCriterion {
    criterion: Criterion,
    filter: Filter,
}

impl Harness for UnderCriterion {
    fn wants(&self, id: &str) -> bool {
        self.filter.admits(id)
    }

    fn time(&mut self, id: &'static str, params: &Params, body: &mut Body<'_>) -> Result<()> {
        // Once outside, for the error: Criterion's closures cannot return one.
        body()?;
        self.criterion
            .bench_function(&format!("{}/{id}", params.name()), |b| {
                b.iter(|| body().expect("the same run succeeded before"));
            });
        Ok(())
    }
}

fn main() -> Result<()> {
    let filter = std::env::args().skip(1).find(|a| !a.starts_with('-'));
    let backend = select::cpu(None)?;
    let mut harness = UnderCriterion {
        criterion: Criterion::default().sample_size(10).configure_from_args(),
        filter: Filter::new(filter.as_deref())?,
    };
    let sets = sets::Sets::of(backend.limits());
    let scheme = sets.scheme.iter().map(|&name| (name, Group::Scheme));
    let bootstrap = sets.bootstrap.iter().map(|&name| (name, Group::Bootstrap));
    let layer = [(sets.layer, Group::Layer)];
    for (name, group) in scheme.chain(bootstrap).chain(layer) {
        let params = sets::parameters(name, backend.limits())?;
        workload::run(&backend, &params, group, &mut harness)?;
    }
    harness.criterion.final_summary();
    Ok(())
}
