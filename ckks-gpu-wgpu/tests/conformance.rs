//! The conformance suite on the first adapter of this machine; skipped where there is none, unless
//! `CKKS_REQUIRE_DEVICE` names `wgpu`. As it is; with memory poisoned, on 32-bit integers alone and in
//! buffers of few rows; with default bodies only.

use ckks_gpu_wgpu::{Options, WgpuBackend};
use ckks_math::conformance::{DefaultsOnly, Skip, suite};

fn open(options: Options) -> Result<WgpuBackend, Skip> {
    WgpuBackend::open_with(0, options).map_err(|e| Skip::new("wgpu", e.to_string()))
}

/// Blocks of several buffers at the degrees of the suite: rows of 7 limbs of 256 residues, two a buffer.
const FEW_ROWS: u64 = 2 * 7 * 256 * 4;

fn portable() -> Options {
    Options {
        portable: true,
        ..Options::default()
    }
}

fn in_pieces() -> Options {
    Options {
        buffer: Some(FEW_ROWS),
        ..portable()
    }
}

suite! { mod plain, backend = open(Options::default()) }
suite! { mod poisoned, backend = open(portable()).map(WgpuBackend::poisoned) }
suite! { mod defaults, backend = open(in_pieces()).map(DefaultsOnly) }
