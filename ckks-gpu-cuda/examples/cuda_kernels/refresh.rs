//! The second half of a refresh, launch by launch and captured.

use crate::bench::{ACCUMULATE, Bench, PRODUCT, SUM, Unit, Work};
use ckks_gpu_cuda::CudaBackend;
use ckks_math::backend::dry_run::{Counts, DryRun, Kernel};
use ckks_math::backend::{Backend, Device};
use ckks_math::bootstrap::{BootstrapOptions, Bootstrapper, refresh_requests};
use ckks_math::keys::{EvaluationKeys, KeyGenerator, SecretKey, merge_demand};
use ckks_math::params::preset;
use ckks_math::sampling::Seed;
use ckks_math::{Ciphertext, Context, Encryptor, Evaluator, Params, Result};
use std::sync::Arc;

/// The set: 128-bit secure at N = 2^16, a smaller ring protects nothing and is for tests.
fn parameters(name: &str, log_n: u32, backend: &CudaBackend) -> Result<Params> {
    let mut literal = preset(name)?;
    if literal.log_n == log_n {
        return literal.check(backend.limits());
    }
    literal.log_n = log_n;
    literal.check_insecure_for_tests(backend.limits())
}

fn options() -> BootstrapOptions {
    BootstrapOptions {
        resident: true,
        ..BootstrapOptions::default()
    }
}

/// Times `half_boot` of all slots of a preset, for each batch.
pub fn measure(bench: &mut Bench, name: &str, log_n: u32, batches: &[usize]) -> Result<()> {
    let backend = bench.backend.clone();
    let params = parameters(name, log_n, &backend)?;
    let slots = params.max_slots();
    let secret = SecretKey::from_seed(&params, Seed::from_bytes([1; 32]))?;
    let requests = refresh_requests(&params, slots, options(), false)?;
    let context = Context::new(params.clone(), backend.clone())?;
    let keys = KeyGenerator::new(&context, &secret)?;
    let keys = Arc::new(keys.evaluation_keys(merge_demand(&params, &requests))?);
    let mut encryptor = Encryptor::with_secret_key(&context, &secret, Seed::from_bytes([2; 32]))?;
    let values: Vec<f64> = (0..slots).map(|i| (i % 101) as f64 / 50.0 - 1.0).collect();
    let forms = [
        ("launch by launch", context),
        (
            "captured",
            Context::new(params.clone(), backend.with_graphs())?,
        ),
    ];
    for (form, context) in forms {
        let ev = Evaluator::new(context.clone(), Arc::clone(&keys));
        let boot = Bootstrapper::new(&context, slots, options())?;
        let level = boot.input_level();
        let plain = context.encode(&values, level, params.scale_at(level))?;
        let coefficients = boot.slots_to_coeffs(&ev, &encryptor.encrypt(&plain)?)?;
        for &batch in batches {
            let x = ev.join(&vec![coefficients.clone(); batch])?;
            let work = work(&params, slots, batch)?;
            let name = format!(
                "{name} of N = 2^{log_n}: half_boot, {slots} slots, {batch} at once, {form}"
            );
            // The second use captures: neither is timed.
            for _ in 0..2 {
                drop(boot.half_boot(&ev, &x)?);
            }
            let half = &mut || boot.half_boot(&ev, &x).map(drop);
            let seconds = bench.time(name, work, half)?;
            bench.note("us_each", seconds * 1e6 / batch as f64);
        }
    }
    Ok(())
}

/// What the kernels of one half must do, counted by a dry run.
fn work(params: &Params, slots: usize, batch: usize) -> Result<Work> {
    let context = Context::new(params.clone(), DryRun::default())?;
    let boot = Bootstrapper::new(&context, slots, options())?;
    let ev = Evaluator::new(context.clone(), Arc::new(EvaluationKeys::recording()));
    let x = zeros(&ev, &boot, slots, batch)?;
    // The first makes the keys; the second is counted.
    drop(boot.half_boot(&ev, &x)?);
    let before = context.backend().counts();
    drop(boot.half_boot(&ev, &x)?);
    Ok(total(
        &(context.backend().counts() - &before),
        Unit::of(params.ring()),
    ))
}

fn zeros<B: Backend>(
    ev: &Evaluator<B>,
    boot: &Bootstrapper<B>,
    slots: usize,
    batch: usize,
) -> Result<Ciphertext<B>> {
    boot.slots_to_coeffs(ev, &ev.zeros(slots, boot.input_level(), batch)?)
}

/// Bytes as if each kernel ran on its own, and operations as in the other rows.
fn total(counts: &Counts, unit: Unit) -> Work {
    let mut all = Work::default();
    for (kernel, tally) in counts.kernels() {
        // The dry run counts words of 64 bits.
        all.bytes += (tally.bytes_read + tally.bytes_written) as f64 * unit.word / 8.0;
        let each = match kernel {
            Kernel::Ntt | Kernel::Intt => unit.transform(),
            Kernel::BaseConvert => 3.0,
            Kernel::DotKey | Kernel::MultiplyAccumulate | Kernel::Combine => ACCUMULATE,
            Kernel::Multiply | Kernel::ScaleLimbs => PRODUCT,
            Kernel::Add | Kernel::OffsetLimbs => SUM,
            _ => 0.0,
        };
        all.operations += unit.work(0.0, tally.limbs as f64 * each).operations;
    }
    all
}
