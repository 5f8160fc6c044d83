//! Kernels with a planted fault: the executor, or a law of the suite, must find each.

use ckks_gpu_cuda::{CudaBackend, KernelSet};
use ckks_math::arith::ntt_primes;
use ckks_math::backend::{Basis, Device, Pointwise, RingKernels, RingKind, RingSpec};
use ckks_math::conformance::table;

/// What goes wrong when an addition and a transform of `N = 2^log_n` run on a set of kernels.
fn failure(kernels: KernelSet, seed: u64, log_n: u32) -> Option<String> {
    let backend = CudaBackend::open_executor(kernels, seed).unwrap();
    let q = ntt_primes(28, 4 << log_n, 2).unwrap();
    let ring = RingSpec::new(RingKind::Standard, log_n, &q, &[]).unwrap();
    let run = || {
        let t = backend.tables(&ring)?;
        let ones = vec![1; 2 << log_n];
        let mut x = backend.upload(&t, 1, Basis::q(2), &ones)?;
        let y = backend.duplicate(&t, &x)?;
        backend.pointwise_assign(&t, Pointwise::Add, &mut x, &y)?;
        backend.ntt(&t, &mut x)
    };
    run().err().map(|e: ckks_math::Error| e.to_string())
}

/// Names of the laws that a set of kernels breaks.
fn broken_laws(kernels: KernelSet, names: &[&str]) -> Vec<&'static str> {
    let backend = CudaBackend::open_executor(kernels, 1).unwrap();
    let laws = table::<CudaBackend>().into_iter();
    laws.filter(|(name, law)| names.contains(name) && law(&backend).is_err())
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn the_kernels_as_they_are_run_in_every_order() {
    for seed in 0..8 {
        for log_n in [1, 3, 4, 7, 10, 12, 13] {
            assert_eq!(failure(KernelSet::Plain, seed, log_n), None);
        }
    }
}

/// Two rounds of a transform without the barrier between: a race, whatever the order of the
/// threads.
#[test]
fn a_missing_barrier_is_a_race() {
    for seed in 0..8 {
        let words = failure(KernelSet::MissingBarrier, seed, 10).unwrap();
        assert!(
            words.contains("race") || words.contains("never written"),
            "{words}"
        );
    }
    let laws = ["ntt_evaluates_at_the_roots", "intt_inverts_ntt"];
    assert_eq!(broken_laws(KernelSet::MissingBarrier, &laws), laws);
}

#[test]
fn a_word_of_shared_memory_too_far_is_found() {
    let words = failure(KernelSet::SharedIndex, 1, 10).unwrap();
    assert!(words.contains("shared memory"), "{words}");
    let laws = ["ntt_evaluates_at_the_roots", "intt_inverts_ntt"];
    assert_eq!(broken_laws(KernelSet::SharedIndex, &laws), laws);
}

#[test]
fn a_word_of_memory_too_far_is_found() {
    // Where the pool rounds sizes up, the word behind is nobody's: the sums tell.
    let laws = ["pointwise_matches_integers", "rows_add_and_tensor"];
    assert_eq!(broken_laws(KernelSet::GlobalIndex, &laws), laws);
    let words = failure(KernelSet::GlobalIndex, 1, 13).unwrap();
    assert!(words.contains("outside of its memory"), "{words}");
}

#[test]
fn a_barrier_that_not_all_threads_reach_is_found() {
    let words = failure(KernelSet::DivergentBarrier, 1, 10).unwrap();
    assert!(
        words.contains("barrier that 63 of 64 threads reach"),
        "{words}"
    );
}
