//! The conformance suite on the first adapter of this machine; skipped where there is none, unless
//! `CKKS_REQUIRE_DEVICE` names `wgpu`. As it is; with memory poisoned, on 32-bit integers alone and
//! in buffers of few rows; with default bodies only.

use ckks_gpu_wgpu::{Options, WgpuBackend};
use ckks_math::conformance::{DefaultsOnly, Skip, suite};
use std::sync::LazyLock;

/// A device compiles its kernels once, which takes longer than the laws: laws share two, each with
/// a pool of its own.
type Opened = LazyLock<Result<WgpuBackend, Skip>>;

static AS_IT_IS: Opened = LazyLock::new(|| open(false));
static PORTABLE: Opened = LazyLock::new(|| open(true));

fn open(portable: bool) -> Result<WgpuBackend, Skip> {
    let options = Options {
        portable,
        ..Options::default()
    };
    WgpuBackend::open_with(0, options).map_err(|e| Skip::new("wgpu", e.to_string()))
}

fn share(opened: &Opened, options: Options) -> Result<WgpuBackend, Skip> {
    match &**opened {
        Ok(backend) => Ok(backend.with_own_pool(options)),
        Err(skip) => Err(skip.clone()),
    }
}

/// Blocks of several buffers at the degrees of the suite: of 7 limbs of 256 residues, two rows.
fn in_pieces() -> Options {
    Options {
        buffer: Some(2 * 7 * 256 * 4),
        ..Options::default()
    }
}

suite! { mod plain, backend = share(&AS_IT_IS, Options::default()) }
suite! { mod poisoned, backend = share(&PORTABLE, in_pieces()).map(WgpuBackend::poisoned) }
suite! { mod defaults, backend = share(&PORTABLE, Options::default()).map(DefaultsOnly) }
