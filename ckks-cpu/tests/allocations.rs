//! Kernels on the hot path do not allocate: blocks and scratch come from the pool, and what is left
//! on the heap are lists of tasks and of shapes.

use ckks_cpu::{CpuBackend, CpuOptions};
use ckks_math::backend::{Device, RingKind};
use ckks_math::keys::{GaloisElement, KeyGenerator, KeyPurpose, KeyRequest, SecretKey};
use ckks_math::params::{ParamsLiteral, SecretDistribution};
use ckks_math::sampling::Seed;
use ckks_math::{Context, Encryptor, Evaluator};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts allocations, and remembers the largest.
struct Counting;

static COUNT: AtomicUsize = AtomicUsize::new(0);
static LARGEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of one run of `work` and the size of the largest, after two runs to warm up.
fn counted(mut work: impl FnMut()) -> (usize, usize) {
    work();
    work();
    COUNT.store(0, Ordering::Relaxed);
    LARGEST.store(0, Ordering::Relaxed);
    work();
    (
        COUNT.load(Ordering::Relaxed),
        LARGEST.load(Ordering::Relaxed),
    )
}

/// Bytes of a limb at `N = 2^13`.
const LIMB: usize = 8 << LOG_N;
const LOG_N: u32 = 13;
/// Allocations for each limb of the widest basis that an operation may make.
const FOR_EACH_LIMB: usize = 16;

fn literal(ring: RingKind) -> ParamsLiteral {
    ParamsLiteral {
        name: "allocations".into(),
        ring,
        log_n: LOG_N,
        level_bits: vec![45; 9],
        word_bits: 49,
        special_primes: 3,
        special_bits: 46,
        digit_size: 3,
        log_scale: 45,
        secret: SecretDistribution::SparseTernary { weight: 192 },
        bootstrap: None,
    }
}

/// Nine moduli in three digits, on one thread and two, on both rings.
///
/// No allocation comes near a limb, and their number is bounded by limbs, whatever N: a kernel that
/// allocated once a block of 256 words would alone add 32 a limb.
#[test]
fn operations_allocate_lists_of_tasks_only() {
    for kind in [RingKind::Standard, RingKind::ConjugateInvariant] {
        for threads in [1, 2] {
            let options = CpuOptions {
                threads: Some(threads),
                ..CpuOptions::default()
            };
            let backend = CpuBackend::open(options).unwrap();
            let params = literal(kind).check_insecure_for_tests(backend.limits());
            let context = Context::new(params.unwrap(), backend).unwrap();
            let params = context.params();
            let level = params.max_level();
            let secret = SecretKey::from_seed(params, Seed::from_bytes([1; 32])).unwrap();
            let rotation = KeyPurpose::Galois(GaloisElement::rotation(params.ring(), 1));
            let requests = [KeyPurpose::Relinearization, rotation]
                .map(|purpose| KeyRequest { purpose, level });
            let generator = KeyGenerator::new(&context, &secret).unwrap();
            let keys = generator.evaluation_keys(requests).unwrap();
            let x = context.encode(&[0.5, -1.0], level, params.scale_at(level));
            let seed = Seed::from_bytes([2; 32]);
            let mut encryptor = Encryptor::with_secret_key(&context, &secret, seed).unwrap();
            let x = encryptor.encrypt(&x.unwrap()).unwrap();
            let server = Evaluator::new(context.clone(), Arc::new(keys));
            let operations: [(&str, &dyn Fn()); 3] = [
                ("mul", &|| drop(server.mul(&x, &x).unwrap())),
                ("rotate", &|| drop(server.rotate(&x, 1).unwrap())),
                ("rescale", &|| drop(server.rescale(&x).unwrap())),
            ];
            for (name, operation) in operations {
                let (count, largest) = counted(operation);
                println!("{kind:?}, {threads} threads, {name}: {count}, largest {largest} bytes");
                assert!(largest < LIMB / 4, "{name}: {largest} bytes");
                assert!(count <= FOR_EACH_LIMB * 12, "{name}: {count} allocations");
            }
        }
    }
}
