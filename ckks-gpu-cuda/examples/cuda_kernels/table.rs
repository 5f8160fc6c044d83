//! All measurements.

use crate::bench::{Bench, Work};
use crate::report::{Rates, report};
use crate::{kernels, keys, matrices, refresh};
use ckks_gpu_cuda::CudaBackend;
use ckks_math::arith::ntt_primes_excluding;
use ckks_math::backend::{Basis, Device, RingKind, RingSpec};
use ckks_math::{Error, Result};
use serde_json::Value;

/// How much is measured.
pub struct Extent {
    pub log_n: u32,
    pub limbs: usize,
    /// Rows and columns of matrices.
    pub matrix: usize,
    /// Ciphertexts at once in a refresh.
    pub batches: &'static [usize],
    /// Seconds for each measurement.
    pub budget: f64,
}

/// A part of the table that a card may have no memory for.
type Part<'a> = (&'static str, &'a mut dyn FnMut(&mut Bench) -> Result<()>);

/// Preset whose refresh is timed: real slots in primes below 2^30.
const PRESET: &str = "n16-ci-boot-w31";

fn ring(kind: RingKind, log_n: u32, bits: u32, limbs: usize) -> Result<RingSpec> {
    let q = ntt_primes_excluding(bits, 4 << log_n, limbs, &[])?;
    let p = ntt_primes_excluding(bits, 4 << log_n, kernels::DIGIT, &q)?;
    RingSpec::new(kind, log_n, &q, &p)
}

/// Bytes that a copy on the card reads and writes in a second.
fn bandwidth(bench: &mut Bench, ring: &RingSpec) -> Result<f64> {
    let backend = bench.backend.clone();
    let tables = backend.tables(ring)?;
    let (rows, limbs) = (32, ring.q().len());
    let copied = backend.alloc(&tables, rows, Basis::q(limbs))?;
    let bytes = 2.0 * (rows * limbs * ring.degree() * 4) as f64;
    let work = Work {
        bytes,
        ..Work::default()
    };
    let seconds = bench.time("copy".into(), work, &mut || {
        backend.duplicate(&tables, &copied).map(drop)
    })?;
    Ok(bytes / seconds)
}

/// Measures everything, prints the table and returns it. What the card has no memory for is left
/// out, and said.
pub fn run(backend: &CudaBackend, extent: &Extent) -> Result<Value> {
    let &Extent {
        log_n,
        limbs,
        matrix,
        batches,
        budget,
    } = extent;
    let name = backend.name();
    println!("{name}, N = 2^{log_n}, {limbs} limbs");
    let mut bench = Bench {
        backend: backend.clone(),
        rows: Vec::new(),
        left_out: Vec::new(),
        budget,
    };
    let plain = ring(RingKind::Standard, log_n, 29, limbs)?;
    let rates = Rates {
        bytes: bandwidth(&mut bench, &plain)?,
        operations: backend.integer_rate(),
        tensor: backend.tensor_rate(),
    };
    for rows in [1, 8] {
        kernels::measure(&mut bench, "standard, 30 bits", &plain, rows)?;
    }
    let real = ring(RingKind::ConjugateInvariant, log_n, 29, limbs)?;
    kernels::measure(&mut bench, "real, 30 bits", &real, 8)?;
    let tight = ring(RingKind::Standard, log_n, 30, limbs)?;
    kernels::measure(&mut bench, "standard, 31 bits", &tight, 8)?;
    let wide = ring(RingKind::Standard, log_n, 59, limbs.div_ceil(2))?;
    kernels::measure(&mut bench, "standard, 60 bits", &wide, 8)?;
    let parts: [Part<'_>; 3] = [
        ("keys", &mut |b| {
            keys::measure(b, "standard, 30 bits", &plain)
        }),
        ("matrices", &mut |b| {
            matrices::measure(b, "standard, 30 bits", &plain, matrix)?;
            matrices::measure(b, "standard, 60 bits", &wide, matrix)
        }),
        ("half_boot", &mut |b| {
            refresh::measure(b, PRESET, log_n, batches)
        }),
    ];
    for (part, measure) in parts {
        match measure(&mut bench) {
            Err(error @ Error::OutOfMemory { .. }) => bench.leave_out(part, &error),
            other => other?,
        }
    }
    let mut table = report(&bench, &rates, &name);
    table["left_out"] = bench.left_out.into();
    Ok(table)
}
