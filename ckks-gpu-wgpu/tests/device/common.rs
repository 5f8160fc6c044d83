//! What the tests of this crate share: an adapter, or a skip.

use ckks_gpu_wgpu::{Options, WgpuBackend};

/// The first adapter; none, with the word SKIPPED, where there is none.
///
/// # Panics
/// Where `CKKS_REQUIRE_DEVICE` names `wgpu`.
pub fn open(options: Options) -> Option<WgpuBackend> {
    match WgpuBackend::open_with(0, options) {
        Ok(backend) => Some(backend),
        Err(error) => {
            let required = std::env::var("CKKS_REQUIRE_DEVICE").unwrap_or_default();
            assert!(
                !required.split(',').any(|kind| kind.trim() == "wgpu"),
                "{error}"
            );
            println!("SKIPPED ({error})");
            None
        }
    }
}
