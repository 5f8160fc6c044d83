//! Timing one operation, and what it must do.

use ckks_gpu_cuda::CudaBackend;
use ckks_math::backend::Device;
use ckks_math::{Error, Result};
use std::time::Instant;

/// 32-bit operations of one reduction by a constant, and of a product of two residues, counted in
/// the kernels: a high product, low products, additions and minima.
pub const BY_CONSTANT: f64 = 5.0;
pub const PRODUCT: f64 = 8.0;
/// One product added to a sum, and one sum modulo a prime.
pub const ACCUMULATE: f64 = 4.0;
pub const SUM: f64 = 3.0;
/// The same for words of 64 bits, each product of which takes about four of 32.
const LONG: f64 = 4.0;

/// What one operation must do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    /// Bytes to read and write.
    pub bytes: f64,
    /// 32-bit integer operations.
    pub operations: f64,
    /// Products of bytes on tensor cores.
    pub tensor: f64,
}

/// Words of a ring and its degree: what a word moved and an operation on it count.
#[derive(Clone, Copy, Debug)]
pub struct Unit {
    pub n: f64,
    pub word: f64,
    factor: f64,
}

impl Unit {
    pub fn of(ring: &ckks_math::backend::RingSpec) -> Self {
        let long = ring.q().iter().chain(ring.p()).any(|m| m.bits() > 31);
        let (word, factor) = if long { (8.0, LONG) } else { (4.0, 1.0) };
        let n = ring.degree() as f64;
        Self { n, word, factor }
    }

    /// So many limbs moved, and so many operations on each residue of a limb.
    pub fn work(self, limbs: f64, operations: f64) -> Work {
        Work {
            bytes: limbs * self.n * self.word,
            operations: operations * self.n * self.factor,
            tensor: 0.0,
        }
    }

    /// Operations on each residue of a limb that is transformed.
    pub fn transform(self) -> f64 {
        0.5 * self.n.log2() * (BY_CONSTANT + 3.0)
    }
}

/// One line of the table.
#[derive(Clone, Debug)]
pub struct Row {
    pub name: String,
    pub microseconds: f64,
    pub work: Work,
    /// What else is to be said of it, as in `key_bytes`.
    pub notes: Vec<(&'static str, f64)>,
}

/// The card and what was measured on it.
pub struct Bench {
    pub backend: CudaBackend,
    pub rows: Vec<Row>,
    /// What was not measured, and why.
    pub left_out: Vec<String>,
    /// Seconds that one measurement may take.
    pub budget: f64,
}

impl Bench {
    /// Time of one run in seconds: the least of several measurements, each of enough runs to hide
    /// the launch. The first run is not counted.
    pub fn time(
        &mut self,
        name: String,
        work: Work,
        run: &mut dyn FnMut() -> Result<()>,
    ) -> Result<f64> {
        run()?;
        self.backend.synchronize()?;
        let (mut best, mut runs) = (f64::INFINITY, 1_u32);
        let start = Instant::now();
        while start.elapsed().as_secs_f64() < self.budget || best.is_infinite() {
            let begin = Instant::now();
            for _ in 0..runs {
                run()?;
            }
            self.backend.synchronize()?;
            let each = begin.elapsed().as_secs_f64() / f64::from(runs);
            best = best.min(each);
            runs = ((self.budget / 8.0 / each) as u32).clamp(1, 1000);
        }
        let microseconds = best * 1e6;
        println!("{name:52} {microseconds:12.1} us");
        self.rows.push(Row {
            name,
            microseconds,
            work,
            notes: Vec::new(),
        });
        Ok(best)
    }

    /// Says that something is not measured here.
    pub fn leave_out(&mut self, name: &str, why: &Error) {
        println!("{name}: left out, {why}");
        self.left_out.push(format!("{name}: {why}"));
    }

    /// Says something of the last row.
    pub fn note(&mut self, name: &'static str, value: f64) {
        if let Some(row) = self.rows.last_mut() {
            row.notes.push((name, value));
        }
    }
}
