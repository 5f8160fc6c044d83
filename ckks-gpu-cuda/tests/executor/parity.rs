//! The same residues as the CPU backend, at the degrees that are used.

use crate::circuit::{self, Primes};
use ckks_gpu_cuda::{CudaBackend, KernelSet};
use ckks_math::backend::RingKind;

fn same_as_cpu(kind: RingKind, log_n: u32, bits: u32) {
    let executor = CudaBackend::open_executor(KernelSet::Plain, u64::from(log_n)).unwrap();
    circuit::same_as_cpu(&executor.poisoned(), kind, log_n, Primes::few(bits));
}

#[test]
fn short_words_give_the_residues_of_the_cpu() {
    for log_n in [9, 11, 13, 14] {
        same_as_cpu(RingKind::Standard, log_n, 28);
        same_as_cpu(RingKind::ConjugateInvariant, log_n, 28);
    }
    same_as_cpu(RingKind::ConjugateInvariant, 15, 28);
    same_as_cpu(RingKind::ConjugateInvariant, 16, 28);
}

/// Digits of twelve primes, the last one shorter.
#[test]
fn long_digits_give_the_residues_of_the_cpu() {
    let executor = CudaBackend::open_executor(KernelSet::Plain, 5).unwrap();
    for kind in [RingKind::Standard, RingKind::ConjugateInvariant] {
        circuit::same_as_cpu(&executor, kind, 9, Primes::MANY);
    }
}

/// Primes of 31 bits are too long for lazy transforms in 32-bit words.
#[test]
fn words_of_31_bits_give_the_residues_of_the_cpu() {
    same_as_cpu(RingKind::Standard, 13, 30);
    same_as_cpu(RingKind::ConjugateInvariant, 13, 30);
    same_as_cpu(RingKind::Standard, 16, 30);
}

#[test]
fn long_words_give_the_residues_of_the_cpu() {
    for log_n in [9, 11, 13] {
        same_as_cpu(RingKind::Standard, log_n, 60);
        same_as_cpu(RingKind::ConjugateInvariant, log_n, 60);
    }
    same_as_cpu(RingKind::Standard, 17, 50);
}
