//! From counts to seconds: a linear model with times measured on a device.

use super::counts::{Counts, Kernel};
use serde::{Deserialize, Serialize};

/// Times of kernels on a device, in nanoseconds for one unit of work at ring degree `degree`.
///
/// Measure each on one thread with blocks larger than the caches (`threads` then divides), or on
/// the whole device with `threads = 1`. Other degrees are scaled by elementary steps: `N log N`
/// for transforms, `N` for the rest.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct KernelTimes {
    /// Ring degree of the measurements, a power of two above 1.
    pub degree: usize,
    /// A forward or inverse transform of a limb.
    pub ntt_limb_ns: f64,
    /// A pair of a source and a target limb in base conversion.
    pub base_convert_pair_ns: f64,
    /// A product of a digit limb with a key limb.
    pub dot_key_product_ns: f64,
    /// A limb of an element-wise product, alone, accumulated or with a constant.
    pub multiply_limb_ns: f64,
    /// A limb of a sum or difference.
    pub add_limb_ns: f64,
    /// A limb of an automorphism.
    pub automorphism_limb_ns: f64,
    /// A limb copied or cleared.
    pub copy_limb_ns: f64,
    /// A product of a matrix entry with a limb.
    pub gemm_product_ns: f64,
    /// A byte over the bus (uploads, downloads, keys and matrices).
    pub transfer_byte_ns: f64,
    /// Fixed cost of a kernel call: launch, scheduling. Not divided by `threads`.
    pub call_ns: f64,
    /// Threads that share the work of a call.
    pub threads: usize,
}

impl KernelTimes {
    /// Predicted seconds of all counted work.
    pub fn seconds(&self, counts: &Counts) -> f64 {
        self.by_kernel(counts).iter().map(|(_, s)| s).sum()
    }

    /// Predicted seconds of each kernel that was called.
    pub fn by_kernel(&self, counts: &Counts) -> Vec<(Kernel, f64)> {
        let degree = self.degree as f64;
        let butterflies = degree / 2.0 * degree.log2();
        let times = counts.kernels().map(|(kernel, tally)| {
            let (unit_ns, steps_of_unit) = match kernel {
                Kernel::Ntt | Kernel::Intt => (self.ntt_limb_ns, butterflies),
                Kernel::BaseConvert => (self.base_convert_pair_ns, degree),
                Kernel::DotKey => (self.dot_key_product_ns, degree),
                Kernel::Multiply
                | Kernel::MultiplyAccumulate
                | Kernel::ScaleLimbs
                | Kernel::Combine => (self.multiply_limb_ns, degree),
                Kernel::Add | Kernel::OffsetLimbs => (self.add_limb_ns, degree),
                Kernel::Automorphism => (self.automorphism_limb_ns, degree),
                Kernel::Alloc | Kernel::Duplicate | Kernel::Restrict | Kernel::Stack => {
                    (self.copy_limb_ns, degree)
                }
                Kernel::Gemm => (self.gemm_product_ns, degree),
                Kernel::Upload | Kernel::Download | Kernel::LoadSwitchKey | Kernel::LoadMatrix => {
                    let bytes = tally.bytes_read + tally.bytes_written;
                    let ns = bytes as f64 * self.transfer_byte_ns;
                    return (kernel, (ns + tally.calls as f64 * self.call_ns) * 1e-9);
                }
            };
            let work = tally.steps as f64 * unit_ns / steps_of_unit / self.threads.max(1) as f64;
            (kernel, (work + tally.calls as f64 * self.call_ns) * 1e-9)
        });
        times.collect()
    }
}
