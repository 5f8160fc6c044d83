//! Failures are typed and last: once memory ran out or the device is lost, every call says so.

use crate::common::open;
use ckks_gpu_wgpu::{Options, WgpuBackend};
use ckks_math::Error;
use ckks_math::arith::ntt_primes;
use ckks_math::backend::{Basis, Device, Pointwise, RingKernels, RingKind, RingSpec};

fn ring() -> RingSpec {
    let q = ntt_primes(30, 1 << 13, 4).unwrap();
    RingSpec::new(RingKind::Standard, 12, &q, &[]).unwrap()
}

fn open_small(memory: u64) -> Option<WgpuBackend> {
    open(Options {
        memory: Some(memory),
        ..Options::default()
    })
}

#[test]
fn a_lost_device_is_a_typed_error_of_every_later_call() {
    let Some(backend) = open(Options::default()) else {
        return;
    };
    let t = backend.tables(&ring()).unwrap();
    let mut x = backend.alloc(&t, 1, Basis::q(4)).unwrap();
    let y = backend.alloc(&t, 1, Basis::q(4)).unwrap();
    backend.synchronize().unwrap();
    backend.lose();
    // The loss may surface late, but at the latest where somebody waits; then it stays.
    let first = backend
        .pointwise_assign(&t, Pointwise::Add, &mut x, &y)
        .and_then(|()| backend.synchronize());
    assert!(matches!(first, Err(Error::Device { .. })), "{first:?}");
    for _ in 0..2 {
        let calls = [
            backend.pointwise_assign(&t, Pointwise::Add, &mut x, &y),
            backend.synchronize(),
            backend.download(&t, &x).map(drop),
            backend.alloc(&t, 1, Basis::q(1)).map(drop),
            backend.clone().synchronize(),
        ];
        for call in calls {
            assert!(matches!(call, Err(Error::Device { .. })), "{call:?}");
        }
    }
}

/// 16 MiB hold the tables and some blocks of 64 KiB, not thousands; what the pool keeps is given
/// back before anything is refused.
#[test]
fn memory_that_runs_out_is_a_typed_error_of_every_later_call() {
    let Some(backend) = open_small(16 << 20) else {
        return;
    };
    let t = backend.tables(&ring()).unwrap();
    // Sizes of many classes one after the other: they fit only if freed ones make room.
    for rows in (1..=128).chain((1..=128).rev()) {
        drop(backend.alloc(&t, rows, Basis::q(4)).unwrap());
    }
    let refused = (0..).map(|_| backend.alloc(&t, 4, Basis::q(4)));
    let mut held = Vec::new();
    for block in refused {
        match block {
            Ok(block) => held.push(block),
            Err(error) => {
                let Error::OutOfMemory { asked, free, .. } = error else {
                    panic!("{error:?}");
                };
                assert!(
                    asked >= 4 * 4 * 4 * 4096 && free < asked,
                    "{asked} of {free}"
                );
                break;
            }
        }
    }
    assert!(held.len() > 32, "{} blocks", held.len());
    drop(held);
    let again = backend.alloc(&t, 1, Basis::q(1)).map(drop);
    assert!(matches!(again, Err(Error::OutOfMemory { .. })), "{again:?}");
    let again = backend.synchronize();
    assert!(matches!(again, Err(Error::OutOfMemory { .. })), "{again:?}");
}

/// Without a driver, or beyond the last adapter, the error says what there is.
#[test]
fn a_missing_adapter_is_named() {
    let refused = WgpuBackend::open(99).err().unwrap();
    assert!(matches!(refused, Error::Unsupported { .. }));
    let words = refused.to_string();
    assert!(words.contains("cpu backend"), "{words}");
    match WgpuBackend::adapters() {
        Ok(found) => assert!(
            words.contains(&format!("adapter 99 where there are {}", found.len())),
            "{words}"
        ),
        Err(none) => {
            // Which graphics systems were looked for, and what became of each.
            let systems = ["vulkan ", "metal ", "dx12 "];
            assert!(systems.iter().any(|s| words.contains(s)), "{words}");
            assert_eq!(words, none.to_string());
        }
    }
}
