use ckks_math::backend::{
    Device,
    dry_run::{DryRun, KernelTimes},
};
use he_llama::{
    embedded,
    protocol::{Setup, demand},
};
use std::sync::Arc;
use std::time::Instant;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let capacity: usize = args[2].parse().unwrap();
    let source = if args.len() > 3 {
        he_llama::source::Source::open(std::path::Path::new(&args[3])).unwrap()
    } else {
        embedded::source().unwrap()
    };
    let calibration = if args.len() > 3 {
        Arc::new(
            he_llama::calibrate::Calibration::load(
                &source.llama,
                Some(std::path::Path::new(&args[3])),
            )
            .unwrap()
            .unwrap()
            .0,
        )
    } else {
        Arc::new(embedded::calibration(&source.llama).unwrap())
    };
    let t = Instant::now();
    let setup = Setup::new(
        &source.llama,
        &calibration,
        &args[1],
        capacity,
        DryRun::default().limits(),
        &KernelTimes::default(),
    )
    .unwrap();
    println!("plan {:?}", t.elapsed());
    for (kind, placed) in setup.plan.kinds() {
        println!(
            "{kind:?} {} bootstraps {:?}\n   {:?}",
            placed.bootstraps,
            placed.refresh,
            placed
                .sites
                .iter()
                .map(|(s, l)| format!("{s}:{l}"))
                .collect::<Vec<_>>()
        );
    }
    let t = Instant::now();
    let demand = demand(&setup, &mut |_, _| Ok(())).unwrap();
    println!("demand {:?}", t.elapsed());
    for (s, w) in &demand.work {
        println!("{s:?} {w:?}");
    }
    println!(
        "keys {} sent {} GB memory {} GB",
        demand.keys.len(),
        demand.sent_bytes(&setup.params).unwrap() as f64 / 1e9,
        demand.device_bytes(&setup.params) as f64 / 1e9
    );
}
