//! Keys in each form, on the device and in memory of the host.

use ckks_gpu_cuda::{CudaBackend, KernelSet, KeyForm};
use ckks_math::arith::ntt_primes;
use ckks_math::backend::{
    Basis, Device, GemmKernels, RingKernels, RingKind, RingSpec, SeededKeyData, SwitchKernels,
};
use ckks_math::conformance::table;
use ckks_math::sampling::Seed;

const FORMS: [KeyForm; 3] = [KeyForm::Whole, KeyForm::Expanded, KeyForm::Fused];

fn open() -> CudaBackend {
    CudaBackend::open_executor(KernelSet::Plain, 5)
        .unwrap()
        .poisoned()
}

/// The laws of keys hold in every form, at every level, wherever keys lie.
#[test]
fn keys_of_every_form_multiply_alike() {
    let laws = [
        "seeded_keys_are_those_of_both_halves",
        "rotations_match_the_clear",
    ];
    for form in FORMS {
        for backend in [open(), open().with_host_storage()] {
            let backend = backend.with_key_form(form);
            let mut run = 0;
            for (name, law) in table::<CudaBackend>() {
                if laws.contains(&name) {
                    law(&backend).unwrap_or_else(|v| panic!("{name}, {form:?}: {v}"));
                    run += 1;
                }
            }
            assert_eq!(run, laws.len());
        }
    }
}

/// What a key takes on the device and in memory of the host, and its products with one polynomial
/// and with three, of fewer limbs than the key, permuted and not.
fn products(backend: &CudaBackend, log_n: u32, bits: u32) -> ((usize, usize), Vec<Vec<u64>>) {
    let primes = ntt_primes(bits, 4 << log_n, 6).unwrap();
    let ring = RingSpec::new(RingKind::Standard, log_n, &primes[..4], &primes[4..]).unwrap();
    let (basis, seed) = (Basis::qp(4, 2), Seed::from_bytes([9; 32]));
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
    let key = backend.load_seeded_key(&t, &data).unwrap();
    let mut out = Vec::new();
    for rows in [1, 3] {
        let x = backend.uniform(&t, &seed, 5, rows, Basis::q(3)).unwrap();
        let digits = backend.decompose(&t, &x, 2, 2).unwrap();
        let plain = backend.dot_key(&t, &digits, &key).unwrap();
        let permuted = backend.dot_key_permuted(&t, &digits, 5, &key).unwrap();
        out.extend([plain, permuted].map(|x| backend.download(&t, &x).unwrap()));
    }
    (key.bytes(), out)
}

/// A packed half and a seed take less than half the memory of a whole key, of the device or of the
/// host; a prime that refuses an eighth of all words gives the same residues in the fused product.
#[test]
fn compressed_keys_take_less_than_half_the_memory() {
    for (log_n, bits) in [(10, 29), (10, 60), (3, 29)] {
        let ((whole, none), expected) = products(&open(), log_n, bits);
        assert_eq!(none, 0);
        for form in FORMS {
            let host = products(&open().with_host_storage().with_key_form(form), log_n, bits);
            assert!(host.1 == expected, "{form:?}, N = 2^{log_n}, {bits} bits");
            assert!(host.0.0 <= 64 && host.0.1 > 0, "{:?}", host.0);
            let device = products(&open().with_key_form(form), log_n, bits);
            assert!(device.1 == expected, "{form:?}, N = 2^{log_n}, {bits} bits");
            assert_eq!(device.0.1, 0);
            if form != KeyForm::Whole && log_n == 10 {
                assert!(2 * device.0.0 < whole, "{} of {whole}", device.0.0);
            }
        }
    }
}

/// Matrices in memory of the host multiply alike, and the device holds no more than is under way.
#[test]
fn matrices_come_from_the_host() {
    let primes = ntt_primes(29, 1 << 8, 2).unwrap();
    let ring = RingSpec::new(RingKind::Standard, 6, &primes, &[]).unwrap();
    let entries: Vec<i64> = (0..64 * 512).map(|i| i % 255 - 127).collect();
    let run = |backend: &CudaBackend| {
        let t = backend.tables(&ring).unwrap();
        let seed = Seed::from_bytes([2; 32]);
        let x = backend.uniform(&t, &seed, 0, 512, Basis::q(2)).unwrap();
        let before = backend.memory().live;
        let load = || backend.load_matrix(&t, 64, 512, &entries).unwrap();
        let matrices: Vec<_> = (0..8).map(|_| load()).collect();
        let loaded = backend.memory().live - before;
        let products = matrices.iter().map(|m| backend.gemm(&t, m, &x).unwrap());
        let residues: Vec<_> = products
            .map(|p| backend.download(&t, &p).unwrap())
            .collect();
        (loaded, residues)
    };
    let (device, host) = (run(&open()), run(&open().with_host_storage()));
    assert!(device.1 == host.1);
    assert!(4 * host.0 < device.0, "{} and {}", host.0, device.0);
}
