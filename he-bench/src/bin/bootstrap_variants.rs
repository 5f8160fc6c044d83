//! Prints what each way to bootstrap costs, by a dry run: levels of CoeffsToSlots and
//! SlotsToCoeffs, and rotation keys against time.

use ckks_math::backend::Device as _;
use ckks_math::backend::dry_run::{DryRun, Kernel};
use ckks_math::bootstrap::{BootstrapOptions, RotationKeys, refresh_cost};
use clap::Parser;
use he_bench::{Result, exit_status, sets};
use std::process::ExitCode;

/// Key switches, transforms, products, keys and memory of a refresh for each variant.
#[derive(Parser)]
struct Arguments {
    /// The parameter set: a preset with `boot` in its name.
    #[arg(long, value_name = "NAME", default_value = "n16-boot")]
    preset: String,
    /// Slots: a power of two from 4; all of them if not given.
    #[arg(long, value_name = "N")]
    slots: Option<usize>,
    /// Complex slots (two EvalMods) instead of real ones.
    #[arg(long)]
    complex: bool,
    /// Keep all encoded diagonals on the device.
    #[arg(long)]
    resident: bool,
}

fn main() -> ExitCode {
    exit_status(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<()> {
    let params = sets::parameters(&arguments.preset, DryRun::default().limits())?;
    let slots = arguments.slots.unwrap_or(params.max_slots());
    let reserved = params.literal().bootstrap.as_ref();
    let [cts, stc] = reserved.map_or([1; 2], |b| {
        [b.coeffs_to_slots_levels, b.slots_to_coeffs_levels]
    });
    let kind = if arguments.complex { "complex" } else { "real" };
    println!("{}: {slots} {kind} slots", params.name());
    println!(
        "{:>4} {:>4} {:>9} {:>6} {:>6} {:>9} {:>11} {:>13} {:>6} {:>10} {:>12}",
        "CtS",
        "StC",
        "keys",
        "input",
        "output",
        "switches",
        "transforms",
        "limb products",
        "keys",
        "keys, GiB",
        "working, GiB"
    );
    let gib = |bytes: u64| bytes as f64 / (1_u64 << 30) as f64;
    for coeffs_to_slots in 2.min(cts)..=cts {
        for slots_to_coeffs in 2.min(stc)..=stc {
            for keys in [
                RotationKeys::Many,
                RotationKeys::Balanced,
                RotationKeys::Few,
            ] {
                let options = BootstrapOptions {
                    coeffs_to_slots_levels: Some(coeffs_to_slots),
                    slots_to_coeffs_levels: Some(slots_to_coeffs),
                    resident: arguments.resident,
                    keys,
                    ..BootstrapOptions::default()
                };
                let cost = refresh_cost(&params, slots, options, arguments.complex)?;
                let products = [Kernel::Multiply, Kernel::MultiplyAccumulate, Kernel::DotKey]
                    .map(|kernel| cost.counts.kernel(kernel).limbs);
                println!(
                    "{coeffs_to_slots:>4} {slots_to_coeffs:>4} {:>9} {slots_to_coeffs:>6} {:>6} {:>9} {:>11} {:>13} {:>6} {:>10.2} {:>12.2}",
                    format!("{keys:?}").to_lowercase(),
                    cost.output_level,
                    cost.counts.key_switches(),
                    cost.counts.transforms(),
                    products.iter().sum::<u64>(),
                    cost.keys,
                    gib(cost.key_bytes),
                    gib(cost.working_bytes),
                );
            }
        }
    }
    Ok(())
}
