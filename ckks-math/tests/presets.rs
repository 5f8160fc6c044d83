//! The table of presets in the crate's documentation says what the presets are.

use ckks_math::backend::Device;
use ckks_math::backend::dry_run::DryRun;
use ckks_math::bootstrap::{BootstrapOptions, Bootstrapper};
use ckks_math::params::{preset, preset_names};
use ckks_math::{Context, Result};

/// The row of a preset.
fn row(name: &str) -> Result<String> {
    let backend = DryRun::default();
    let params = preset(name)?.check(backend.limits())?;
    let literal = params.literal();
    let usable = match &literal.bootstrap {
        None => params.max_level(),
        // Slots for as many levels of SlotsToCoeffs as the set reserves; more take more time.
        Some(_) => {
            let context = Context::new(params.clone(), backend)?;
            let refresh = Bootstrapper::new(&context, 64, BootstrapOptions::default())?;
            refresh.output_level() - refresh.input_level()
        }
    };
    let (log_n, slots, log_qp) = (literal.log_n, params.max_slots(), params.log_qp().round());
    let bits = literal.log_scale;
    Ok(format!(
        "//! | `{name}` | {log_n} | {slots} | {log_qp} | {usable} | {bits} |"
    ))
}

#[test]
fn the_table_of_presets_is_true() {
    let source = include_str!("../src/lib.rs");
    let rows = preset_names().iter().map(|name| row(name).unwrap());
    let missing: Vec<String> = rows
        .filter(|row| !source.lines().any(|line| line == row))
        .collect();
    assert!(
        missing.is_empty(),
        "src/lib.rs lacks\n{}",
        missing.join("\n")
    );
    let rows = source
        .lines()
        .filter(|line| line.starts_with("//! | `n"))
        .count();
    assert_eq!(
        rows,
        preset_names().len(),
        "src/lib.rs has rows of other presets"
    );
}
