//! The times of this device's kernels.

use ckks_cpu::{CpuBackend, CpuOptions};
use ckks_math::cost::{KernelTimes, MeasureOptions};
use std::time::Duration;

/// Every class is timed at the degree asked for; what a file holds of the times is the same times.
#[test]
fn each_class_of_kernels_is_timed() {
    let backend = CpuBackend::open(CpuOptions::default()).expect("a CPU");
    let options = MeasureOptions {
        log_degree: 9,
        each: Duration::ZERO,
    };
    let times = KernelTimes::measure(&backend, options).expect("memory enough");
    times.check().expect("times of a device");
    assert_eq!((times.degree, times.threads), (512, 1));
    for (class, ns) in [
        ("transform", times.ntt_limb_ns),
        ("base conversion", times.base_convert_pair_ns),
        ("key product", times.dot_key_product_ns),
        ("product", times.multiply_limb_ns),
        ("sum", times.add_limb_ns),
        ("automorphism", times.automorphism_limb_ns),
        ("copy", times.copy_limb_ns),
        ("matrix product", times.gemm_product_ns),
        ("transfer", times.transfer_byte_ns),
        ("call", times.call_ns),
    ] {
        assert!(ns > 0.0, "{class}: {ns} ns");
    }
    assert_ne!(times, KernelTimes::default());
}
