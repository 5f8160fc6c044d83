//! Keys whose uniform half is kept as a seed.

use ckks_gpu_cuda::{CudaBackend, KernelSet};
use ckks_math::arith::ntt_primes;
use ckks_math::backend::{
    Basis, Device, RingKernels, RingKind, RingSpec, SeededKeyData, SwitchKernels,
};
use ckks_math::conformance::table;
use ckks_math::sampling::Seed;

fn open() -> CudaBackend {
    CudaBackend::open_executor(KernelSet::Plain, 5).unwrap()
}

/// The laws of keys hold, at every level.
#[test]
fn compressed_keys_multiply_as_whole_ones() {
    let backend = open().with_compressed_keys();
    let laws = [
        "seeded_keys_are_those_of_both_halves",
        "rotations_match_the_clear",
    ];
    let mut run = 0;
    for (name, law) in table::<CudaBackend>() {
        if laws.contains(&name) {
            law(&backend).unwrap_or_else(|v| panic!("{name}: {v}"));
            run += 1;
        }
    }
    assert_eq!(run, laws.len());
}

/// A key of one half takes half the memory and gives the same product as a whole one, also for a
/// polynomial of fewer limbs than the key.
#[test]
fn compressed_keys_take_half_the_memory() {
    let ring = {
        let primes = ntt_primes(29, 1 << 12, 6).unwrap();
        RingSpec::new(RingKind::Standard, 10, &primes[..4], &primes[4..]).unwrap()
    };
    let (basis, seed) = (Basis::qp(4, 2), Seed::from_bytes([9; 32]));
    let run = |backend: &CudaBackend| {
        let t = backend.tables(&ring).unwrap();
        let b = backend
            .uniform(&t, &Seed::from_bytes([1; 32]), 0, 2, basis)
            .unwrap();
        let packed = backend.download_packed(&t, &b).unwrap();
        let data = SeededKeyData {
            basis,
            digit_size: 2,
            seed: &seed,
            b: &packed,
        };
        let before = backend.memory().live;
        let key = backend.load_seeded_key(&t, &data).unwrap();
        let bytes = backend.memory().live - before;
        let x = backend.uniform(&t, &seed, 5, 1, Basis::q(3)).unwrap();
        let product = backend.key_product(&t, &x, &key).unwrap();
        (bytes, backend.download(&t, &product).unwrap())
    };
    let (whole, half) = (run(&open()), run(&open().with_compressed_keys()));
    assert_eq!(whole.0, 2 * half.0);
    assert!(whole.1 == half.1);
}
