//! What the tests of this crate share: an adapter, or a skip.

use ckks_gpu_wgpu::{Options, WgpuBackend};
use ckks_math::conformance::Skip;

/// The first adapter; none, with the word SKIPPED, where there is none.
///
/// # Panics
/// Where `CKKS_REQUIRE_DEVICE` names `wgpu`.
pub fn open(options: Options) -> Option<WgpuBackend> {
    let opened = WgpuBackend::open_with(0, options);
    let skip = |error: ckks_math::Error| Skip::new("wgpu", error.to_string());
    opened.map_err(|error| skip(error).announce("a test")).ok()
}
