//! Times of a device's kernels, by running them.
//!
//! Each class of kernels runs on blocks that are larger than caches, first on shapes, which says
//! how many units of work it does, then on the device, a few times, of which the median counts. A
//! call of a kernel on next to nothing gives the time of a call, which is taken off the others.

use crate::arith::ntt_primes;
use crate::backend::dry_run::{Counts, DryRun, Kernel, KernelTimes};
use crate::backend::{Backend, Basis, Pointwise, RingKind, RingSpec, SwitchKeyData};
use crate::error::Result;
use std::cell::RefCell;
use std::time::{Duration, Instant};

/// How kernels are timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MeasureOptions {
    /// log2 of the ring degree, at least 4. A device that admits less gets what it admits.
    pub log_degree: u32,
    /// How long each class of kernels is timed, at least [`MeasureOptions::LEAST`] times.
    pub each: Duration,
}

impl MeasureOptions {
    /// Least number of timed runs of each class.
    pub const LEAST: usize = 3;
    /// Most of them.
    const MOST: usize = 25;
}

impl Default for MeasureOptions {
    /// The degree of the presets that bootstrap; three seconds in all.
    fn default() -> Self {
        Self {
            log_degree: 16,
            each: Duration::from_millis(250),
        }
    }
}

/// Moduli of the measured ciphertexts, and special ones; a digit has as many as are special.
const MODULI: usize = 12;
const SPECIAL: usize = 4;
/// Rows of the blocks: with 16 limbs of 8 bytes at N = 2^16, 64 MiB.
const ROWS: usize = 8;
/// Outputs of the measured matrix, whose inputs are the rows.
const OUTPUTS: usize = 64;
/// Calls that the time of one is the mean of.
const CALLS: usize = 128;

/// A step of the measurement: what it runs on a device.
#[derive(Clone, Copy, Debug)]
enum Step {
    Transforms,
    BaseConversion,
    KeyProduct,
    Products,
    Sums,
    Automorphism,
    Copies,
    MatrixProduct,
    Transfers,
}

impl KernelTimes {
    /// Times the kernels of a device, with all the threads it has: `threads` is 1.
    ///
    /// # Errors
    /// Those of the device: [`crate::Error::OutOfMemory`] where it has no room for about 0.6 GB,
    /// [`crate::Error::Unsupported`] and [`crate::Error::Device`].
    pub fn measure<B: Backend>(backend: &B, options: MeasureOptions) -> Result<Self> {
        let limits = backend.limits();
        let log_degree = options.log_degree.max(4).min(limits.max_degree.ilog2());
        // Presets have primes of 49 bits, or of 29 for devices of short words.
        let bits = if limits.max_modulus_bits > 49 { 49 } else { 29 };
        let ring = ring(log_degree, bits, MODULI, SPECIAL)?;
        // A degree at which a call is all that a kernel costs.
        let small = self::ring(log_degree.min(8), bits, 1, 0)?;
        let call_ns = call_ns(backend, &small, options)?;

        let residues = residues(&ring, ROWS);
        let dry = Bench::new(DryRun::default(), &ring, &residues)?;
        let device = Bench::new(backend.clone(), &ring, &residues)?;
        let unit = |step: Step, weigh: &dyn Fn(&Counts) -> u64| -> Result<f64> {
            let before = dry.backend.counts();
            dry.run(step)?;
            let counts = dry.backend.counts() - &before;
            let calls: u64 = counts.kernels().map(|(_, tally)| tally.calls).sum();
            let ns = median_ns(&device.backend, options, || device.run(step))?;
            let ns = (ns - calls as f64 * call_ns).max(ns / 2.0);
            Ok(rounded(ns / weigh(&counts).max(1) as f64))
        };
        let limbs = |kernels: &'static [Kernel]| {
            let sum = |counts: &Counts| kernels.iter().map(|&k| counts.kernel(k).limbs).sum();
            move |counts: &Counts| -> u64 { sum(counts) }
        };
        let times = Self {
            degree: ring.degree(),
            ntt_limb_ns: unit(Step::Transforms, &limbs(&[Kernel::Ntt, Kernel::Intt]))?,
            base_convert_pair_ns: unit(Step::BaseConversion, &limbs(&[Kernel::BaseConvert]))?,
            dot_key_product_ns: unit(Step::KeyProduct, &limbs(&[Kernel::DotKey]))?,
            multiply_limb_ns: unit(
                Step::Products,
                &limbs(&[Kernel::MultiplyAccumulate, Kernel::ScaleLimbs]),
            )?,
            add_limb_ns: unit(Step::Sums, &limbs(&[Kernel::Add]))?,
            automorphism_limb_ns: unit(Step::Automorphism, &limbs(&[Kernel::Automorphism]))?,
            copy_limb_ns: unit(Step::Copies, &limbs(&[Kernel::Duplicate]))?,
            gemm_product_ns: unit(Step::MatrixProduct, &limbs(&[Kernel::Gemm]))?,
            transfer_byte_ns: unit(Step::Transfers, &Counts::bytes_moved)?,
            call_ns: rounded(call_ns),
            threads: 1,
        };
        times.check()?;
        Ok(times)
    }
}

fn ring(log_degree: u32, bits: u32, q: usize, p: usize) -> Result<RingSpec> {
    let primes = ntt_primes(bits, 2 << log_degree, q + p)?;
    let (q, p) = primes.split_at(q);
    RingSpec::new(RingKind::Standard, log_degree, q, p)
}

/// Residues of `rows` rows over all primes, without structure, the same each time.
fn residues(ring: &RingSpec, rows: usize) -> Vec<u64> {
    let moduli: Vec<u64> = ring.q().iter().chain(ring.p()).map(|m| m.value()).collect();
    let limbs = moduli.iter().cycle().take(rows * moduli.len());
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut words = Vec::with_capacity(rows * moduli.len() * ring.degree());
    for q in limbs {
        words.extend((0..ring.degree()).map(|_| {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            (state >> 3) % q
        }));
    }
    words
}

/// Nanoseconds of a call of a kernel on next to nothing.
fn call_ns<B: Backend>(backend: &B, ring: &RingSpec, options: MeasureOptions) -> Result<f64> {
    let tables = backend.tables(ring)?;
    let words = residues(ring, 1);
    let mut x = backend.upload(&tables, 1, Basis::q(1), &words)?;
    let y = backend.upload(&tables, 1, Basis::q(1), &words)?;
    let mut calls = || {
        (0..CALLS).try_for_each(|_| backend.pointwise_assign(&tables, Pointwise::Add, &mut x, &y))
    };
    Ok(median_ns(backend, options, &mut calls)? / CALLS as f64)
}

/// The median of what a run takes, with all that it submits.
fn median_ns<B: Backend>(
    backend: &B,
    options: MeasureOptions,
    mut run: impl FnMut() -> Result<()>,
) -> Result<f64> {
    // The first run allocates, and compiles where a device does.
    run()?;
    backend.synchronize()?;
    let start = Instant::now();
    let mut samples = Vec::new();
    while samples.len() < MeasureOptions::LEAST
        || (start.elapsed() < options.each && samples.len() < MeasureOptions::MOST)
    {
        let clock = Instant::now();
        run()?;
        backend.synchronize()?;
        samples.push(clock.elapsed().as_nanos() as f64);
    }
    samples.sort_unstable_by(f64::total_cmp);
    Ok(samples[samples.len() / 2])
}

/// To four significant digits, so that a file holds it exactly; never 0.
fn rounded(ns: f64) -> f64 {
    let unit = 10_f64.powi(ns.max(1e-6).log10().floor() as i32 - 3);
    let digits = (ns.max(1e-6) / unit).round();
    // The nearest number to the decimal one, which a product with `unit` may miss.
    format!("{digits}e{}", unit.log10().round() as i32)
        .parse()
        .unwrap_or(digits * unit)
}

/// Operands of all steps on one device.
struct Bench<'a, B: Backend> {
    backend: B,
    tables: B::Tables,
    ring: &'a RingSpec,
    residues: &'a [u64],
    /// Rows over all primes, evaluations.
    x: B::Block,
    /// As many, transformed in place.
    transformed: RefCell<B::Block>,
    /// Rows over the primes of one digit, coefficients.
    digit: B::Block,
    /// The digits of one polynomial.
    digits: B::Block,
    key: B::SwitchKey,
    matrix: B::PlainMatrix,
}

impl<'a, B: Backend> Bench<'a, B> {
    fn new(backend: B, ring: &'a RingSpec, residues: &'a [u64]) -> Result<Self> {
        let tables = backend.tables(ring)?;
        let (all, n) = (Basis::qp(MODULI, SPECIAL), ring.degree());
        let upload = |rows: usize, basis: Basis| {
            let words = rows * basis.limbs() * n;
            backend.upload(&tables, rows, basis, &residues[..words])
        };
        let mut x = upload(ROWS, all)?;
        backend.ntt(&tables, &mut x)?;
        let digit = backend.restrict(&tables, &upload(ROWS, all)?, 0..ROWS, Basis::q(SPECIAL))?;
        let count = MODULI.div_ceil(SPECIAL);
        let digits = backend.restrict(&tables, &x, 0..count, all)?;
        let half = &residues[..count * all.limbs() * n];
        let key = SwitchKeyData {
            basis: all,
            digit_size: SPECIAL,
            b: half,
            a: half,
        };
        let key = backend.load_switch_key(&tables, &key)?;
        let entry = |i: usize| (i as i64 * 0x2545_f491) % (1 << 24) - (1 << 23);
        let entries: Vec<i64> = (0..OUTPUTS * ROWS).map(entry).collect();
        let matrix = backend.load_matrix(&tables, OUTPUTS, ROWS, &entries)?;
        let transformed = RefCell::new(backend.duplicate(&tables, &x)?);
        Ok(Self {
            backend,
            tables,
            ring,
            residues,
            x,
            transformed,
            digit,
            digits,
            key,
            matrix,
        })
    }

    fn run(&self, step: Step) -> Result<()> {
        let (backend, t) = (&self.backend, &self.tables);
        let all = Basis::qp(MODULI, SPECIAL);
        match step {
            Step::Transforms => {
                let mut x = self.transformed.borrow_mut();
                backend.intt(t, &mut x)?;
                backend.ntt(t, &mut x)
            }
            Step::BaseConversion => backend.base_convert(t, &self.digit, all).map(drop),
            Step::KeyProduct => backend.dot_key(t, &self.digits, &self.key).map(drop),
            Step::Products => self.products(),
            Step::Sums => backend
                .pointwise(t, Pointwise::Add, &self.x, &self.x)
                .map(drop),
            Step::Automorphism => backend.automorphism(t, &self.x, 5).map(drop),
            Step::Copies => backend.duplicate(t, &self.x).map(drop),
            Step::MatrixProduct => backend.gemm(t, &self.matrix, &self.x).map(drop),
            Step::Transfers => {
                let words = self.ring.degree() * all.limbs();
                let block = backend.upload(t, 1, all, &self.residues[..words])?;
                backend.download(t, &block).map(drop)
            }
        }
    }

    /// Sums of products as linear transforms have them, and products with constants.
    fn products(&self) -> Result<()> {
        let (backend, t) = (&self.backend, &self.tables);
        let sums: Vec<Vec<(usize, usize)>> = vec![(0..ROWS).map(|i| (0, i)).collect(); 2];
        let words = self.ring.degree();
        let mut made = backend.sum_products(t, &[&self.digits], &self.x, words, &sums)?;
        let moduli = self.ring.q().iter().chain(self.ring.p());
        let constants: Vec<u64> = moduli.map(|m| m.value() / 3).collect();
        for sum in &mut made {
            backend.scale_limbs(t, sum, &constants)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_to_four_digits() {
        for (ns, expected) in [
            (123_456.0, 123_500.0),
            (0.080_049, 0.080_05),
            (9.999_96, 10.0),
            (0.0, 1e-6),
        ] {
            assert_eq!(rounded(ns), expected);
        }
    }
}
