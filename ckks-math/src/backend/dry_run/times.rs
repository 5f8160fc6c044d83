//! From counts to seconds: a linear model with times measured on a device.

use super::counts::{Counts, Kernel};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// No kernel takes so long for one unit of work: about eleven days.
const LONGEST_NS: f64 = 1e15;

/// Times of kernels on a device, in nanoseconds for one unit of work at ring degree `degree`.
///
/// Measure each on one thread with blocks larger than the caches (`threads` then divides), or on
/// the whole device with `threads = 1`. Other degrees are scaled by elementary steps: `N log N`
/// for transforms, `N` for the rest.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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

/// Equal fields, bit for bit.
impl PartialEq for KernelTimes {
    fn eq(&self, other: &Self) -> bool {
        let bits = |x: &Self| x.fields().map(|(_, ns)| ns.to_bits());
        (self.degree, self.threads) == (other.degree, other.threads) && bits(self) == bits(other)
    }
}

impl Eq for KernelTimes {}

/// One core with AVX-512 (IFMA), the machine of BENCHMARKS.md; plans depend on their ratios alone.
impl Default for KernelTimes {
    fn default() -> Self {
        Self {
            degree: 1 << 16,
            ntt_limb_ns: 110e3,
            base_convert_pair_ns: 8e3,
            dot_key_product_ns: 25e3,
            multiply_limb_ns: 50e3,
            add_limb_ns: 40e3,
            automorphism_limb_ns: 50e3,
            copy_limb_ns: 35e3,
            gemm_product_ns: 3.5e3,
            transfer_byte_ns: 0.08,
            call_ns: 3e3,
            threads: 1,
        }
    }
}

impl KernelTimes {
    /// The times by name. Those of the first four cannot be 0.
    fn fields(&self) -> [(&'static str, f64); 10] {
        // Named one by one, so that a new field cannot be forgotten here.
        let Self {
            degree: _,
            ntt_limb_ns,
            base_convert_pair_ns,
            dot_key_product_ns,
            multiply_limb_ns,
            add_limb_ns,
            automorphism_limb_ns,
            copy_limb_ns,
            gemm_product_ns,
            transfer_byte_ns,
            call_ns,
            threads: _,
        } = *self;
        [
            ("ntt_limb_ns", ntt_limb_ns),
            ("dot_key_product_ns", dot_key_product_ns),
            ("multiply_limb_ns", multiply_limb_ns),
            ("add_limb_ns", add_limb_ns),
            ("base_convert_pair_ns", base_convert_pair_ns),
            ("automorphism_limb_ns", automorphism_limb_ns),
            ("copy_limb_ns", copy_limb_ns),
            ("gemm_product_ns", gemm_product_ns),
            ("transfer_byte_ns", transfer_byte_ns),
            ("call_ns", call_ns),
        ]
    }

    /// Names the times: equal for equal times, and on every platform. FNV-1a of all fields.
    ///
    /// Plans depend on the times they are made with, so that two sides that plan for themselves
    /// agree on a plan only if they agree on this.
    pub fn fingerprint(&self) -> u64 {
        let times = self.fields().map(|(_, ns)| ns.to_bits());
        let words = [self.degree as u64, self.threads as u64];
        let bytes = words.into_iter().chain(times).flat_map(u64::to_le_bytes);
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        })
    }

    /// Fails unless these can be the times of a device.
    ///
    /// # Errors
    /// [`Error::KernelTimes`] if the degree is no power of two above 1, if there is no thread, if a
    /// time is negative or no number below `1e15` ns, or if that of a transform, a product or a sum
    /// is 0. It names the field and its value.
    pub fn check(&self) -> Result<()> {
        let bad = |field, found: &dyn ToString, expected| {
            Err(Error::KernelTimes {
                field,
                found: found.to_string(),
                expected,
            })
        };
        if self.degree < 2 || !self.degree.is_power_of_two() {
            return bad("degree", &self.degree, "a power of two above 1");
        }
        if self.threads == 0 {
            return bad("threads", &self.threads, "at least 1");
        }
        for (i, (field, ns)) in self.fields().into_iter().enumerate() {
            if !(0.0..LONGEST_NS).contains(&ns) {
                return bad(field, &ns, "from 0 to below 1e15 ns");
            }
            if i < 4 && ns == 0.0 {
                return bad(field, &ns, "above 0 ns");
            }
        }
        Ok(())
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    /// Every field enters the fingerprint, and every value that no device has is refused by name.
    #[test]
    fn each_field_names_and_is_checked() {
        let default = KernelTimes::default();
        default.check().expect("times of a device");
        let json = serde_json::to_value(default).expect("serializable");
        let object = json.as_object().expect("fields");
        assert_eq!(object.len(), default.fields().len() + 2);
        let with = |field: &str, value: serde_json::Value| -> KernelTimes {
            let mut changed = object.clone();
            changed.insert(field.to_owned(), value);
            serde_json::from_value(changed.into()).expect("readable")
        };
        for field in object.keys() {
            let other = with(field, 2.into());
            assert_ne!(other.fingerprint(), default.fingerprint(), "{field}");
            other.check().expect("2 is admitted everywhere");
        }
        assert_eq!(
            with("degree", 65536.into()).fingerprint(),
            default.fingerprint()
        );
        for (field, value) in default.fields().map(|(field, _)| (field, -1.0)) {
            assert_refused(&with(field, value.into()), field, "-1");
        }
        assert_refused(&with("ntt_limb_ns", 0.into()), "ntt_limb_ns", "0");
        assert_refused(&with("threads", 0.into()), "threads", "0");
        assert_refused(&with("degree", 48.into()), "degree", "48");
        let endless = KernelTimes {
            call_ns: f64::NAN,
            ..default
        };
        assert_refused(&endless, "call_ns", "NaN");
        with("call_ns", 0.into())
            .check()
            .expect("calls may be free");
    }

    fn assert_refused(times: &KernelTimes, name: &str, value: &str) {
        let refusal = times.check().expect_err("no device has these");
        assert!(
            matches!(&refusal, Error::KernelTimes { field, found, .. } if *field == name && found == value),
            "{refusal}"
        );
    }
}
