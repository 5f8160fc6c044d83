//! The conformance suite on the card of this machine; skipped where there is none, unless
//! `CKKS_REQUIRE_DEVICE` names `cuda`.

use ckks_gpu_cuda::CudaBackend;
use ckks_math::conformance::{DefaultsOnly, Skip, suite};

fn open() -> Result<CudaBackend, Skip> {
    CudaBackend::open(0).map_err(|e| Skip::new("cuda", e.to_string()))
}

suite! { mod plain, backend = open() }
suite! { mod poisoned, backend = open().map(CudaBackend::poisoned) }
suite! { mod defaults, backend = open().map(DefaultsOnly) }

/// Without a driver the error names the library, and nothing panics.
#[test]
fn a_missing_driver_is_named() {
    if let Err(refusal) = CudaBackend::open(0) {
        assert!(matches!(refusal, ckks_math::Error::Unsupported { .. }));
        let words = refusal.to_string();
        assert!(
            words.contains("driver") && words.contains("cpu backend"),
            "{words}"
        );
    }
}
