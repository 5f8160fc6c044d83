//! What a circuit asks of its backend.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Add, AddAssign, Sub};

/// A required method that does work, with its unit of work (a limb is `N` residues).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kernel {
    /// Blocks of zeros; limbs.
    Alloc,
    /// Residues to the device (ciphertexts and plaintexts); limbs.
    Upload,
    /// Residues from the device; limbs.
    Download,
    /// Copies; limbs.
    Duplicate,
    /// Switching keys to the device; limbs of both halves.
    LoadSwitchKey,
    /// Plaintext matrices to the device; entries.
    LoadMatrix,
    /// Forward transforms; limbs.
    Ntt,
    /// Inverse transforms; limbs.
    Intt,
    /// Sums and differences; limbs.
    Add,
    /// Products; limbs.
    Multiply,
    /// Products added to an accumulator; limbs.
    MultiplyAccumulate,
    /// Products with constants; limbs.
    ScaleLimbs,
    /// Sums with constants; limbs.
    OffsetLimbs,
    /// Linear combinations; limbs read.
    Combine,
    /// Automorphisms; limbs.
    Automorphism,
    /// Copies of rows and limbs; limbs.
    Restrict,
    /// Concatenations; limbs.
    Stack,
    /// Base conversions; pairs of a source and a target limb that the source lacks.
    BaseConvert,
    /// Key inner products; products of a digit limb with a key limb.
    DotKey,
    /// Matrix products; products of an entry with a limb.
    Gemm,
}

/// A derived operation: counted for the reader, its work is that of the kernels it calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Splitting into digits.
    Decompose,
    /// Division by the special primes.
    ModDown,
    /// Division by the last primes.
    Rescale,
    /// Key switches made in one call.
    KeySwitch,
    /// Key products of permuted digits (hoisted rotations).
    DotKeyPermuted,
    /// Sums of some rows.
    AddRows,
    /// Products of linear polynomials.
    Tensor,
    /// Uploads of polynomials in a subring.
    Embed,
}

/// Work of one kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Calls.
    pub calls: u64,
    /// Polynomials (rows) of the argument; of the result for [`Kernel::Gemm`]; for
    /// [`Kernel::DotKey`] the number of polynomials that are switched.
    pub polynomials: u64,
    /// Units of work, as [`Kernel`] names them.
    pub limbs: u64,
    /// Elementary steps: `N/2 log2 N` butterflies for each transform, `N` for any other unit.
    pub steps: u64,
    /// Bytes read from device memory (for uploads: over the bus).
    pub bytes_read: u64,
    /// Bytes written to device memory (for downloads: over the bus).
    pub bytes_written: u64,
}

/// Calls of a derived operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Calls.
    pub calls: u64,
    /// Polynomials of the argument.
    pub polynomials: u64,
}

/// All work of a circuit or a phase of it.
///
/// Counts add up; the difference of two snapshots is the work between them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    kernels: BTreeMap<Kernel, Tally>,
    operations: BTreeMap<Operation, Usage>,
}

impl Counts {
    /// Work of one kernel.
    pub fn kernel(&self, kernel: Kernel) -> Tally {
        self.kernels.get(&kernel).copied().unwrap_or_default()
    }

    /// The kernels that were called, with their work.
    pub fn kernels(&self) -> impl Iterator<Item = (Kernel, Tally)> + '_ {
        self.kernels.iter().map(|(&k, &t)| (k, t))
    }

    /// Calls of one derived operation.
    pub fn operation(&self, operation: Operation) -> Usage {
        self.operations.get(&operation).copied().unwrap_or_default()
    }

    /// Polynomials multiplied with a switching key, hoisted or not: the number of key switches.
    pub fn key_switches(&self) -> u64 {
        self.kernel(Kernel::DotKey).polynomials
    }

    /// Transforms in both directions, in limbs.
    pub fn transforms(&self) -> u64 {
        self.kernel(Kernel::Ntt).limbs + self.kernel(Kernel::Intt).limbs
    }

    /// Bytes of ciphertexts and plaintexts brought to the device.
    pub fn upload_bytes(&self) -> u64 {
        self.kernel(Kernel::Upload).bytes_written
    }

    /// Bytes brought back.
    pub fn download_bytes(&self) -> u64 {
        self.kernel(Kernel::Download).bytes_read
    }

    /// Bytes of switching keys brought to the device.
    pub fn key_bytes(&self) -> u64 {
        self.kernel(Kernel::LoadSwitchKey).bytes_written
    }

    /// Bytes of plaintext matrices brought to the device.
    pub fn matrix_bytes(&self) -> u64 {
        self.kernel(Kernel::LoadMatrix).bytes_written
    }

    /// Bytes read and written by all kernels, each operand counted once a call.
    pub fn bytes_moved(&self) -> u64 {
        let each = self.kernels.values();
        each.map(|t| t.bytes_read + t.bytes_written).sum()
    }

    pub(super) fn add_work(&mut self, kernel: Kernel, work: Tally) {
        let tally = self.kernels.entry(kernel).or_default();
        *tally = tally.zip(work, u64::wrapping_add);
    }

    pub(super) fn add_operation(&mut self, operation: Operation, polynomials: usize) {
        let usage = self.operations.entry(operation).or_default();
        usage.calls += 1;
        usage.polynomials += polynomials as u64;
    }
}

impl Tally {
    fn zip(self, other: Self, f: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            calls: f(self.calls, other.calls),
            polynomials: f(self.polynomials, other.polynomials),
            limbs: f(self.limbs, other.limbs),
            steps: f(self.steps, other.steps),
            bytes_read: f(self.bytes_read, other.bytes_read),
            bytes_written: f(self.bytes_written, other.bytes_written),
        }
    }
}

impl AddAssign<&Self> for Counts {
    fn add_assign(&mut self, other: &Self) {
        for (&kernel, &work) in &other.kernels {
            self.add_work(kernel, work);
        }
        for (&operation, usage) in &other.operations {
            let mine = self.operations.entry(operation).or_default();
            mine.calls += usage.calls;
            mine.polynomials += usage.polynomials;
        }
    }
}

impl Add<&Self> for Counts {
    type Output = Self;

    fn add(mut self, other: &Self) -> Self {
        self += other;
        self
    }
}

/// The work after the earlier snapshot `other`; kernels without work since then drop out.
impl Sub<&Self> for Counts {
    type Output = Self;

    fn sub(mut self, other: &Self) -> Self {
        for (kernel, tally) in &mut self.kernels {
            *tally = tally.zip(other.kernel(*kernel), u64::saturating_sub);
        }
        for (operation, usage) in &mut self.operations {
            let before = other.operation(*operation);
            usage.calls = usage.calls.saturating_sub(before.calls);
            usage.polynomials = usage.polynomials.saturating_sub(before.polynomials);
        }
        self.kernels.retain(|_, tally| tally.calls > 0);
        self.operations.retain(|_, usage| usage.calls > 0);
        self
    }
}

/// A table with a line for each kernel, then one for each derived operation.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        writeln!(
            f,
            "{:<20} {:>10} {:>10} {:>14} {:>12} {:>12}",
            "kernel", "calls", "polys", "limb ops", "MB read", "MB written"
        )?;
        for (kernel, t) in self.kernels() {
            writeln!(
                f,
                "{:<20} {:>10} {:>10} {:>14} {:>12.1} {:>12.1}",
                format!("{kernel:?}"),
                t.calls,
                t.polynomials,
                t.limbs,
                megabytes(t.bytes_read),
                megabytes(t.bytes_written)
            )?;
        }
        for (operation, usage) in &self.operations {
            writeln!(
                f,
                "{:<20} {:>10} {:>10}",
                format!("{operation:?}"),
                usage.calls,
                usage.polynomials
            )?;
        }
        Ok(())
    }
}
